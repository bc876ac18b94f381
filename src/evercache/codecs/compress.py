"""Smaller payloads: zstd where there is one, zlib elsewhere, and nothing at all where it doesn't help.

Zstandard comes from the standard library (3.14), or from the extra `zstandard`; without either, zlib at level 1. Each
stored payload says by one byte how it was written, so a cache may change its method and still read what is there:

    0 raw      1 zlib      2 zstd      3 zstd with a trained dictionary (4 more bytes: the dictionary's id)

Reading is bounded before it starts: the size is declared, at most 16 MiB and at most 200 times what is stored, and the
decompressor is stopped at exactly that size. A writer obeys the same bounds: something that shrinks more than 200 times
is stored with less zeal, or raw. Both sides count what happened, so that "saved" is a measurement.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, NamedTuple, Protocol, cast

from evercache.codecs.base import MAX_RAW_BYTES, unreadable
from evercache.errors import CodecError, ConfigurationError

__all__ = ["MAX_RATIO", "Compressor", "Method", "Savings", "ZstdDictionary", "best_method", "train"]

MAX_RATIO = 200
"""No honest payload is stored at less than a 200th of its size; a bomb is."""

Method = Literal["raw", "zlib", "zstd"]

_RAW, _ZLIB, _ZSTD, _TRAINED = 0, 1, 2, 3


class _Zstd(Protocol):
    def compressor(self, level: int, dictionary: bytes | None = None) -> Callable[[bytes], bytes]: ...
    def decompressor(self, dictionary: bytes | None = None) -> Callable[[bytes, int], bytes]: ...
    def train(self, samples: Sequence[bytes], size: int) -> bytes: ...


def _zstd() -> _Zstd | None:
    for name in ("zstd", "zstandard"):
        try:
            return cast("_Zstd", import_module(f"evercache.codecs.{name}"))
        except ImportError:
            continue
    return None


def best_method() -> Method:
    """`zstd` where this interpreter has it, else `zlib`."""
    return "zlib" if _zstd() is None else "zstd"


class ZstdDictionary(NamedTuple):
    """What zstd learned from samples: small payloads of one kind shrink as if they were large.

    *id* (32 bits) is stored with each payload; keep old dictionaries readable until the last entry has died.
    """

    id: int
    content: bytes


def train(samples: Iterable[bytes], *, id: int, size: int = 16 * 1024) -> ZstdDictionary:  # its name
    """Learn from a few hundred encoded values of one function. Raises ConfigurationError without zstd or enough samples."""
    zstd = _zstd()
    if zstd is None:
        raise ConfigurationError("training a dictionary needs zstd: install the extra `zstandard`, or use Python 3.14")
    try:
        return ZstdDictionary(id, zstd.train(list(samples), size))
    except Exception as error:  # each library has its own error class
        raise ConfigurationError(f"these samples do not make a dictionary ({error}); give more of them") from None


@dataclass(slots=True)
class Savings:
    """What compression did: bytes before and after, payloads that were compressed and that were kept raw.

    Counted without a lock: several threads at once may lose a few.
    """

    raw_bytes: int = 0
    stored_bytes: int = 0
    compressed: int = 0
    kept_raw: int = 0


class Compressor:
    """Writes with one method, reads all of them.

    - Payloads under *threshold* bytes, and those that don't get smaller, are stored raw.
    - *level* is 3 for zstd and 1 for zlib: beyond, time grows faster than payloads shrink.
    - With *dictionary*, the threshold is usually 64: that is what dictionaries are for. *older* dictionaries only read.
    - `compress` never raises; `decompress` raises CodecError only.
    """

    def __init__(
        self,
        method: Method | None = None,
        *,
        threshold: int = 1024,
        level: int | None = None,
        dictionary: ZstdDictionary | None = None,
        older: Iterable[ZstdDictionary] = (),
    ) -> None:
        zstd = _zstd()
        if (method == "zstd" or dictionary is not None) and zstd is None:
            raise ConfigurationError("zstd is not there: install the extra `zstandard`, use Python 3.14, or write zlib")
        self.method: Method = method or ("zlib" if zstd is None else "zstd")
        self.threshold = threshold
        self.savings = Savings()
        self._id, self._write = self._writer(zstd, level, dictionary)
        self._readers: dict[int, Callable[[bytes, int], bytes]] = {_RAW: _read_raw, _ZLIB: _read_zlib}
        if zstd is not None:
            known = (*older, dictionary) if dictionary is not None else tuple(older)
            trained = {entry.id: zstd.decompressor(entry.content) for entry in known}
            self._readers |= {_ZSTD: zstd.decompressor(), _TRAINED: _reader_of(trained)}

    def _writer(
        self, zstd: _Zstd | None, level: int | None, dictionary: ZstdDictionary | None
    ) -> tuple[int, Callable[[bytes], bytes]]:
        if self.method == "raw" or zstd is None or self.method == "zlib":
            return (_RAW if self.method == "raw" else _ZLIB), lambda raw: zlib.compress(raw, level or 1)
        if dictionary is None:
            return _ZSTD, zstd.compressor(level or 3)
        prefix, write = dictionary.id.to_bytes(4, "big"), zstd.compressor(level or 3, dictionary.content)
        return _TRAINED, lambda raw: prefix + write(raw)

    def compress(self, raw: bytes) -> tuple[int, bytes]:
        """The id of the method and the bytes to store."""
        savings = self.savings
        savings.raw_bytes += len(raw)
        method, data = _RAW, raw
        if self._id != _RAW and len(raw) >= self.threshold:
            packed = self._write(raw)
            if len(packed) < len(raw) <= len(packed) * MAX_RATIO:
                method, data = self._id, packed
        savings.stored_bytes += len(data)
        if method == _RAW:
            savings.kept_raw += 1
        else:
            savings.compressed += 1
        return method, data

    def decompress(self, method: int, data: bytes, size: int) -> bytes:
        """Exactly *size* bytes. Raises CodecError for a bomb, a lie, an unknown method or dictionary, or damage."""
        if size > MAX_RAW_BYTES or size > len(data) * MAX_RATIO or (method and not size):
            raise CodecError(f"{len(data)} stored bytes claim to hold {size}; refused before unpacking")
        try:
            return self._readers[method](data, size)
        except Exception as error:  # KeyError for a method or dictionary, and each library's own class
            raise unreadable("compressed payload", error) from None


def _read_raw(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise ValueError("another size was declared")
    return data


def _read_zlib(data: bytes, size: int) -> bytes:
    stream = zlib.decompressobj()
    raw = stream.decompress(data, size + 1)  # one more byte than declared is enough to catch the lie
    if len(raw) != size or not stream.eof or stream.unused_data:
        raise ValueError("another size was declared")
    return raw


def _reader_of(trained: dict[int, Callable[[bytes, int], bytes]]) -> Callable[[bytes, int], bytes]:
    return lambda data, size: trained[int.from_bytes(data[:4], "big")](data[4:], size)
