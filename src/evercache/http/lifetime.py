"""How long a response is fresh (RFC 9111 §4.2.1, §4.2.2), and who says so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from evercache.http.age import date_of
from evercache.http.dates import parse_date
from evercache.http.directives import LONGEST, Directives
from evercache.http.fields import Fields, values
from evercache.http.policy import Mode, Policy

__all__ = ["HEURISTIC_STATUSES", "Lifetime", "Source", "lifetime_of"]

HEURISTIC_STATUSES = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})
"""Statuses that may be reused without explicit freshness (RFC 9110 §15.1), but for 206, which is never stored here."""

_LONGEST_GUESS = 86400.0


class Source(Enum):
    """Who said how long the response is fresh."""

    S_MAXAGE = "s-maxage"
    MAX_AGE = "max-age"
    EXPIRES = "expires"
    RULE = "rule"
    HEURISTIC = "heuristic"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Seconds from the moment at which the response was generated, and who said so."""

    seconds: float
    source: Source

    @property
    def explicit(self) -> bool:
        """Whether the response itself said it."""
        return self.source in (Source.S_MAXAGE, Source.MAX_AGE, Source.EXPIRES)


def lifetime_of(status: int, fields: Fields, directives: Directives, received: float, policy: Policy) -> Lifetime:
    """The first of: an overriding rule, s-maxage, max-age, `Expires` less `Date`, the rule, a guess if allowed."""
    origin = _explicit(fields, directives, received, shared=policy.shared)
    ruled = _by_rule(status, policy)
    if ruled is not None and (origin is None or policy.mode is Mode.OVERRIDE):
        return ruled
    if ruled is not None and origin is not None and policy.mode is Mode.SHORTEN:
        return min(origin, ruled, key=lambda lifetime: lifetime.seconds)
    return origin or _guess(status, fields, directives, received, policy.heuristic)


def _explicit(fields: Fields, directives: Directives, received: float, *, shared: bool) -> Lifetime | None:
    if shared and (seconds := directives.seconds("s-maxage")) is not None:
        return Lifetime(seconds, Source.S_MAXAGE)
    if (seconds := directives.seconds("max-age")) is not None:
        return Lifetime(seconds, Source.MAX_AGE)
    lines = () if directives.targeted else values(fields, b"expires")  # RFC 9213 §2.2
    if not lines:
        return None
    date = date_of(fields, received)
    return Lifetime(min(_until(line, date, received) for line in lines), Source.EXPIRES)


def _until(expires: str, date: float, received: float) -> float:
    """Seconds from *date* to *expires*, no more than `max-age` could say; an invalid date, "0" above all, is in the past
    (RFC 9111 §5.3)."""
    moment = parse_date(expires, received)
    return 0.0 if moment is None else max(0.0, min(moment - date, LONGEST))


def _by_rule(status: int, policy: Policy) -> Lifetime | None:
    if policy.ttl is None:
        return None
    covered = status in policy.negative or (status < 400 and status in HEURISTIC_STATUSES)
    return Lifetime(policy.ttl, Source.RULE) if covered else None


def _guess(status: int, fields: Fields, directives: Directives, received: float, part: float) -> Lifetime:
    """A part of the time for which the representation hadn't changed, a day at most (RFC 9111 §4.2.2)."""
    lines = values(fields, b"last-modified")
    modified = parse_date(lines[0], received) if lines else None
    if part <= 0 or modified is None or not (status in HEURISTIC_STATUSES or directives.allows("public")):
        return Lifetime(0.0, Source.NOBODY)
    unchanged = max(0.0, date_of(fields, received) - modified)
    return Lifetime(min(unchanged * part, _LONGEST_GUESS), Source.HEURISTIC)
