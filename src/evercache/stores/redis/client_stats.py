"""What one `RedisClient` counted since it was made."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Literal, TypedDict

__all__ = ["ClientError", "ClientStats", "StatsDict"]

Counted = Literal["hits", "misses", "sets", "deletes", "errors"]


class StatsDict(TypedDict):
    """`ClientStats` for JSON. `hit_rate` is from 0 to 1."""

    hits: int
    misses: int
    sets: int
    deletes: int
    errors: int
    hit_rate: float
    total_operations: int
    uptime_seconds: float


class ClientError(TypedDict):
    """One remembered error: never a key, a value or a secret."""

    at: float
    operation: str
    reason: str
    message: str


class ClientStats:
    """Counts of this process, in all and for each `cache_type`; the last 100 errors.

    `errors` counts calls that got no usable answer, also those that were answered at once because Redis was known to be
    away; only the former are remembered.
    """

    def __init__(self) -> None:
        self._by_type: dict[str, Counter[Counted]] = {}
        self._began = time.monotonic()
        self.recent_errors: deque[ClientError] = deque(maxlen=100)

    def count(self, what: Counted, cache_type: str = "default") -> None:
        """One more."""
        self._by_type.setdefault(cache_type, Counter())[what] += 1

    def remember(self, operation: str, reason: str, message: str) -> None:
        """Keep an error for `health_check`."""
        self.recent_errors.append(ClientError(at=time.time(), operation=operation, reason=reason, message=message))

    def to_dict(self, cache_type: str | None = None) -> StatsDict:
        """All counts, or those of one *cache_type*."""
        counters = self._by_type.values() if cache_type is None else [self._by_type.get(cache_type, Counter[Counted]())]
        total = sum(counters, Counter[Counted]())
        hits, misses, sets, deletes = (total[what] for what in ("hits", "misses", "sets", "deletes"))
        return StatsDict(
            hits=hits,
            misses=misses,
            sets=sets,
            deletes=deletes,
            errors=total["errors"],
            hit_rate=hits / (hits + misses) if hits + misses else 0.0,
            total_operations=hits + misses + sets + deletes,
            uptime_seconds=time.monotonic() - self._began,
        )

    def by_type(self) -> Mapping[str, StatsDict]:
        """The counts of each `cache_type` seen so far."""
        return {cache_type: self.to_dict(cache_type) for cache_type in self._by_type}
