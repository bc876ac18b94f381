"""What happens off the hit path, as values. Observers receive them; counters (`engine.statistics`) count everything.

No event holds an argument, a value or a tag's name: functions appear by name, keys by their id, errors by their type.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Degraded",
    "Event",
    "EventsPublished",
    "FillRejected",
    "Invalidated",
    "LoadFailed",
    "Loaded",
    "Missed",
    "Recovered",
    "ServedStale",
    "Uncacheable",
    "Warmed",
]


@dataclass(frozen=True, slots=True)
class Event:
    """The root of all events."""


@dataclass(frozen=True, slots=True)
class Missed(Event):
    """Neither L1 nor L2 could answer; *cause* says why (`absent`, `expired`, `tag`, `banned`, `timeout`, …)."""

    function: str
    key: str
    cause: str


@dataclass(frozen=True, slots=True)
class Loaded(Event):
    """The loader answered after *seconds*."""

    function: str
    key: str
    seconds: float


@dataclass(frozen=True, slots=True)
class LoadFailed(Event):
    """The loader raised *error* (the name of its class)."""

    function: str
    key: str
    error: str
    seconds: float


@dataclass(frozen=True, slots=True)
class FillRejected(Event):
    """An invalidation came between load and fill: the value was served to those who had waited, and not stored."""

    function: str
    key: str


@dataclass(frozen=True, slots=True)
class ServedStale(Event):
    """A stale value answered; *why*: `revalidating`, `load failed`, `soft timeout` or `store down`."""

    function: str
    key: str
    why: str


@dataclass(frozen=True, slots=True)
class Uncacheable(Event):
    """A value can't be stored (its type, its size); it is served. Once per function and reason."""

    function: str
    reason: str


@dataclass(frozen=True, slots=True)
class Invalidated(Event):
    """Something was invalidated: *kind* is `key`, `tag`, `pattern` or `namespace`, *how* `hard` or `soft`, and
    *confirmation* `confirmed` or `pending`."""

    kind: str
    how: str
    count: int
    confirmation: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Degraded(Event):
    """A partition of the shared store is no longer trusted, for *reason*."""

    partition: int
    reason: str


@dataclass(frozen=True, slots=True)
class Recovered(Event):
    """A partition is trusted again after *seconds*."""

    partition: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Warmed(Event):
    """A plan was worked off, by hand or in the background: *warmed* calls were loaded, *fresh* ones left alone."""

    operation: str
    warmed: int
    fresh: int
    failed: int
    seconds: float


@dataclass(frozen=True, slots=True)
class EventsPublished(Event):
    """Domain events were published: the names of their classes, how many *rules* applied, and what these named.

    *keys*: how many answers that concerned; an estimate unless *exact*.
    """

    events: tuple[str, ...]
    rules: int
    tags: int
    calls: int
    keys: int
    exact: bool
    confirmation: str
    seconds: float
