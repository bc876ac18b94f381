"""A put whose caller leaves."""

from __future__ import annotations

import asyncio

import pytest

from evercache import Cache
from evercache.core.protocol import InvalidateKey, Reserve
from evercache.errors import StoreUnavailable
from evercache.stores.local import MemoryStore


class Refusing:
    """A side of a memory store that refuses to reserve, once it is told to go on."""

    def __init__(self, store) -> None:
        self.inner = store.join()
        self.asked, self.goes_on = asyncio.Event(), asyncio.Event()
        self.invalidated = asyncio.Event()

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def execute(self, partition, command):
        if isinstance(command, Reserve):
            self.asked.set()
            await self.goes_on.wait()
            raise StoreUnavailable("no", reason="timeout")
        if isinstance(command, InvalidateKey):
            self.invalidated.set()
        return await self.inner.execute(partition, command)


@pytest.mark.row("PR1", "S3.2")
async def test_the_old_value_goes_although_the_caller_of_a_put_that_fails_has_left(manual_clock):
    """What a writer says about its data doesn't depend on whether it waits for the answer."""
    store = MemoryStore(manual_clock)
    side = Refusing(store)
    async with Cache(store=lambda: side, clock=manual_clock, environ={}) as cache:
        putting = asyncio.ensure_future(cache.set("key", 2))
        await side.asked.wait()
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        side.goes_on.set()
        async with asyncio.timeout(10):
            await side.invalidated.wait()
