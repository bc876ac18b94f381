"""How many loaders run at the same time: what the source behind the cache can bear.

A cache that is suddenly empty (a flush, a failover, an outage) sends the whole traffic to its source, one load for each
key. A source that is overrun answers later, later answers mean more loads at once, and that state can outlive its cause
(Bronson et al., "Metastable Failures in Distributed Systems", HotOS 2021). With a limit, the rest waits in the order in
which it came, and each caller still waits for one load only.

The trap is a loader that calls another cached function: if the outer ones held every turn while the inner ones wait for
one, nobody would ever go on. So who waits for a cache lends its turn meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar

__all__ = ["Gate", "lent"]


class Gate:
    """Lets *limit* loaders of one event loop run at once; None lets all of them."""

    def __init__(self, limit: int | None) -> None:
        self._turns = None if limit is None else asyncio.Semaphore(limit)

    @property
    def crowded(self) -> bool:
        """Whether a loader that comes now has to wait."""
        return self._turns is not None and self._turns.locked()

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait for a turn, and have it until the end of the block."""
        if self._turns is None:
            yield
            return
        turn = _Turn(self._turns)
        await turn.take()
        token = _turn.set(turn)
        try:
            yield
        finally:
            _turn.reset(token)
            turn.end()


class _Turn:
    """The right of one loader to run. What it starts (`gather`) lends and takes back the same one."""

    __slots__ = ("_held", "_lent", "_over", "_turns")

    def __init__(self, turns: asyncio.Semaphore) -> None:
        self._turns = turns
        self._held = False
        self._lent = 0
        self._over = False

    async def take(self) -> None:
        await self._turns.acquire()
        if self._held or self._over:  # while we waited, another part of the loader took it, or the loader ended
            self._turns.release()
        else:
            self._held = True

    def lend(self) -> None:
        self._lent += 1
        self._give()

    async def take_back(self) -> None:
        self._lent -= 1
        if not self._lent and not self._over:
            await self.take()

    def end(self) -> None:
        self._over = True
        self._give()

    def _give(self) -> None:
        if self._held:
            self._held = False
            self._turns.release()


_turn: ContextVar[_Turn | None] = ContextVar("evercache_turn", default=None)


@asynccontextmanager
async def lent() -> AsyncGenerator[None]:
    """While a loader waits for something cached, its turn is somebody else's. Outside of a loader: nothing."""
    turn = _turn.get()
    if turn is None:
        yield
        return
    turn.lend()
    try:
        yield
    finally:
        await turn.take_back()
