"""What a shared store promises, and what it is told about the process that uses it.

A store executes the commands of `core.protocol` on its partitions, follows their logs, and knows for each partition
whether it may be trusted right now. It decides nothing about values: records go in and come out whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from evercache.core.protocol import Command, LogRecord, Looked

__all__ = ["DataStore", "Listener", "LooksAtOnce", "ServerFacts", "Store", "TellsFacts"]

R = TypeVar("R")


class Listener(Protocol):
    """The cache, as its store sees it. Every method is a plain function that returns at once and never raises."""

    def leased(self, partition: int, until: float) -> None:
        """L1 may answer for *partition* until this monotonic second."""
        ...

    def flushed(self, partition: int) -> None:
        """Something may have been missed: forget everything of *partition*, distrust every flight in the air."""
        ...

    def logged(self, partition: int, records: Sequence[LogRecord]) -> None:
        """Invalidations, in the order of the log. Repeats are possible."""
        ...

    def woken(self, partition: int, keys: Sequence[bytes]) -> None:
        """Somebody filled or released these keys while somebody waited."""
        ...

    def owed(self, partition: int, limit: int) -> Sequence[tuple[int, Command[object]]]:
        """Unconfirmed invalidations, with their operation numbers, oldest first; asked until there are none left,
        before *partition* is trusted again."""
        ...

    def settled(self, partition: int, operations: Sequence[int]) -> None:
        """These operations of `owed` are confirmed."""
        ...

    def changed(self, partition: int, *, trusted: bool, reason: str) -> None:
        """*partition* is trusted from now on, or no longer; *reason* is a short word such as `timeout`."""
        ...

    def restarted(self, partition: int) -> None:
        """The server behind *partition* is another one than before and may have lost writes."""
        ...


class Store(Protocol):
    """A shared store.

    - `execute()` raises `StoreUnavailable` (and nothing else) if the reply is not known within the operation budget.
      The command may still be executed later, or have been: the protocol lives with that.
    - Commands of one loop tick leave together; looks of one tick and partition leave as one MGET.
    - An untrusted partition refuses reads and fills at once, without I/O. Invalidations are refused too: the caller
      journals them, and `owed()` gives them back when the partition returns.
    - Cancelling a caller never harms another one.
    - Probing and reconnecting happen in the background, never on a caller's time.
    """

    @property
    def partitions(self) -> int:
        """How many partitions there are; fixed once started."""
        ...

    @property
    def delta(self) -> float:
        """Δ in seconds: how long after an invalidation another process may still answer from its L1."""
        ...

    def partition_of(self, key: bytes) -> int:
        """Where *key* lives."""
        ...

    async def start(self, listener: Listener) -> None:
        """Begin to connect and to follow the logs. Waits for the first answer at most the connect budget; never raises
        because the server is away."""
        ...

    async def close(self) -> None:
        """End every task and connection. Idempotent."""
        ...

    def trusted(self, partition: int) -> bool:
        """Whether commands may be sent to *partition* right now."""
        ...

    def now(self, partition: int) -> int:
        """The server's clock in milliseconds, estimated so that it is never behind."""
        ...

    def heard(self, partition: int) -> bytes | None:
        """The position of the log up to which the listener was told everything; None if it isn't known. May be called
        from any thread, and is never ahead of the listener."""
        ...

    def note_load(self, seconds: float) -> None:
        """A loader took this long: a store that is slower than loading is not asked (`slow`)."""
        ...

    async def execute(self, partition: int, command: Command[R]) -> R:
        """Run *command* on *partition*."""
        ...


class ServerFacts(NamedTuple):
    """What a server says about itself. Bytes and counts; `max_memory` 0 is "no limit", None is "unknown"."""

    version: str
    role: str
    max_memory: int
    policy: str
    replicas: int
    min_replicas: int | None
    max_clients: int | None


@runtime_checkable
class LooksAtOnce(Protocol):
    """An ability that not every store has: to look without a coroutine around the reply. That is most of what a hit
    in the store costs its reader, so the plain hit uses it where it is there; everything else is `Store.execute`."""

    def look(self, partition: int, key: bytes, tags: tuple[bytes, ...]) -> Awaitable[Looked]:
        """What `execute` answers to a Look, in the loop of the store. Raises `StoreUnavailable` at once where the store
        is not to be asked. The reply may be any error: `execute` is what knows how to follow it."""
        ...


@runtime_checkable
class TellsFacts(Protocol):
    """An ability that not every store has: to tell about its server."""

    async def facts(self) -> ServerFacts | None:
        """The facts, or None if the server doesn't tell. Never raises."""
        ...


class DataStore(Protocol):
    """A shared store for data and not for cache: sessions, limits, conversations. It runs scripts, each atomic.

    `run` gives the reply of one script, or raises StoreUnavailable within its budget; all keys lie in one slot.
    """

    @property
    def namespace(self) -> str:
        """What its keys begin with."""
        ...

    async def run(self, name: str, keys: Sequence[bytes], arguments: Sequence[bytes | str | int]) -> Any: ...
