"""From the canonical bytes of a key back to text, for globs and for people who debug; never for Redis or a log.

7 → "7"    "en" → "en"    None → "None"    (1, "a") → "(1,a)"    {"a": 1} → "{a:1}"    Color.RED → "Color(RED)"
"""

from __future__ import annotations

import struct

from evercache.core.keys import encode

__all__ = ["readable", "readable_items", "readable_part"]

_CONTAINERS = {b"u": ("(", ")"), b"l": ("[", "]"), b"e": ("{", "}"), b"z": ("{", "}")}


def readable_part(part: object) -> str:
    """The text of a part of an L1 key, in whichever of its forms (`core.keys.part`)."""
    if isinstance(part, str):
        return part
    if isinstance(part, bytes):
        return readable(part)
    if isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], type):
        kind, value = part
        own = hasattr(kind, "__cache_key__")
        return f"{kind.__qualname__.rpartition('.')[2]}({readable_part(value)})" if own else readable(encode(value))
    return readable(encode(part))


def readable_items(part: object) -> list[str]:
    """The texts of the items of a tuple, which is a part of an L1 key or the tuple itself."""
    data = part if isinstance(part, bytes) else encode(part)
    number, at = _number(data, 1)
    return _items(data, at, number)[0]


def readable(data: bytes) -> str:
    """The text of one value's canonical bytes."""
    return _read(data, 0)[0]


def _read(data: bytes, at: int) -> tuple[str, int]:
    tag = data[at : at + 1]
    at += 1
    if tag in b"ntf":
        return {b"n": "None", b"t": "True", b"f": "False"}[tag], at
    if tag == b"d":
        return repr(struct.unpack(">d", data[at : at + 8])[0]), at + 8
    if tag == b"U":
        digits = data[at : at + 16].hex()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])), at + 16
    if tag == b"D":
        return _read(data, at)
    number, at = _number(data, at)
    if tag == b"m":
        return _mapping(data, at, number)
    if tag in _CONTAINERS:
        items, at = _items(data, at, number)
        left, right = _CONTAINERS[tag]
        return f"{left}{','.join(items)}{right}", at
    text, end = data[at : at + number], at + number
    if tag == b"i":
        return str(int.from_bytes(text, "big", signed=True)), end
    if tag in b"by":
        return text.hex(), end
    if tag == b"o":
        inner, end = _read(data, end)
        return f"{text.decode('utf-8', 'surrogatepass').rpartition('.')[2]}{_bracketed(inner)}", end
    return text.decode("utf-8", "surrogatepass"), end


def _bracketed(inner: str) -> str:
    return inner if inner[:1] in "([{" else f"({inner})"


def _number(data: bytes, at: int) -> tuple[int, int]:
    colon = data.index(b":", at)
    return int(data[at:colon]), colon + 1


def _items(data: bytes, at: int, count: int) -> tuple[list[str], int]:
    items = []
    for _ in range(count):
        item, at = _read(data, at)
        items.append(item)
    return items, at


def _mapping(data: bytes, at: int, count: int) -> tuple[str, int]:
    items, at = _items(data, at, count * 2)
    pairs = (f"{key}:{value}" for key, value in zip(items[::2], items[1::2], strict=True))
    return f"{{{','.join(pairs)}}}", at
