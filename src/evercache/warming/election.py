"""One warmer for each fleet: who holds a lease in the shared store works, the others wait.

The lease is the herd lock of a key that nobody caches under: `Begin` takes it, or prolongs it for its holder, or says
how long another one's still lives; `Release` gives it back and wakes those who wait. So an election needs no command,
no script and no key that a load doesn't need: it holds on Redis, Sentinel, Cluster and in memory alike, and what the
simulation and the differential test say of the lock they say of the lease.

What it promises, and what it can't. The holder counts the lease from the moment it *sent* `Begin`, and the store from
when it carried it out, so the holder always believes in it for the shorter time: two never start loads at once as long
as their clocks run at one speed. A process that is stopped between its last look at the clock and the start of a load
can still start that one when it wakes up. It does no harm: what keeps values right isn't the lease, each load has a
fencing token of its own (Kleppmann, "How to do distributed locking", 2016), the generation that its fill must present.
A fill that comes after another one's is rejected by the store.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable

from evercache.core.protocol import Begin, Begun, Key, Release
from evercache.engine.engine import Engine
from evercache.engine.waiting import within
from evercache.errors import StoreUnavailable

__all__ = ["Election"]

RETRY = 0.5
"""Seconds between two attempts while the store doesn't answer."""


class Election:
    """The candidacy of one process for one office. *changed* is called when it has won, and when it has resigned."""

    def __init__(self, engine: Engine, office: str, lease: float, changed: Callable[[], None]) -> None:
        self._engine = engine
        self._key = Key(b"!elected:" + office.encode(), "")  # "!" is in no name of a cached function
        self._me = secrets.token_hex(8).encode()
        self._lease = lease
        self._terms = engine.terms._replace(lock=int(lease * 1000))
        self._changed = changed
        self._until = -math.inf if engine.shares else math.inf
        self.terms = 0  # how often it was won

    @property
    def holds(self) -> bool:
        """Whether this process may start to work, right now."""
        return self._engine.clock.monotonic() < self._until

    async def run(self) -> None:
        """Win the office as soon as it is free, and keep it, until cancelled."""
        if not self._engine.shares:
            self.terms += 1
            self._changed()
            return
        while True:
            await self._pause(await self._attempt())

    async def resign(self) -> None:
        """Leave the office to the others, at once."""
        held, self._until = self.holds, -math.inf
        if held and self._engine.shares:
            try:
                await self._engine.execute(self._partition, Release(self._key, self._me))
            except StoreUnavailable:
                return  # it dies by itself

    @property
    def _partition(self) -> int:
        return self._engine.partition_of(self._key.id)

    async def _attempt(self) -> float:
        """Take the lease or prolong it; seconds until the next attempt."""
        clock = self._engine.clock
        sent = clock.monotonic()
        command = Begin(self._key, (), secrets.token_hex(8).encode(), self._me, self._terms)
        try:
            begun: Begun = await self._engine.execute(self._partition, command)
        except StoreUnavailable:
            return min(RETRY, self._lease / 3)
        if not begun.holder:
            self._until = -math.inf
            return begun.wait + 0.005
        held, self._until = self.holds, sent + self._lease
        if not held:
            self.terms += 1
            self._changed()
        return self._lease / 3

    async def _pause(self, seconds: float) -> None:
        """Wait; a candidate is woken when the holder resigns."""
        airfield = self._engine.airfield()
        woken: asyncio.Future[None] = airfield.expect(self._key.id)
        try:
            await within(self._engine.clock, seconds, woken)
        finally:
            airfield.forget(self._key.id, woken)
