"""One process of a fleet works in the background: who it is, and what happens when it goes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from evercache import MISSING, Cache
from evercache.stores.local import MemoryStore
from evercache.warming import Plan, Warmer

LEASE = 3.0


class Fleet:
    """Processes over one store, each with the same plan; who loads what, when."""

    def __init__(self, clock, size, *, name="things", ttl=20.0):
        self.clock = clock
        self.loads: list[tuple[float, int]] = []
        self.store = MemoryStore(clock)
        self.caches = [Cache(store=self.store.join, clock=clock, environ={}) for _ in range(size)]
        self.things = [self._thing(number, cache, ttl) for number, cache in enumerate(self.caches)]
        self.warmers = [
            Warmer(cache, Plan(name).add(thing, range(3)), lease=LEASE, rescan=60)
            for cache, thing in zip(self.caches, self.things, strict=True)
        ]

    def _thing(self, process, cache, ttl):
        @cache.cached(key="thing", ttl=ttl, tags=["things"], l1=False)
        async def thing(number: int) -> int:
            self.loads.append((self.clock.monotonic(), process))
            return number

        return thing

    @property
    def elected(self):
        return [number for number, warmer in enumerate(self.warmers) if warmer.elected]

    def crash(self, number):
        """The process is gone without a word: its tasks end, and nothing is released."""
        background = self.warmers[number]._background
        for task in background._tasks:
            task.cancel()
        background._tasks = ()

    async def __aenter__(self):
        self._stack = AsyncExitStack()
        for cache in self.caches:
            await self._stack.enter_async_context(cache)
        for warmer in self.warmers:
            await self._stack.enter_async_context(warmer)
        await self.clock.tick(0.1)
        return self

    async def __aexit__(self, *error):
        await self._stack.aclose()


@pytest.mark.row("S4.67", "W17")
async def test_of_a_fleet_one_works(manual_clock):
    """
    Five processes, ten minutes: one of them has loaded everything, each answer once for each life.
    """
    async with Fleet(manual_clock, 5) as fleet:
        (elected,) = fleet.elected
        for _ in range(600):
            await manual_clock.tick(1)
            assert MISSING not in [await fleet.things[4].peek(number) for number in range(3)]
            assert fleet.elected == [elected]
        assert {process for _, process in fleet.loads} == {elected}
        assert len(fleet.loads) <= 3 * 600 / 20 * 1.5
        statuses = [warmer.status()["background"] for warmer in fleet.warmers]
        assert sorted(statuses) == ["waiting"] * 4 + ["working"]


@pytest.mark.row("W17")
async def test_a_crash_moves_the_work_within_the_lease(manual_clock):
    """
    The elected one is gone without a word: after at most the lease another one works, and never two.
    """
    async with Fleet(manual_clock, 3) as fleet:
        for _ in range(2):
            (before,) = fleet.elected
            fleet.crash(before)
            died = manual_clock.monotonic()
            while fleet.elected in ([], [before]):
                await manual_clock.tick(0.01)
                assert len(fleet.elected) <= 1
            assert manual_clock.monotonic() - died <= LEASE + 0.1
            await manual_clock.tick(60)
            assert fleet.loads[-1][1] == fleet.elected[0]
            assert MISSING not in [await fleet.things[before].peek(number) for number in range(3)]


@pytest.mark.row("W17")
async def test_a_crash_lets_no_answer_die_where_the_lead_is_longer_than_the_lease(manual_clock):
    """
    A fifth of a minute is left when an answer is replaced, and the lease is three seconds: whenever the elected one dies,
    its successor comes in time. Looked at twice a second, over crashes at different moments, nothing was ever cold.
    """
    async with Fleet(manual_clock, 4, ttl=60.0) as fleet:
        await manual_clock.tick(1)
        for moment in (40.0, 47.3, 51.1):
            for half in range(int(moment * 4)):
                if half == int(moment * 2):
                    fleet.crash(fleet.elected[0])
                await manual_clock.tick(0.5)
                assert MISSING not in [await fleet.things[0].peek(number) for number in range(3)]


async def test_who_stops_hands_over_at_once(manual_clock):
    """
    A deployment doesn't wait for the lease: the next one is woken.
    """
    async with Fleet(manual_clock, 3) as fleet:
        (before,) = fleet.elected
        await fleet.warmers[before].stop()
        await manual_clock.tick(0.01)
        assert len(fleet.elected) == 1
        assert fleet.elected != [before]


@pytest.mark.expects_logs
async def test_a_store_that_forgets_the_lease_gets_one_again(manual_clock):
    """
    Flushed: somebody is elected anew within the lease, and everything is warm again.
    """
    async with Fleet(manual_clock, 3) as fleet:
        fleet.store.partitions[0].flush()
        await manual_clock.tick(2 * LEASE)
        assert len(fleet.elected) == 1
        await manual_clock.tick(61)
        assert MISSING not in [await fleet.things[0].peek(number) for number in range(3)]


async def test_a_process_that_slept_too_long_is_no_longer_elected(manual_clock):
    """
    The lease ends by the holder's own clock before it ends in the store; a holder that wakes up late starts nothing.
    """
    async with Fleet(manual_clock, 2) as fleet:
        (before,) = fleet.elected
        election = fleet.warmers[before]._background.election
        assert election.holds
        manual_clock.advance(LEASE + 60)  # nobody ran meanwhile, as after SIGSTOP
        assert not election.holds
        loads = len(fleet.loads)
        await asyncio.sleep(0)
        assert len(fleet.loads) == loads
        await manual_clock.tick(1)
        assert len(fleet.elected) == 1


async def test_two_plans_are_two_offices(manual_clock):
    """
    Plans of different names are kept warm by whoever is elected for each.
    """
    store = MemoryStore(manual_clock)
    one, two = (Cache(store=store.join, clock=manual_clock, environ={}) for _ in range(2))

    async def nothing() -> None:
        return

    first = Warmer(one, Plan("first").add(one.cached(key="a")(nothing)))
    second = Warmer(two, Plan("second").add(two.cached(key="b")(nothing)))
    async with one, two, first, second:
        await manual_clock.tick(0.1)
        assert first.elected
        assert second.elected


async def test_alone_this_process_is_the_fleet(manual_clock):
    """
    Without a shared store there is nobody to ask.
    """
    cache = Cache(clock=manual_clock, environ={})

    @cache.cached(key="thing")
    async def thing() -> int:
        return 1

    async with cache, Warmer(cache, Plan().add(thing)) as warmer:
        await manual_clock.tick(0.1)
        assert warmer.elected
