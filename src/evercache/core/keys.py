"""From arguments to bytes, so that distinct arguments never share a key.

Every value is written with a tag for its type and the length of its text, recursively, so no two different values give
the same bytes: 1, 1.0, True and "1" differ, so do ("a:b", "c") and ("a", "b:c"), a list and a tuple. There is no
fallback to `repr` or `hash()`: an address, a shortened text or a random seed would make two users share an entry. What
has no canonical form is an error that says how to give it one.

An object of your own takes part by a method `__cache_key__()` that returns something encodable.
"""

from __future__ import annotations

import dataclasses
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag
from hashlib import blake2b
from typing import Any
from uuid import UUID

from evercache.errors import KeyEncodingError

__all__ = ["BIG", "ENCODABLE", "digest", "digester", "encode", "is_path", "part", "readable_name", "tag_id"]

BIG = 2**61 - 1
"""Integers from here on hash to the rest of a division; L1 keys hold them as bytes, so nobody can make them collide."""

_MAX_DEPTH = 50


def encode(value: object) -> bytes:
    """The canonical bytes of *value*. Raises KeyEncodingError for a type without a canonical form."""
    # Most arguments are one of these two; the writers below would say the same, by a detour over a list.
    if type(value) is int:
        size = value.bit_length() // 8 + 1
        return b"i%d:%b" % (size, value.to_bytes(size, "big", signed=True))
    if type(value) is str:
        data = value.encode("utf-8", "surrogatepass")
        return b"s%d:%b" % (len(data), data)
    out: list[bytes] = []
    _write(value, out, 0)
    return b"".join(out)


def part(value: object) -> object:
    """*value* as a part of an L1 key: hashable, equal only to itself, whatever Python thinks of 1 == True."""
    kind = value.__class__
    if kind is str or value is None or kind is bytes:
        return kind, value
    if kind is int and -BIG < value < BIG:  # type: ignore[operator]  # *kind* proves it, checkers can't see it
        return kind, value
    own = getattr(kind, "__cache_key__", None)
    return encode(value) if own is None else (kind, part(own(value)))  # ten times as fast, for the object of a method


def digest(data: bytes, secret: bytes) -> str:
    """32 hex digits that stand for *data*; with a secret, nobody without it can try out guesses."""
    return blake2b(data, key=secret, digest_size=16).hexdigest()


def digester(secret: bytes) -> Callable[[bytes], str]:
    """`digest` with this secret, which is taken in once and not for each key: half the time of a keyed digest."""
    begun = blake2b(key=secret, digest_size=16)

    def made(data: bytes) -> str:
        state = begun.copy()
        state.update(data)
        return state.hexdigest()

    return made if secret else lambda data: digest(data, b"")


def tag_id(name: str, secret: bytes) -> bytes:
    """A tag as it stands in Redis: 24 hex digits. Tag names hold identifiers of people; they stay in this process."""
    data = name.encode("utf-8", "surrogatepass")
    return blake2b(data, key=secret, digest_size=12, person=b"tag").hexdigest().encode()


_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/@-")
_LONGEST_NAME = 200


def readable_name(name: str) -> str:
    """*name* as the readable part of a Redis key: other characters are written `%XX`, and a very long name is cut and
    completed by a digest. Two names never become one."""
    data = name.encode("utf-8", "surrogatepass")
    text = "".join(chr(byte) if chr(byte) in _PLAIN else f"%{byte:02X}" for byte in data)
    if len(text) > _LONGEST_NAME:
        text = f"{text[:_LONGEST_NAME]}~{blake2b(data, digest_size=16).hexdigest()}"
    return text


def _atom(tag: bytes, data: bytes) -> bytes:
    return b"%b%d:%b" % (tag, len(data), data)


def _text(value: str) -> bytes:
    return str.encode(value, "utf-8", "surrogatepass")  # not value.encode: a subclass may mean something else by it


def _write(value: object, out: list[bytes], depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise KeyEncodingError(f"an argument is nested more than {_MAX_DEPTH} levels deep; give the key a part of it.")
    writer = ENCODABLE.get(type(value))
    if writer is not None:
        writer(value, out, depth)
    else:
        _write_other(value, out, depth)


def _none(_: Any, out: list[bytes], __: int) -> None:
    out.append(b"n")


def _bool(value: Any, out: list[bytes], _: int) -> None:
    out.append(b"t" if value else b"f")


def _int(value: Any, out: list[bytes], _: int) -> None:
    size = int.bit_length(value) // 8 + 1
    out.append(_atom(b"i", int.to_bytes(value, size, "big", signed=True)))


def _float(value: Any, out: list[bytes], _: int) -> None:
    out.append(b"d" + struct.pack(">d", value))


def _str(value: Any, out: list[bytes], _: int) -> None:
    out.append(_atom(b"s", _text(value)))


def _bytes(value: Any, out: list[bytes], _: int) -> None:
    out.append(_atom(b"b", bytes(value)))


def _sequence(tag: bytes) -> Callable[[Any, list[bytes], int], None]:
    def write(value: Any, out: list[bytes], depth: int) -> None:
        out.append(b"%b%d:" % (tag, len(value)))
        for item in value:
            _write(item, out, depth + 1)

    return write


def _encoded(items: Iterable[object], depth: int) -> list[bytes]:
    found: list[bytes] = []
    for item in items:
        piece: list[bytes] = []
        _write(item, piece, depth + 1)
        found.append(b"".join(piece))
    return found


def _set(tag: bytes) -> Callable[[Any, list[bytes], int], None]:
    def write(value: Any, out: list[bytes], depth: int) -> None:
        out.append(b"%b%d:" % (tag, len(value)))
        out.extend(sorted(_encoded(value, depth)))

    return write


def _dict(value: Any, out: list[bytes], depth: int) -> None:
    """Sorted: the order in which a mapping was filled is no part of what it says."""
    out.append(b"m%d:" % len(value))
    for key, item in sorted(zip(_encoded(value, depth), _encoded(value.values(), depth), strict=True)):
        out += key, item


def _as_text(tag: bytes, render: Callable[[Any], str]) -> Callable[[Any, list[bytes], int], None]:
    def write(value: Any, out: list[bytes], _: int) -> None:
        out.append(_atom(tag, _text(render(value))))

    return write


def _moment(tag: bytes) -> Callable[[Any, list[bytes], int], None]:
    """A datetime or a time as it is shown, with its zone: two views of one instant are two values."""

    def write(value: Any, out: list[bytes], _: int) -> None:
        out.append(_atom(tag, _text(f"{value.isoformat()}|{_zone(value)}|{value.fold}")))

    return write


def _zone(value: datetime | time) -> str:
    zone = value.tzinfo
    if zone is None:
        return ""
    if zone.__class__ is timezone:
        return value.tzname() or ""
    key: object = getattr(zone, "key", None) or getattr(zone, "zone", None)  # zoneinfo's name for it, and pytz's
    kind = zone.__class__
    return key if isinstance(key, str) else f"{kind.__module__}.{kind.__qualname__}:{zone!s}:{value.tzname()}"


def _timedelta(value: Any, out: list[bytes], depth: int) -> None:
    out.append(b"D")
    _int((value.days * 86400 + value.seconds) * 1_000_000 + value.microseconds, out, depth)


# The builtin types with a canonical form, and how each is written.
ENCODABLE: dict[type, Callable[[Any, list[bytes], int], None]] = {
    type(None): _none,
    bool: _bool,
    int: _int,
    float: _float,
    complex: _as_text(b"j", repr),
    str: _str,
    bytes: _bytes,
    bytearray: lambda value, out, _: out.append(_atom(b"y", bytes(value))),
    tuple: _sequence(b"u"),
    list: _sequence(b"l"),
    set: _set(b"e"),
    frozenset: _set(b"z"),
    dict: _dict,
    Decimal: _as_text(b"c", str),
    UUID: lambda value, out, _: out.append(b"U" + value.bytes),
    datetime: _moment(b"T"),
    date: _as_text(b"a", date.isoformat),
    time: _moment(b"h"),
    timedelta: _timedelta,
    range: lambda value, out, depth: _named("range", (value.start, value.stop, value.step), out, depth),
}


def _named(name: str, parts: Sequence[object], out: list[bytes], depth: int) -> None:
    """An object of a named class with these parts."""
    out.append(_atom(b"o", _text(name)))
    _sequence(b"u")(parts, out, depth)


def _write_other(value: Any, out: list[bytes], depth: int) -> None:
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(value, type):
        raise KeyEncodingError(f"a class ({name}) can't be part of a key; pass its name.")
    own = getattr(kind, "__cache_key__", None)
    if own is not None:
        _named(name, (own(value),), out, depth)
        return
    if is_path(kind):  # the module's name differs between versions of Python
        name = f"pathlib.{kind.__qualname__}" if kind.__module__.startswith("pathlib") else name
    base = None if isinstance(value, Enum) else next((base for base in kind.__mro__ if base in ENCODABLE), None)
    parts = _parts(value)
    if parts is not None and base is None:
        _named(name, parts, out, depth)
    elif base is not None:
        _of_base(name, value, base, parts or sorted(getattr(value, "__dict__", {}).items()), out, depth)
    else:
        raise KeyEncodingError(
            f"an argument of type {name} can't be part of a key: it has no canonical form. Give the class a method "
            "__cache_key__() that returns what identifies it, leave the argument out with Annotated[T, Skip], or "
            "choose the key yourself with key_by."
        )


def _of_base(name: str, value: Any, base: type, added: Sequence[object], out: list[bytes], depth: int) -> None:
    """An object of a subclass of a builtin: what the base holds, and what the subclass adds to it."""
    if not added:
        out.append(_atom(b"o", _text(name)))
        ENCODABLE[base](value, out, depth)
        return
    out += _atom(b"o", _text(f"{name}+")), b"u2:"
    ENCODABLE[base](value, out, depth + 1)
    _sequence(b"l")(added, out, depth + 1)


def is_path(kind: type) -> bool:
    """Whether it is a class of pathlib's, importing nothing: who has a path has imported the module."""
    pathlib = sys.modules.get("pathlib")
    return pathlib is not None and issubclass(kind, pathlib.PurePath)


def _parts(value: Any) -> Sequence[object] | None:
    """What an object of a known kind consists of; None if its kind isn't known."""
    kind = type(value)
    if isinstance(value, Enum):
        return (value.value if isinstance(value, Flag) else value.name,)
    if dataclasses.is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, OrderedDict):
        return [list(value)]  # here, the order is part of what it says
    if is_path(kind):
        return (str(value),)
    if hasattr(kind, "get_secret_value"):
        return (value.get_secret_value(),)
    if hasattr(kind, "__attrs_attrs__"):
        return [(field.name, getattr(value, field.name)) for field in kind.__attrs_attrs__]
    return _model_parts(value)


def _model_parts(value: Any) -> list[tuple[str, object]] | None:
    """Fields of a Pydantic model (hidden, extra and private ones too) or of a msgspec Struct, importing neither."""
    if "pydantic" in sys.modules and isinstance(getattr(type(value), "__pydantic_fields__", None), dict):
        fields = [(name, getattr(value, name)) for name in type(value).__pydantic_fields__]
        hidden = (value.__pydantic_extra__ or {}) | (value.__pydantic_private__ or {})
        return fields + sorted(hidden.items())
    struct_fields = getattr(type(value), "__struct_fields__", None)
    if struct_fields is not None:
        return [(name, getattr(value, name)) for name in struct_fields]
    return None
