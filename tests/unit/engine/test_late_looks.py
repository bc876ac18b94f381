"""A look that was sent before a write may land after it. What it brings must not stay in L1."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from evercache import Cache, Confirmation
from evercache.core.protocol import Command, InvalidateKey, InvalidateTag, LogRecord, Look, Reserve
from evercache.stores.base import Listener
from evercache.stores.local import MemoryStore
from evercache.testing.clock import ManualClock


class Deaf:
    """A listener that hasn't heard the log yet; everything else reaches the cache."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def logged(self, partition: int, records: Sequence[LogRecord]) -> None:
        """Later, perhaps."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)


class SlowRoads:
    """A side of a `MemoryStore`: one write waits on its way to the store, and one look on its way back."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store.join()
        self.slow = False
        self.write_left, self.write_may_arrive = asyncio.Event(), asyncio.Event()
        self.look_was_answered, self.answer_may_arrive = asyncio.Event(), asyncio.Event()

    async def start(self, listener: Listener) -> None:
        await self._store.start(Deaf(listener))

    async def execute(self, partition: int, command: Command[Any]) -> Any:
        if self.slow and isinstance(command, Reserve | InvalidateKey | InvalidateTag):
            self.write_left.set()
            await self.write_may_arrive.wait()
        reply = await self._store.execute(partition, command)
        if self.slow and isinstance(command, Look) and not self.look_was_answered.is_set():
            self.look_was_answered.set()
            await self.answer_may_arrive.wait()
        return reply

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.mark.row("PR1", "PR2")
@pytest.mark.parametrize("straight", [True, False], ids=["by the caller", "by a flight"])
@pytest.mark.parametrize("write", ["set", "delete", "tag"])
async def test_a_late_look_does_not_bring_an_old_value_into_l1(manual_clock: ManualClock, write: str, straight: bool):
    """
    A look leaves while a write is on its way, is answered before the write arrives, and lands after it was confirmed.
    From then on the own process never answers with the value before, although it hasn't heard the log yet.
    """
    roads = SlowRoads(MemoryStore(manual_clock))
    options = {} if straight else {"hard_timeout": "1h"}

    async def load() -> str:
        return "new"

    async with Cache(store=lambda: roads, clock=manual_clock, **options) as cache:
        await cache.set("k", "old", tags=["t"])
        cache.engine.l1.flush(cache.engine.lease_of(0))
        roads.slow = True
        writes = {
            "set": lambda: cache.set("k", "new", tags=["t"]),
            "delete": lambda: cache.delete("k"),
            "tag": lambda: cache.invalidate_tags("t"),
        }
        writing = asyncio.create_task(writes[write]())
        await roads.write_left.wait()
        late = asyncio.create_task(cache.get_or_load("k", load, tags=["t"]))
        await roads.look_was_answered.wait()
        roads.write_may_arrive.set()
        assert await writing is Confirmation.CONFIRMED
        roads.answer_may_arrive.set()
        assert await late == "old"  # it came before the write was confirmed
        assert await cache.get_or_load("k", load, tags=["t"]) == "new"
