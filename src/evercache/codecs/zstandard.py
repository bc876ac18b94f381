"""Zstandard by the `zstandard` extra, for Python before 3.14. The only file that imports it.

The same four functions as `zstd.py`, so that `compress.py` takes whichever is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import zstandard

__all__ = ["compressor", "decompressor", "train"]

_WINDOW = 1 << 24  # a frame that asks the reader for a larger window is refused


def compressor(level: int, dictionary: bytes | None = None) -> Callable[[bytes], bytes]:
    """A function that compresses; a new context per call, because a context is not safe between threads."""
    data = None if dictionary is None else zstandard.ZstdCompressionDict(dictionary)
    if data is not None:
        data.precompute_compress(level=level)

    def compress(raw: bytes) -> bytes:
        context = zstandard.ZstdCompressor(level=level, dict_data=data, write_content_size=True)
        return context.compress(raw)

    return compress


def decompressor(dictionary: bytes | None = None) -> Callable[[bytes, int], bytes]:
    """A function that reads exactly *size* bytes out of one frame, and raises for anything else."""
    loaded = None if dictionary is None else zstandard.ZstdCompressionDict(dictionary)

    def decompress(data: bytes, size: int) -> bytes:
        if zstandard.frame_content_size(data) != size:  # before anything is allocated
            raise ValueError("the frame's size is not the declared one")
        context = zstandard.ZstdDecompressor(dict_data=loaded, max_window_size=_WINDOW)
        return context.decompress(data, max_output_size=size, allow_extra_data=False)

    return decompress


def train(samples: Sequence[bytes], size: int) -> bytes:
    """A dictionary of at most *size* bytes. Raises if there is too little to learn from."""
    return zstandard.train_dictionary(size, list(samples)).as_bytes()
