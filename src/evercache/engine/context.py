"""What the parts of the engine know of each other: one narrow view of the engine, so that each can be read alone."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from random import Random
from typing import Protocol, TypeVar

from evercache.core.clock import Clock
from evercache.core.entry import Lease
from evercache.core.journal import Journal
from evercache.core.l1 import L1
from evercache.core.protocol import Command, Key, Looked, Terms
from evercache.engine.airfield import Airfield
from evercache.engine.companions import Companions
from evercache.engine.hooks import Hooks
from evercache.engine.statistics import Statistics

__all__ = ["Context"]

R = TypeVar("R")


class Context(Protocol):
    """The engine, as its parts see it."""

    clock: Clock
    l1: L1
    journal: Journal
    hooks: Hooks
    companions: Companions
    statistics: Statistics
    terms: Terms
    outage: str
    degraded_ttl: float
    degraded: Lease
    enabled: bool
    random: Random
    raise_pending: bool

    @property
    def shares(self) -> bool:
        """Whether a shared store is configured at all."""
        ...

    @property
    def partitions(self) -> int: ...

    def partition_of(self, key: bytes) -> int: ...

    def lease_of(self, partition: int) -> Lease: ...

    def reachable(self, partition: int) -> bool:
        """Whether the store may be asked from this loop, right now."""
        ...

    def refusal(self, partition: int) -> str:
        """Why the store can't be asked, in a word."""
        ...

    def airfield(self) -> Airfield:
        """The airfield of the running loop."""
        ...

    def now(self, partition: int) -> int:
        """The store's clock in milliseconds."""
        ...

    def heard(self, partition: int) -> bytes | None:
        """The position of the partition's log up to which this process has applied everything; None: unknown."""
        ...

    def note_load(self, seconds: float) -> None: ...

    def tag_id(self, name: str) -> bytes: ...

    def tag_name(self, tag: bytes) -> str: ...

    @property
    def unstarted(self) -> bool:
        """A shared store is configured, and this process isn't connected to it yet, or no longer."""
        ...

    def airfields(self) -> Iterable[Airfield]: ...

    def owing(self, partition: int) -> None:
        """An invalidation for *partition* went into the journal."""
        ...

    def look(self, partition: int, key: Key, tags: tuple[bytes, ...]) -> Awaitable[Looked] | None:
        """A look that is on its way; None if the store is not to be asked from this loop, or not now."""
        ...

    async def execute(self, partition: int, command: Command[R]) -> R: ...
