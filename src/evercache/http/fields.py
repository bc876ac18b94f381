"""Header fields as they travel: raw pairs, in order, repeated where they were repeated (RFC 9110 §5, §7.6.1).

Names are compared without case and stored in lower case; values lose the white space around them and nothing else. A
dict would lose the second `Set-Cookie`, `Link` or `Vary`. Text is latin-1, so that every byte survives.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

__all__ = [
    "Fields",
    "Indexed",
    "combined",
    "end_to_end",
    "folded",
    "has",
    "indexed",
    "is_token",
    "listed",
    "members",
    "values",
    "without",
]

Fields = Sequence[tuple[bytes, bytes]]
"""Header pairs as ASGI hands them over."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
# A comma, or a quoted string; one that never ends reaches to the end in one step, so that no text takes quadratic time.
_MARK = re.compile(r',|"(?:[^"\\]|\\.)*+(?P<end>"|\\?\Z)', re.DOTALL)
_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"proxy-connection"}
)
_OWS = b" \t"


class Indexed(tuple[tuple[bytes, bytes], ...]):  # noqa: SLOT001 - a tuple can have no slots
    """The same pairs, sorted by name once: a message is asked for some thirty names on its way."""

    lines: dict[bytes, list[str]]


def indexed(fields: Iterable[tuple[bytes, bytes]]) -> Indexed:
    """*fields* with an index of their names."""
    if isinstance(fields, Indexed):
        return fields
    found = Indexed(fields)
    lines: dict[bytes, list[str]] = {}
    found.lines = lines
    for name, value in found:
        lines.setdefault(name.lower(), []).append(value.strip(_OWS).decode("latin-1"))
    return found


def folded(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The same pairs in the same order: names in lower case, values without white space around them."""
    return [(name.lower(), value.strip(_OWS)) for name, value in fields]


def values(fields: Fields, name: bytes) -> list[str]:
    """The value of each line called *name* (given in lower case)."""
    if isinstance(fields, Indexed):
        return fields.lines.get(name, [])
    return [value.strip(_OWS).decode("latin-1") for other, value in fields if other.lower() == name]


def combined(fields: Fields, name: bytes) -> str | None:
    """The lines called *name* as one value (RFC 9110 §5.3), or None without any."""
    found = values(fields, name)
    return ", ".join(found) if found else None


def has(fields: Fields, name: bytes) -> bool:
    if isinstance(fields, Indexed):
        return name in fields.lines
    for other, _ in fields:  # noqa: SIM110 - a generator costs three times as much for the few fields there are
        if other == name or other.lower() == name:
            return True
    return False


def members(text: str) -> list[str]:
    """The members of a comma-separated list. Commas in quoted strings separate nothing; empty members are none."""
    parts = _split(text) if '"' in text else text.split(",")
    return [member for part in parts if (member := part.strip(" \t"))]


def listed(fields: Fields, name: bytes) -> list[str]:
    """The members of all lines called *name*, in order."""
    return [member for value in values(fields, name) for member in members(value)]


def is_token(text: str) -> bool:
    """Whether *text* may be the name of a field, a method or a directive (RFC 9110 §5.6.2)."""
    return _TOKEN.fullmatch(text) is not None


def without(fields: Iterable[tuple[bytes, bytes]], names: Collection[bytes]) -> list[tuple[bytes, bytes]]:
    """The pairs whose name (in any case) is not among *names* (in lower case)."""
    return [(name, value) for name, value in fields if name.lower() not in names]


def end_to_end(fields: Fields) -> list[tuple[bytes, bytes]]:
    """What is left for a next recipient, folded: nothing hop-by-hop, nothing that `Connection` names, no `Proxy-*`
    (RFC 9110 §7.6.1, RFC 9111 §3.1)."""
    named = {option.lower().encode("latin-1") for option in listed(fields, b"connection")}
    dropped = _HOP_BY_HOP | named
    return [pair for pair in folded(fields) if pair[0] not in dropped and not pair[0].startswith(b"proxy-")]


def _split(text: str) -> Iterator[str]:
    """The pieces between commas. A quote that never ends is a plain character: `x="y, no-store` hides no `no-store`."""
    start = 0
    for mark in _MARK.finditer(text):
        if mark[0] == ",":
            yield text[start : mark.start()]
            start = mark.end()
        elif mark["end"] != '"':
            break
    else:
        yield text[start:]
        return
    yield from text[start:].split(",")
