"""A shared store without a server: the reference partitions, in this process.

Several caches over one `MemoryStore` behave like several processes over one Redis: generations, stamps, lock, log and
lease are all there. For tests of users, and for ours.

    store = MemoryStore(clock)
    one, two = Cache(store=store.join), Cache(store=store.join)
"""

from __future__ import annotations

import asyncio
from typing import TypeVar
from zlib import crc32

from evercache.core.clock import Clock
from evercache.core.protocol import Command
from evercache.errors import StoreUnavailable
from evercache.stores.base import Listener, Store
from evercache.stores.memory import Partition

__all__ = ["MemoryStore"]

R = TypeVar("R")


class MemoryStore:
    """Partitions that several caches of this process share. `join` gives each cache its own side of it."""

    def __init__(self, clock: Clock, *, partitions: int = 1) -> None:
        self.clock = clock
        self.partitions = [Partition(self._now) for _ in range(partitions)]
        self.members: list[_Member] = []

    def join(self) -> Store:
        """One cache's side of the store: `Cache(store=store.join)`."""
        return _Member(self)

    def _now(self) -> int:
        return int(self.clock.monotonic() * 1000)

    def hear(self, number: int) -> None:
        """Tell every member what is new in the log of a partition."""
        for member in self.members:
            member.hear(number)


class _Member:
    """A `Store` over the shared partitions. Every command takes one turn of the loop, as on a network."""

    def __init__(self, shared: MemoryStore) -> None:
        self._shared = shared
        self._listener: Listener | None = None
        self._positions: list[bytes] = []
        self._wakes: list[int] = []

    @property
    def partitions(self) -> int:
        return len(self._shared.partitions)

    @property
    def delta(self) -> float:
        return 0.0

    def partition_of(self, key: bytes) -> int:
        return crc32(key) % self.partitions

    async def start(self, listener: Listener) -> None:
        self._listener = listener
        self._shared.members.append(self)
        for number, partition in enumerate(self._shared.partitions):
            self._positions.append(partition.open_log())
            self._wakes.append(partition.wakes[-1][0] if partition.wakes else 0)
            listener.flushed(number)
            while owed := listener.owed(number, 512):
                for _, command in owed:
                    partition.execute(command)
                listener.settled(number, [operation for operation, _ in owed])
                self._shared.hear(number)
            listener.leased(number, float("inf"))
            listener.changed(number, trusted=True, reason="started")

    async def close(self) -> None:
        if self._listener is not None:
            self._listener = None
            self._shared.members.remove(self)

    def trusted(self, partition: int) -> bool:
        return self._listener is not None

    def now(self, partition: int) -> int:
        return self._shared.partitions[partition].now()

    def heard(self, partition: int) -> bytes | None:
        return self._positions[partition] if self._listener is not None else None

    def note_load(self, seconds: float) -> None:
        """Loads are never faster than a dictionary."""

    async def execute(self, partition: int, command: Command[R]) -> R:
        await asyncio.sleep(0)
        if self._listener is None:
            raise StoreUnavailable("this side of the memory store is closed", reason="closed")
        reply: R = self._shared.partitions[partition].execute(command)
        self._shared.hear(partition)
        await asyncio.sleep(0)
        return reply

    def hear(self, number: int) -> None:
        listener, partition = self._listener, self._shared.partitions[number]
        if listener is None:
            return
        anchored, records = partition.read_log(self._positions[number])
        if not anchored:
            position = partition.open_log()
            listener.flushed(number)
            self._positions[number] = position
            listener.leased(number, float("inf"))
        elif records:
            listener.logged(number, [record for _, record in records])
            self._positions[number] = records[-1][0]
        woken = partition.woken_since(self._wakes[number])
        if woken:
            self._wakes[number] = woken[-1][0]
            listener.woken(number, [key for _, key in woken])
