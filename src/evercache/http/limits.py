"""What bounds the room that one client can take: variants of a URL, queries of a path, work that clients ask for."""

from __future__ import annotations

import math
from collections.abc import Hashable
from itertools import islice

__all__ = ["Distinct", "Rate"]

_PLACES = 10_000
_SOME = 64  # at once, for finding the first item of a dictionary takes as long as there were items before it


class Distinct:
    """How many different things were stored at each place (the variants of a URL, the queries of a path).

    A thing counts until the moment at which it is no longer kept; that is looked for once a second at most, so that who
    comes too late costs no search. Places beyond 10,000 are forgotten, the oldest first.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._places: dict[Hashable, dict[Hashable, float]] = {}
        self._next_look = -math.inf

    def admits(self, place: Hashable, thing: Hashable, now: float) -> bool:
        """Whether *thing* is one of the first *limit* at *place*."""
        things = self._places.get(place)
        if things is None or thing in things or len(things) < self.limit:
            return True
        if now < self._next_look:
            return False
        self._next_look = now + 1.0
        for other in [other for other, until in things.items() if until <= now]:
            del things[other]
        return len(things) < self.limit

    def add(self, place: Hashable, thing: Hashable, until: float) -> None:
        """*thing* is stored at *place*, and kept no longer than *until*."""
        things = self._places.pop(place, None)
        self._places[place] = things = {} if things is None else things  # the newest places stand last
        things[thing] = until
        if len(self._places) > _PLACES:
            for oldest in list(islice(self._places, _SOME)):
                del self._places[oldest]


class Rate:
    """At most so many a second, and as many at once (a token bucket)."""

    def __init__(self, per_second: float, now: float) -> None:
        self._rate = per_second
        self._tokens = max(1.0, per_second)
        self._at = now

    def take(self, now: float) -> bool:
        self._tokens = min(max(1.0, self._rate), self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
