"""How old a response is (RFC 9111 §4.2.3)."""

from __future__ import annotations

import math

from evercache.http.dates import parse_date
from evercache.http.directives import delta_seconds
from evercache.http.fields import Fields, listed, values

__all__ = ["age_on_arrival", "date_of"]


def date_of(fields: Fields, received: float) -> float:
    """When the response was generated: its `Date`, or the moment of its arrival without a valid one."""
    lines = values(fields, b"date")
    date = parse_date(lines[0], received) if lines else None
    return received if date is None else date


def age_on_arrival(fields: Fields, requested: float, received: float) -> float:
    """The corrected initial age in seconds: of a response to a request of the moment *requested*. At any later moment
    the age is this, and the time that has passed since *received*.

    `Date` has whole seconds, so a part of a second between it and the clock is no age: else a response with `max-age=1`
    would be stale in some of its seconds, by chance.
    """
    apparent = max(0.0, math.floor(received) - date_of(fields, received))
    corrected = _age_value(fields) + max(0.0, received - requested)
    return max(apparent, corrected)


def _age_value(fields: Fields) -> int:
    """The first member of `Age`; 0 where it isn't digits (RFC 9111 §5.1)."""
    found = listed(fields, b"age")
    return delta_seconds(found[0]) if found else 0
