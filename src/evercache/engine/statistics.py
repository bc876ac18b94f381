"""Counters, always on. Plain integers that the hit path adds one to; whoever wants them reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["FunctionStatistics", "Statistics"]


class FunctionStatistics:
    """What one cached function did in this process.

    `hits` are answers from L1, `l2_hits` from the shared store, `stale` answers past their ttl; `misses` are counted by
    cause; `rejected` fills were overtaken by an invalidation; `joined` callers waited for somebody else's flight.
    """

    __slots__ = (
        "evictions",
        "fills",
        "hits",
        "invalidations",
        "joined",
        "l2_hits",
        "load_failures",
        "load_seconds",
        "loads",
        "misses",
        "name",
        "negative",
        "puts",
        "refreshes",
        "rejected",
        "stale",
        "uncacheable",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.hits = 0
        self.l2_hits = 0
        self.stale = 0
        self.joined = 0
        self.negative = 0
        self.misses: dict[str, int] = {}
        self.loads = 0
        self.load_failures = 0
        self.load_seconds = 0.0
        self.fills = 0
        self.rejected = 0
        self.puts = 0
        self.refreshes = 0
        self.invalidations = 0
        self.evictions = 0
        self.uncacheable = 0

    def missed(self, cause: str) -> None:
        # A tag's id would make one counter per tag: the kind of cause is what is counted.
        cause = cause.partition(" ")[0] if cause.startswith("tag ") else cause
        self.misses[cause] = self.misses.get(cause, 0) + 1

    @property
    def requests(self) -> int:
        return self.hits + self.l2_hits + self.stale + sum(self.misses.values())

    @property
    def hit_rate(self) -> float:
        """From 0 to 1; stale answers count as hits. 0 before the first request."""
        requests = self.requests
        return (self.hits + self.l2_hits + self.stale) / requests if requests else 0.0

    def to_dict(self) -> dict[str, Any]:  # Any: numbers and one dictionary of them
        """All counters, with `requests` and `hit_rate`."""
        counters = {name: getattr(self, name) for name in self.__slots__}
        return counters | {"misses": dict(self.misses), "requests": self.requests, "hit_rate": self.hit_rate}


class Statistics:
    """The counters of all functions of a cache, and what belongs to none of them."""

    def __init__(self) -> None:
        self.functions: dict[str, FunctionStatistics] = {}
        self.http: dict[str, Callable[[], dict[str, Any]]] = {}  # the counters of rules for HTTP responses, by title
        self.confirmed = 0
        self.pending = 0
        self.degradations: dict[str, int] = {}
        self.recoveries = 0
        self.flushes = 0

    def of(self, name: str) -> FunctionStatistics:
        """The counters of the function *name*; made at the first call."""
        found = self.functions.get(name)
        if found is None:
            found = self.functions[name] = FunctionStatistics(name)
        return found

    def to_dict(self) -> dict[str, Any]:  # Any: as above
        functions = {name: stats.to_dict() for name, stats in sorted(self.functions.items())}
        requests = sum(stats.requests for stats in self.functions.values())
        missed = sum(sum(stats.misses.values()) for stats in self.functions.values())
        return {
            "requests": requests,
            "hit_rate": (requests - missed) / requests if requests else 0.0,
            "invalidations": {"confirmed": self.confirmed, "pending": self.pending},
            "degradations": dict(self.degradations),
            "recoveries": self.recoveries,
            "flushes": self.flushes,
            "functions": functions,
            "http": {title: counters() for title, counters in sorted(self.http.items())},
        }
