"""What is invalidated is never seen again: races, what is pending, what is switched off."""

from __future__ import annotations

import asyncio
import random

import pytest

from evercache import Cache, Confirmation
from evercache.engine.invalidation import AT_ONCE
from evercache.errors import ConfigurationError, InvalidationPending
from evercache.stores.local import MemoryStore
from tests.support.source import Source, alone, pair_over_memory

HOW = {
    "key": lambda cache, thing, n: thing.invalidate(n),
    "tag": lambda cache, thing, n: cache.invalidate_tags(f"thing:{n}"),
    "prefix": lambda cache, thing, n: cache.invalidate_prefix(f"thing:{n}"),
    "glob": lambda cache, thing, n: cache.invalidate_pattern(f"th?ng:{n}"),
    "namespace": lambda cache, thing, n: cache.invalidate_all(),
}


@pytest.mark.row("S2.6", "S2.17")
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
async def test_every_way_of_invalidating_drops_what_it_names(manual_clock, how, shared):
    """
    Key, tag, prefix, glob, namespace: the named entry is loaded anew, here and in the other process.
    """
    source = Source()
    async with pair_over_memory(manual_clock) as pair:
        caches = pair if shared else (alone(manual_clock),) * 2
        first = source.on(caches[0])
        second = source.on(caches[1]) if shared else first
        for thing in (first, second):
            await thing(1)
            await thing(2)
        source.version = 1
        assert await HOW[how](caches[0], first, 1) is Confirmation.CONFIRMED
        for thing in (first, second):
            assert (await thing(1))["version"] == 1
        assert (await second(2))["version"] == (1 if how == "namespace" else 0)


@pytest.mark.row("PR1", "W40", "S2.17")
@pytest.mark.parametrize("how", HOW)
async def test_a_load_that_was_overtaken_is_never_seen_later_in_one_process(manual_clock, how):
    """
    Load begun, data changed and invalidated, load ends, then read: 0 of 1,000 are stale.
    """
    source = Source()
    cache = alone(manual_clock)
    thing, stale = source.on(cache), 0
    for number in range(1_000):
        opened = source.shut()
        loading = asyncio.ensure_future(thing(number))
        while not source.running:
            await asyncio.sleep(0)
        source.version += 1
        assert await HOW[how](cache, thing, number)
        opened.set()
        source.gate = None
        await loading
        stale += (await thing(number))["version"] < source.version
    assert stale == 0


@pytest.mark.row("PR1", "PR2", "W40", "S2.17")
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(("partitions", "rounds"), [(1, 200), (16, 30)])
async def test_a_load_that_was_overtaken_is_never_seen_later_in_two_processes(manual_clock, how, partitions, rounds):
    """
    The same with the invalidation in another process: 0 of 1,000 (200 each way) are stale in either.
    """
    source = Source()
    store = MemoryStore(manual_clock, partitions=partitions)
    async with Cache(store=store.join, clock=manual_clock) as one, Cache(store=store.join, clock=manual_clock) as two:
        first, second, stale = source.on(one), source.on(two), 0
        for number in range(rounds):
            opened = source.shut()
            loading = asyncio.ensure_future(first(number))
            while not source.running:
                await asyncio.sleep(0)
            source.version += 1
            assert await HOW[how](two, second, number)
            opened.set()
            source.gate = None
            await loading
            stale += (await first(number))["version"] < source.version
            stale += (await second(number))["version"] < source.version
        assert stale == 0


@pytest.mark.row("PR1", "W40")
@pytest.mark.parametrize("seed", range(5))
async def test_writers_and_readers_at_random_never_read_back_in_time(manual_clock, seed):
    """
    Each read that starts after a confirmed invalidation returns at least the version that it was called for.
    """
    chance, store, source = random.Random(seed), MemoryStore(manual_clock), Source()
    async with Cache(store=store.join, clock=manual_clock) as one, Cache(store=store.join, clock=manual_clock) as two:
        things = [source.on(one), source.on(two)]
        confirmed = dict.fromkeys(range(3), 0)

        async def pause():
            for _ in range(chance.randrange(8)):
                await asyncio.sleep(0)

        async def read():
            for _ in range(400):
                number = chance.randrange(3)
                wanted = confirmed[number]
                assert (await chance.choice(things)(number))["version"] >= wanted
                await pause()

        async def write():
            for _ in range(100):
                number = chance.randrange(3)
                source.version += 1
                version, side = source.version, chance.randrange(2)
                how = chance.choice(["key", "tag", "prefix", "glob"])
                assert await HOW[how]((one, two)[side], things[side], number)
                confirmed[number] = max(confirmed[number], version)
                await pause()

        work = asyncio.gather(*(read() for _ in range(6)), write(), write())
        while not work.done():
            await manual_clock.tick(0.05, turns=200)
        await work


@pytest.mark.row("PR1", "S2.6")
@pytest.mark.parametrize("partitions", [1, 16])
async def test_before_the_start_an_invalidation_is_pending_and_then_carried_out(manual_clock, partitions):
    """
    PENDING, journalled, and confirmed by the start, in the partition where the key really lives.
    """
    source, store = Source(), MemoryStore(manual_clock, partitions=partitions)
    async with Cache(store=store.join, clock=manual_clock) as one:
        first = source.on(one, l1=False)
        two = Cache(store=store.join, clock=manual_clock)
        second = source.on(two)
        for number in range(20):
            await first(number)
        source.version = 1
        for number in range(10):
            assert await second.invalidate(number) is Confirmation.PENDING
        assert await two.invalidate_tags("thing:10", "thing:11") is Confirmation.PENDING
        assert two.health().owed == 12
        async with two:
            assert two.health().owed == 0
            assert [(await first(number))["version"] for number in range(20)] == [1] * 12 + [0] * 8


@pytest.mark.row("PR1")
async def test_before_the_start_this_process_no_longer_uses_what_it_invalidated(manual_clock):
    """
    Memory answers before the start, and follows this process's own invalidations.
    """
    source, store = Source(), MemoryStore(manual_clock)
    cache = Cache(store=store.join, clock=manual_clock)
    thing = source.on(cache)
    await thing()
    await thing()
    assert source.loads == 1
    source.version = 1
    await cache.invalidate_tags("things")
    assert (await thing())["version"] == 1


@pytest.mark.row("FT9")
async def test_before_the_start_memory_lives_for_the_degraded_ttl_and_ends_with_the_start(manual_clock):
    """
    Other processes' invalidations are not heard yet, so nothing lives longer than degraded_ttl.
    """
    source, store = Source(), MemoryStore(manual_clock)
    cache = Cache(store=store.join, clock=manual_clock)
    thing = source.on(cache, ttl=600)
    await thing()
    manual_clock.advance(4.9)
    await thing()
    assert source.loads == 1
    manual_clock.advance(0.1)
    await thing()
    assert source.loads == 2
    async with cache:
        await thing()
        assert source.loads == 3


async def test_a_put_before_the_start_is_pending_and_invalidates_what_it_replaces(manual_clock):
    """
    set() that can't reach the store says so; after the start, the value it was to replace is gone.
    """
    store = MemoryStore(manual_clock)
    async with Cache(store=store.join, clock=manual_clock) as one:
        await one.set("k", "old")
        two = Cache(store=store.join, clock=manual_clock)
        assert await two.set("k", "new") is Confirmation.PENDING
        assert await two.get("k") == "new"
        assert await one.get("k") == "old"
        async with two:
            assert not await one.get("k")
            assert not await two.get("k")


@pytest.mark.row("PR1")
async def test_who_asks_for_an_error_gets_one(manual_clock):
    """
    on_pending="raise": whatever can't be confirmed raises InvalidationPending, and is repeated all the same.
    """
    store, source = MemoryStore(manual_clock), Source()
    cache = Cache(store=store.join, clock=manual_clock, on_pending="raise")
    thing = source.on(cache)
    for acting in (
        lambda: thing.invalidate(1),
        lambda: thing.put({"number": 1, "version": 1}, 1),
        lambda: cache.invalidate("k"),
        lambda: cache.expire("k"),
        lambda: cache.set("k", 1),
        lambda: cache.invalidate_tags("t"),
        lambda: cache.expire_tags("t"),
        lambda: cache.invalidate_pattern("p*"),
        cache.invalidate_all,
        lambda: cache.named("users").invalidate_all(),
    ):
        with pytest.raises(InvalidationPending):
            await acting()
    assert cache.health().owed == 6
    async with cache:
        assert cache.health().owed == 0
        assert await thing.invalidate(1)


async def test_the_decorator_invalidates_after_success_only(manual_clock):
    """
    Not before, not after an error; on_pending of the decorator raises after the function has run.
    """
    store, source = MemoryStore(manual_clock), Source()
    cache = Cache(store=store.join, clock=manual_clock)
    done = []

    @cache.invalidates("thing:{number}")
    async def change(number: int, *, fail: bool = False) -> None:
        if fail:
            raise ValueError("no")
        done.append(number)
        source.version += 1

    @cache.invalidates("thing:{number}", on_pending="raise")
    async def strict(number: int) -> None:
        done.append(number)

    with pytest.raises(InvalidationPending):
        await strict(1)
    async with cache:
        thing = source.on(cache)
        await thing(1)
        with pytest.raises(ValueError, match="no"):
            await change(1, fail=True)
        assert (await thing(1))["version"] == 0
        await change(1)
        assert (await thing(1))["version"] == 1
    assert done == [1, 1]


@pytest.mark.row("S2.98", "S2.6")
async def test_switched_off_a_process_still_invalidates_for_the_others(manual_clock):
    """
    CACHE_ENABLED=false stops reads and fills, never invalidations; a put invalidates what it would replace.
    """
    store, source = MemoryStore(manual_clock), Source()
    async with (
        Cache(store=store.join, clock=manual_clock) as one,
        Cache(store=store.join, clock=manual_clock, environ={"CACHE_ENABLED": "false"}) as two,
    ):
        first, second = source.on(one), source.on(two)
        await first()
        source.version = 1
        assert (await second())["version"] == 1
        assert (await first())["version"] == 0
        assert await two.invalidate_tags("things") is Confirmation.CONFIRMED
        assert (await first())["version"] == 1
        source.version = 2
        assert await second.put({"number": 0, "version": 9}, 0)
        assert (await first())["version"] == 2


@pytest.mark.row("PR3")
async def test_waiting_for_everyone_lasts_the_lease(manual_clock):
    """
    wait="everyone" returns Δ after the commit, for keys too; without a shared store there is nobody to wait for.
    """

    class Slow:
        """A store whose processes have agreed on 2 s."""

        def __init__(self, inside):
            self._inside = inside

        def __getattr__(self, name):
            return getattr(self._inside, name)

        delta = 2.0

    store = MemoryStore(manual_clock)
    async with Cache(store=lambda: Slow(store.join()), clock=manual_clock) as cache:
        for acting in (cache.invalidate_tags("t", wait="everyone"), cache.invalidate("k", wait="everyone")):
            waiting = asyncio.ensure_future(acting)
            await manual_clock.tick(1.9)
            assert not waiting.done()
            await manual_clock.tick(0.2)
            assert waiting.result() is Confirmation.CONFIRMED
    assert await alone(manual_clock).invalidate("k", wait="everyone")
    with pytest.raises(ConfigurationError):
        await alone(manual_clock).invalidate("k", wait="all")


async def test_a_writer_that_is_cancelled_has_invalidated_all_the_same(manual_clock):
    """
    What was said about the data holds, whether its caller waits for the confirmation or not.
    """
    source = Source()
    async with pair_over_memory(manual_clock) as (one, two):
        first, second = source.on(one), source.on(two)
        await second()
        source.version = 1
        saying = asyncio.ensure_future(first.invalidate())
        await asyncio.sleep(0)
        saying.cancel()
        await manual_clock.tick(0.0)
        assert (await second())["version"] == 1


class Counting:
    """One side of a memory store that knows how many commands were under way together."""

    def __init__(self, side):
        self.side = side
        self.under_way = self.most = 0

    def __getattr__(self, name):
        return getattr(self.side, name)

    async def execute(self, partition, command):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await self.side.execute(partition, command)
        finally:
            self.under_way -= 1


@pytest.mark.row("S2.6", "S2.17")
async def test_thousands_of_tags_in_one_call_are_confirmed_in_bundles(manual_clock):
    """
    Every one of 5,000 tags is sent and confirmed; the commands under way together stay below what a wire lets wait.
    """
    store = MemoryStore(manual_clock)
    side, source = Counting(store.join()), Source()
    async with (
        Cache(store=lambda: side, clock=manual_clock, environ={}) as one,
        Cache(store=store.join, clock=manual_clock, environ={}) as two,
    ):
        thing = source.on(two)
        for number in (0, 4_999):
            await thing(number)
        source.version = 1
        assert await one.invalidate_tags(*(f"thing:{n}" for n in range(5_000))) is Confirmation.CONFIRMED
        assert [(await thing(number))["version"] for number in (0, 4_999)] == [1, 1]
    assert 1 < side.most <= AT_ONCE


@pytest.mark.expects_logs
@pytest.mark.row("W40")
async def test_what_a_stop_kept_from_being_sent_is_owed(manual_clock):
    """
    A cache that is stopped in the middle of a long invalidation journals what has not gone out.
    """
    gate = asyncio.Event()

    class Stuck:
        def __init__(self, side):
            self.side = side

        def __getattr__(self, name):
            return getattr(self.side, name)

        async def execute(self, partition, command):
            await gate.wait()

    side = Counting(Stuck(MemoryStore(manual_clock).join()))
    async with Cache(store=lambda: side, clock=manual_clock, environ={}) as cache:
        saying = asyncio.ensure_future(cache.invalidate_tags(*(f"tag:{n}" for n in range(3 * AT_ONCE))))
        while side.under_way < AT_ONCE:
            await asyncio.sleep(0)
        await cache._engine.stop(drain=0)
    assert await saying is Confirmation.PENDING
    assert cache.health().owed == 3 * AT_ONCE
