"""Values that describe themselves: for functions without a usable annotation.

JSON first: a value made of None, bool, int, finite float, str, list and dict with string keys is stored as plain JSON.
Anything richer is stored as MessagePack, where each rich value is an extension with a code of its own: tuples stay
tuples, integer keys stay integers, a Decimal stays a Decimal. The first byte says which of the two it is; it is decided
by looking at the value, not by trying one and falling back to the other.

Carried exactly: None, bool, int of any size, float (NaN, infinities), str, bytes, list, tuple, set, frozenset, dict with
any encodable keys, datetime, date, time, timedelta, Decimal, UUID, and objects of registered classes. An aware datetime
keeps its instant and its UTC offset, not the name of its zone. Everything else is a CodecError, subclasses of the above
included (reading them back as their base would change them).
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from evercache.codecs.base import fingerprint, refused, unreadable
from evercache.codecs.msgspec import read_json, write_json
from evercache.codecs.registry import Registry
from evercache.codecs.tagging import Reader, Writer
from evercache.errors import CodecError

__all__ = ["DescribedCodec"]

_JSON, _PACK = b"J", b"M"

_PLAIN = frozenset((type(None), bool, int, str))


class DescribedCodec:
    """`ValueCodec` for values of any of the types above; *registry* allows classes beside them.

    *shape* is the text of the annotation, if there is one: a changed annotation is a changed schema.
    """

    def __init__(self, registry: Registry | None = None, shape: str = "") -> None:
        registry = Registry() if registry is None else registry
        self.fingerprint = fingerprint("described-1", shape)
        self._write = Writer(registry).write
        self._write_wide = Writer(registry, wide=True).write
        self._read = Reader(registry).read

    def encode(self, value: Any) -> bytes:
        try:
            try:
                return _JSON + write_json(value) if _is_plain(value) else _PACK + self._write(value)
            except (OverflowError, ValueError):
                # An int beyond 64 bits, or of more digits than Python turns into text; rare enough for a second walk.
                return _PACK + self._write_wide(value)
        except CodecError:
            raise
        except Exception as error:  # depth, a cycle, a lone surrogate
            raise refused(value, type(error).__name__) from None

    def decode(self, data: bytes) -> Any:
        try:
            kind = data[:1]
            if kind == _PACK:
                return self._read(memoryview(data)[1:])
            if kind == _JSON:
                return read_json(memoryview(data)[1:])
        except CodecError:
            raise
        except Exception as error:
            raise unreadable("self-describing value", error) from None
        raise CodecError("stored bytes are not a self-describing value; the entry counts as a miss")


def _is_plain(value: Any) -> bool:
    """Can JSON carry it exactly? The loops are plain because they are the cost of storing a value."""
    kind = type(value)
    if kind is dict:
        for key, part in value.items():
            if type(key) is not str or (type(part) not in _PLAIN and not _is_plain(part)):
                return False
        return True
    if kind is list:
        for part in value:  # noqa: SIM110  # all() over a generator takes twice as long
            if type(part) not in _PLAIN and not _is_plain(part):
                return False
        return True
    return kind in _PLAIN or (kind is float and isfinite(value))
