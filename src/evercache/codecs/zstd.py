"""Zstandard by the standard library, Python 3.14 and later.

The same functions as `zstandard.py`. Imported only where `compression.zstd` exists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

zstd: Any = import_module("compression.zstd")  # by name: type checkers of Python 3.11 know no such module

__all__ = ["compressor", "decompressor", "train"]

_WINDOW_LOG = 24  # a frame that asks the reader for a larger window is refused


def compressor(level: int, dictionary: bytes | None = None) -> Callable[[bytes], bytes]:
    """A function that compresses; the frame carries the size of what went in."""
    loaded = None if dictionary is None else zstd.ZstdDict(dictionary)

    def compress(raw: bytes) -> bytes:
        packed: bytes = zstd.compress(raw, level=level, zstd_dict=loaded)
        return packed

    return compress


def decompressor(dictionary: bytes | None = None) -> Callable[[bytes, int], bytes]:
    """A function that reads exactly *size* bytes out of one frame, and raises for anything else."""
    loaded = None if dictionary is None else zstd.ZstdDict(dictionary)
    options = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}

    def decompress(data: bytes, size: int) -> bytes:
        if zstd.get_frame_info(data).decompressed_size != size:
            raise ValueError("the frame's size is not the declared one")
        stream = zstd.ZstdDecompressor(zstd_dict=loaded, options=options)
        raw: bytes = stream.decompress(data, max_length=size + 1)  # one more than declared is enough to catch a lie
        if len(raw) != size or not stream.eof or stream.unused_data:
            raise ValueError("the frame does not end where it says")
        return raw

    return decompress


def train(samples: Sequence[bytes], size: int) -> bytes:
    """A dictionary of at most *size* bytes. Raises if there is too little to learn from."""
    content: bytes = zstd.train_dict(list(samples), size).dict_content
    return content
