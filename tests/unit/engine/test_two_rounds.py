"""Many partitions: an invalidation passes one after another, and values are made of values of others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import pytest

from evercache import Cache, Confirmation
from evercache.core.protocol import Ban, Command, Distrust, Fill, InvalidateKey, InvalidateTag
from evercache.errors import StoreUnavailable
from evercache.stores.local import MemoryStore
from evercache.testing.clock import ManualClock

WIDE = (InvalidateTag, Ban, Distrust)


class Roads:
    """A side of a `MemoryStore` whose commands wait at a barrier, or are lost, where a test says so."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store.join()
        self.barrier: Callable[[int, Command[Any]], asyncio.Event | None] = lambda *_: None
        self.lost: Callable[[int, Command[Any]], bool] = lambda *_: False
        self.arrived: list[tuple[int, Command[Any]]] = []

    async def execute(self, partition: int, command: Command[Any]) -> Any:
        if self.lost(partition, command):
            raise StoreUnavailable("lost", reason="timeout")
        if (event := self.barrier(partition, command)) is not None:
            await event.wait()
        self.arrived.append((partition, command))
        return await self._store.execute(partition, command)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def wide(self) -> list[int]:
        """Where invalidations of all partitions have arrived, in their order."""
        return [partition for partition, command in self.arrived if isinstance(command, WIDE)]


class Shop:
    """A cached function whose values live in partition 1, and one that is made of it, in partition 0."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.version = 0
        self.made = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        number = next(n for n in range(99) if cache.engine.partition_of(f"inner{n}".encode()) == 1)
        other = next(n for n in range(99) if cache.engine.partition_of(f"outer{n}".encode()) == 0)

        @cache.cached(key=f"inner{number}", tags=["thing"], ttl="1h")
        async def inner() -> int:
            return self.version

        @cache.cached(key=f"outer{other}", ttl="1h")
        async def outer() -> int:
            value = await inner()
            self.made.set()
            await self.go_on.wait()
            return value

        self.inner, self.outer = inner, outer


HOW = {
    "tag": lambda cache: cache.invalidate_tags("thing"),
    "pattern": lambda cache: cache.invalidate_pattern("*"),
    "namespace": lambda cache: cache.invalidate_all(),
}


class Two:
    """A writer and a reader on two partitions."""

    def __init__(self, clock: ManualClock, **options: Any) -> None:
        self.clock, store = clock, MemoryStore(clock, partitions=2)
        self.roads = Roads(store)
        self.writer = Cache(namespace="two", store=lambda: self.roads, clock=clock)  # type: ignore[arg-type]
        self.reader = Cache(namespace="two", store=store.join, clock=clock, **options)

    async def __aenter__(self) -> Self:
        await self.writer.start()
        await self.reader.start()
        self.shop = Shop(self.reader)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.reader.stop()
        await self.writer.stop()


@pytest.fixture(params=[True, False], ids=["L1 and L2", "L2"])
async def two(request, manual_clock):
    async with Two(manual_clock, l1=request.param) as two:
        yield two


async def arrivals(two: Two, count: int) -> None:
    while len(two.roads.wide()) < count:
        await asyncio.sleep(0)


@pytest.mark.row("PR1", "W40", "S2.50")
@pytest.mark.parametrize("how", HOW)
async def test_an_old_value_that_crossed_to_a_partition_in_between_is_dropped(two, how):
    """
    The outer value's partition has the invalidation, the inner one's hasn't: what is made and stored now is old, and
    would be good for an hour. The second round finds it.
    """
    shop, slow = two.shop, asyncio.Event()
    await shop.inner()
    two.roads.barrier = lambda partition, command: slow if partition == 1 and isinstance(command, WIDE) else None
    shop.version = 1
    invalidating = asyncio.create_task(HOW[how](two.writer))
    await arrivals(two, 1)
    assert two.roads.wide() == [0]
    old = await shop.outer()
    slow.set()
    assert await invalidating is Confirmation.CONFIRMED
    assert sorted(two.roads.wide()) == [0, 0, 1, 1]
    assert (old, await shop.outer()) == (0, 1)


@pytest.mark.row("PR1", "W40", "S2.50")
@pytest.mark.parametrize("how", HOW)
async def test_a_load_with_an_old_value_that_ends_after_the_second_round_is_not_stored(two, how):
    """
    It began before that round, so its fill is rejected.
    """
    shop, slow = two.shop, asyncio.Event()
    await shop.inner()
    two.roads.barrier = lambda partition, command: slow if partition == 1 and isinstance(command, WIDE) else None
    shop.version = 1
    invalidating = asyncio.create_task(HOW[how](two.writer))
    await arrivals(two, 1)
    shop.go_on.clear()
    reading = asyncio.create_task(shop.outer())
    await shop.made.wait()
    slow.set()
    assert await invalidating is Confirmation.CONFIRMED
    shop.go_on.set()
    assert (await reading, await shop.outer()) == (0, 1)


@pytest.mark.row("PR1", "S2.50")
@pytest.mark.parametrize("how", HOW)
async def test_a_first_round_that_the_journal_ends_is_followed_by_a_second(two, how):
    """
    One partition does not answer: PENDING. When it has answered at last, all of them are told once more.
    """
    shop = two.shop
    await shop.inner()
    two.roads.lost = lambda partition, command: partition == 1 and isinstance(command, WIDE)
    shop.version = 1
    assert await HOW[how](two.writer) is Confirmation.PENDING
    assert await shop.outer() == 0
    two.roads.lost = lambda *_: False
    while two.writer.health().owed:
        await two.clock.tick(1.0)
    assert two.roads.wide() == [0, 1, 0, 1]
    assert await shop.outer() == 1


@pytest.mark.row("S2.50")
async def test_a_second_round_that_is_lost_is_owed(two):
    """
    Not confirmed before both rounds are; what is missing of the second one is repeated alone.
    """
    rounds = iter([False, False, True, False, False, False])
    two.roads.lost = lambda _, command: isinstance(command, WIDE) and next(rounds)
    assert await two.writer.invalidate_tags("thing") is Confirmation.PENDING
    while two.writer.health().owed:
        await two.clock.tick(1.0)
    assert sorted(two.roads.wide()) == [0, 0, 1, 1]


async def test_a_key_has_one_partition_and_one_round(two):
    """
    Nothing travels by keys.
    """
    await two.writer.delete("one")
    assert len([command for _, command in two.roads.arrived if isinstance(command, InvalidateKey)]) == 1
    assert not any(isinstance(command, Fill) for _, command in two.roads.arrived)


async def test_one_partition_needs_one_round(manual_clock):
    """
    There, what is asked of the log covers everything.
    """
    store = MemoryStore(manual_clock)
    roads = Roads(store)
    async with Cache(namespace="one", store=lambda: roads, clock=manual_clock) as cache:
        await cache.invalidate_tags("thing")
        await cache.invalidate_all()
    assert roads.wide() == [0, 0]
