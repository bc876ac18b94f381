"""Lengths of time as people write them: seconds, `timedelta`, "5m", or FOREVER.

Three things are never confused here: `None` means "inherit" and is the caller's business, `FOREVER` means "never
expires", and 0 is a mistake, because half the world reads it as "don't cache" and the other half as "never expire".
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from enum import Enum
from typing import Final

from evercache.errors import ConfigurationError

__all__ = ["FOREVER", "Duration", "Forever", "parse_duration", "parse_seconds"]


class Forever(Enum):
    """The type of `FOREVER`. An enum of one member, so that type checkers narrow `is FOREVER`."""

    FOREVER = "forever"

    def __repr__(self) -> str:
        return "FOREVER"


FOREVER: Final = Forever.FOREVER
"""A ttl that never runs out. The entry still leaves by invalidation or for lack of room."""

Duration = int | float | timedelta | str | Forever
"""What users may write. Strings are numbers with units (ms, s, m, h, d, w), largest first: "250ms", "1h30m"."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw])\s*")
_LONGEST = 100 * 365.25 * 86400.0


def parse_duration(value: object, name: str) -> float | Forever:
    """Seconds (> 0, at most 100 years), or FOREVER. Errors are sentences about *name*."""
    if value is FOREVER or (isinstance(value, str) and value.strip().lower() == "forever"):
        return FOREVER
    return parse_seconds(value, name, zero="use None to inherit, FOREVER to never expire")


def parse_seconds(value: object, name: str, *, zero: str = "write how long, for example 0.1 or '100ms'") -> float:
    """Seconds (> 0, at most 100 years) where "for ever" makes no sense, such as a time-out."""
    seconds = _seconds(value, name)
    if math.isnan(seconds) or math.isinf(seconds):
        raise ConfigurationError(f"{name}={value!r} is not a length of time; {zero}.")
    if seconds == 0:
        raise ConfigurationError(f"{name}={value!r} has no meaning here; {zero}.")
    if seconds < 0:
        raise ConfigurationError(f"{name}={value!r} is negative; {zero}.")
    if seconds > _LONGEST:
        raise ConfigurationError(f"{name}={value!r} is longer than 100 years; {zero}.")
    return seconds


def _seconds(value: object, name: str) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return _LONGEST * 2
    if isinstance(value, str):
        return _from_text(value, name)
    raise ConfigurationError(
        f"{name} is a {type(value).__name__}, not a length of time; "
        "write seconds (300), a timedelta, a text such as '5m', or FOREVER where allowed."
    )


def _from_text(text: str, name: str) -> float:
    stripped = text.strip().lower()
    try:
        return float(stripped)
    except ValueError:
        pass
    total, position, previous = 0.0, 0, math.inf
    while match := _PART.match(stripped, position):
        unit = _UNITS[match[2]]
        if unit >= previous:  # "30m1h" and "5m5m" are more often typing errors than intentions
            break
        total, position, previous = total + float(match[1]) * unit, match.end(), unit
    if not stripped or position != len(stripped):
        raise ConfigurationError(
            f"{name}={text!r} is not a length of time; write numbers with ms, s, m, h, d or w, largest first: '1h30m'."
        )
    return total
