"""Data that a test can change, a loader that counts, and caches in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from evercache import Cache
from evercache.stores.local import MemoryStore
from evercache.testing.clock import ManualClock

__all__ = ["Source", "alone", "pair_over_memory"]


class Source:
    """Versioned data. `loads` counts what was asked; while `gate` is closed, loads hang after they have read."""

    def __init__(self) -> None:
        self.version = 0
        self.loads = 0
        self.running = 0
        self.gate: asyncio.Event | None = None
        self.failing: BaseException | None = None

    async def load(self, number: int = 0) -> dict[str, int]:
        self.loads += 1
        self.running += 1
        try:
            read = self.version
            if self.gate is not None:
                await self.gate.wait()
            if self.failing is not None:
                raise self.failing
            return {"number": number, "version": read}
        finally:
            self.running -= 1

    def shut(self) -> asyncio.Event:
        """Close the gate; the event that opens it."""
        self.gate = asyncio.Event()
        return self.gate

    def on(self, cache: Any, **options: Any) -> Any:
        """The cached function `thing(number)` with the tags `thing:{number}` and `things`."""

        @cache.cached(key="thing", **({"tags": ["thing:{number}", "things"], "jitter": 0.0} | options))
        async def thing(number: int = 0) -> dict[str, int]:
            return await self.load(number)

        return thing


def alone(clock: ManualClock, **options: Any) -> Cache:
    """A cache of this process alone, on the test's clock."""
    return Cache(clock=clock, environ={}, **options)


@asynccontextmanager
async def pair_over_memory(clock: ManualClock, **options: Any) -> AsyncIterator[tuple[Cache, Cache]]:
    """Two caches that share what two processes share, without a server."""
    store = MemoryStore(clock)
    one, two = (Cache(store=store.join, clock=clock, environ={}, **options) for _ in range(2))
    async with one, two:
        yield one, two
