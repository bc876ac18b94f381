"""Zstandard by the `zstandard` extra, for Python before 3.14. The only file that imports it.

The same four functions as `zstd.py`, so that `compress.py` takes whichever is there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import zstandard

__all__ = ["compressor", "decompressor", "train"]

_WINDOW = 1 << 24  # a frame that asks the reader for a larger window is refused


class _Compressing(threading.local):
    """A context for each thread: they are not safe between threads, and a new one costs five times its use."""

    def __init__(self, level: int, dictionary: zstandard.ZstdCompressionDict | None) -> None:
        self.context = zstandard.ZstdCompressor(level=level, dict_data=dictionary, write_content_size=True)


class _Decompressing(threading.local):
    def __init__(self, dictionary: zstandard.ZstdCompressionDict | None) -> None:
        self.context = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=_WINDOW)


def compressor(level: int, dictionary: bytes | None = None) -> Callable[[bytes], bytes]:
    """A function that compresses; the frame carries the size of what went in."""
    local = _Compressing(level, None if dictionary is None else zstandard.ZstdCompressionDict(dictionary))

    def compress(raw: bytes) -> bytes:
        return local.context.compress(raw)

    return compress


def decompressor(dictionary: bytes | None = None) -> Callable[[bytes, int], bytes]:
    """A function that reads exactly *size* bytes out of one frame, and raises for anything else."""
    local = _Decompressing(None if dictionary is None else zstandard.ZstdCompressionDict(dictionary))

    def decompress(data: bytes, size: int) -> bytes:
        if zstandard.frame_content_size(data) != size:  # before anything is allocated
            raise ValueError("the frame's size is not the declared one")
        return local.context.decompress(data, max_output_size=size, allow_extra_data=False)

    return decompress


def train(samples: Sequence[bytes], size: int) -> bytes:
    """A dictionary of at most *size* bytes. Raises if there is too little to learn from."""
    return zstandard.train_dictionary(size, list(samples)).as_bytes()
