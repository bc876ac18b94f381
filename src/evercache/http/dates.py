"""HTTP dates: the three forms that a recipient must accept, and the one that a sender must use (RFC 9110 §5.6.7).

Strict on purpose: general date parsers also accept one-digit hours, missing commas, dashes and other zones, and then a
response lives on an `Expires` that no other recipient believes. What is none of the three forms is no date.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

__all__ = ["format_date", "parse_date"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = {name.lower(): number for number, name in enumerate(_MONTHS, 1)}
_SHORT = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_NAME = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        rf"{_SHORT}, (?P<day>[0-9]{{2}}) {_NAME} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        rf"{_LONG}, (?P<day>[0-9]{{2}})-{_NAME}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        rf"{_SHORT} {_NAME} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_date(text: str, now: float) -> float | None:
    """The moment that *text* names, or None. *now* decides the century of a year with two digits.

    The name of the day must be one, but isn't compared with the date: it proves nothing that the date doesn't say.
    """
    for form in _FORMS:
        found = form.fullmatch(text)
        if found is not None:
            return _moment(found, now)
    return None


def format_date(moment: float) -> str:
    """*moment* as an IMF-fixdate, whole seconds, in no locale. Out of the calendar's range: its nearest end."""
    lowest, highest = -62135596800, 253402300799  # the years 1 to 9999
    when = _EPOCH + timedelta(seconds=int(max(lowest, min(highest, moment))))
    day, month = _DAYS[when.weekday()], _MONTHS[when.month - 1]
    return f"{day}, {when.day:02} {month} {when.year:04} {when.hour:02}:{when.minute:02}:{when.second:02} GMT"


def _moment(found: re.Match[str], now: float) -> float | None:
    year, day = int(found["year"]), int(found["day"])
    if len(found["year"]) == 2:
        year = _full_year(year, now)
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"])
    leap = (hour, minute, second) == (23, 59, 60)  # the grammar allows it, the calendar doesn't know it
    try:
        when = datetime(year, _MONTH[found["month"].lower()], day, hour, minute, second - leap, tzinfo=UTC)
    except ValueError:
        return None
    return (when - _EPOCH).total_seconds() + leap


def _full_year(short: int, now: float) -> int:
    """A year that would be more than 50 years ahead is the last past year with these two digits (RFC 9110 §5.6.7)."""
    this = int(format_date(now)[12:16])
    year = this - this % 100 + short
    return year - 100 if year > this + 50 else year
