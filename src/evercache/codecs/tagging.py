"""Rich values as MessagePack extensions, and back. The vocabulary of the self-describing codec.

Each rich type has a code; the codes are part of the stored format: never renumber one, never use one twice.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from evercache.codecs.base import refused
from evercache.codecs.msgspec import extension, pack_reader, pack_writer, packed_as
from evercache.codecs.registry import Registry
from evercache.errors import CodecError

__all__ = ["Reader", "Writer"]

_TUPLE, _SET, _FROZENSET, _PAIRS = 1, 2, 3, 4
_DATETIME, _DATE, _TIME, _TIMEDELTA, _DECIMAL, _UUID, _INT, _OBJECT = 5, 6, 7, 8, 9, 10, 11, 12

_NATIVE = frozenset((type(None), bool, int, str, float, bytes))


class Writer:
    """Replaces what MessagePack can't say by extensions. `wide` also replaces integers, for those beyond 64 bits."""

    def __init__(self, registry: Registry, *, wide: bool = False) -> None:
        self._registry = registry
        self._native = _NATIVE - {int} if wide else _NATIVE
        self._pack = pack = pack_writer()
        self._tags: dict[type, Callable[[Any], Any]] = {
            list: self._list,
            dict: self._dict,
            tuple: partial(self._items, _TUPLE),
            set: partial(self._items, _SET),
            frozenset: partial(self._items, _FROZENSET),
            datetime: _tag_datetime,
            date: lambda value: extension(_DATE, value.isoformat().encode()),
            time: _tag_time,
            timedelta: lambda value: extension(
                _TIMEDELTA, f"{value.days} {value.seconds} {value.microseconds}".encode()
            ),
            Decimal: lambda value: extension(_DECIMAL, pack(value)),
            UUID: lambda value: extension(_UUID, pack(value)),
            int: _tag_int,
        }

    def write(self, value: Any) -> bytes:
        """Raises CodecError for a class nobody registered, OverflowError for a large int unless `wide`."""
        return self._pack(self._tag(value))

    def _tag(self, value: Any) -> Any:
        kind = type(value)
        if kind in self._native:
            return value
        tag = self._tags.get(kind)
        return tag(value) if tag is not None else self._object(value)

    def _list(self, value: list[Any]) -> list[Any]:
        native, tag = self._native, self._tag
        return [part if type(part) in native else tag(part) for part in value]

    def _dict(self, value: dict[Any, Any]) -> Any:
        for key in value:
            if type(key) is not str:
                return extension(_PAIRS, self._pack(self._list([part for pair in value.items() for part in pair])))
        native, tags, tag = self._native, self._tags, self._object
        return {
            key: part if (kind := type(part)) in native else tags.get(kind, tag)(part) for key, part in value.items()
        }

    def _items(self, code: int, value: Any) -> Any:
        return extension(code, self._pack(self._list(list(value))))

    def _object(self, value: Any) -> Any:
        registered = self._registry.of(type(value))
        if registered is None:
            raise refused(value, "its class is not registered; annotate the function's return type, or register it")
        return extension(_OBJECT, self._pack([registered.name, self._tag(registered.take(value))]))


class Reader:
    """Builds the objects behind extensions. Only the types named in this file and the registered classes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._makers: dict[int, Callable[[Any], Any]] = {
            _TUPLE: lambda data: tuple(self._list(data)),
            _SET: lambda data: set(self._list(data)),
            _FROZENSET: lambda data: frozenset(self._list(data)),
            _PAIRS: self._pairs,
            _DATETIME: lambda data: datetime.fromisoformat(str(data, "ascii")),
            _DATE: lambda data: date.fromisoformat(str(data, "ascii")),
            _TIME: lambda data: time.fromisoformat(str(data, "ascii")),
            _TIMEDELTA: lambda data: timedelta(*map(int, str(data, "ascii").split(" ", 2))),
            _DECIMAL: packed_as(Decimal),
            _UUID: packed_as(UUID),
            _INT: lambda data: int.from_bytes(data, "big", signed=True),
            _OBJECT: self._object,
        }
        self.read = pack_reader(self._extension)

    def _extension(self, code: int, data: memoryview) -> Any:
        return self._makers[code](data)

    def _list(self, data: memoryview) -> list[Any]:
        parts = self.read(data)
        if type(parts) is not list:
            raise CodecError("stored bytes have an extension with the wrong contents; the entry counts as a miss")
        return parts

    def _pairs(self, data: memoryview) -> dict[Any, Any]:
        parts = self._list(data)
        return dict(zip(parts[::2], parts[1::2], strict=True))

    def _object(self, data: memoryview) -> Any:
        name, parts = self._list(data)
        return self._registry.named(name).make(parts)


def _tag_datetime(value: datetime) -> Any:
    if value.tzinfo is UTC:
        return value  # MessagePack has timestamps, written and read in C
    if value.fold and value.tzinfo is None:
        raise refused(value, "a naive datetime with fold=1 has no textual form; attach its time zone")
    return extension(_DATETIME, value.isoformat().encode())


def _tag_time(value: time) -> Any:
    if value.fold or (value.tzinfo is not None and value.utcoffset() is None):
        raise refused(value, "a time with fold=1, or in a zone whose offset depends on the date, has no textual form")
    return extension(_TIME, value.isoformat().encode())


def _tag_int(value: int) -> Any:
    if -(1 << 63) <= value < 1 << 63:
        return value
    return extension(_INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
