"""One part of a complete stored body (RFC 9110 §14). More than one range is answered with the whole: that is allowed,
and keeps a client from asking for a thousand overlapping pieces."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from evercache.http.conditional import range_is_wanted
from evercache.http.fields import Fields, combined, without

__all__ = ["Answer", "Part", "choose_part", "partial_fields", "unsatisfiable_fields"]

_RANGE = re.compile(r"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*", re.IGNORECASE | re.ASCII)


class Part(NamedTuple):
    """The bytes from *start* up to, but not including, *stop*."""

    start: int
    stop: int


class Answer(Enum):
    WHOLE = 200
    UNSATISFIABLE = 416


def choose_part(
    method: str, request: Fields, status: int, response: Fields, length: int, received: float
) -> Part | Answer:
    """What of a stored body of *length* bytes answers *request*. A `Range` that can't be read isn't there."""
    text = combined(request, b"range")
    if text is None or method != "GET" or status != 200 or not range_is_wanted(request, response, received):
        return Answer.WHOLE
    found = _RANGE.fullmatch(text)
    if found is None or not (found[1] or found[2]):
        return Answer.WHOLE
    if not found[1]:
        return _part(max(0, length - _number(found[2])), length, length)
    first = _number(found[1])
    if not found[2]:
        return _part(first, length, length)
    last = _number(found[2])
    return Answer.WHOLE if last < first else _part(first, last + 1, length)


def partial_fields(response: Fields, part: Part, length: int) -> list[tuple[bytes, bytes]]:
    """The fields of a 206 with *part* of a body of *length* bytes."""
    return [
        *without(response, {b"content-length", b"content-range"}),
        (b"content-range", b"bytes %d-%d/%d" % (part.start, part.stop - 1, length)),
        (b"content-length", b"%d" % (part.stop - part.start)),
    ]


def unsatisfiable_fields(length: int) -> list[tuple[bytes, bytes]]:
    """The fields of a 416, which has no body here."""
    return [(b"content-range", b"bytes */%d" % length), (b"content-length", b"0")]


def _part(start: int, stop: int, length: int) -> Part | Answer:
    return Part(start, min(stop, length)) if start < length else Answer.UNSATISFIABLE


def _number(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= 18 else 10**18  # no body is that long, and int() refuses 5000 digits
