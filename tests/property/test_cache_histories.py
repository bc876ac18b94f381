"""Histories of two whole caches at random, with a store that loses, repeats and delays commands.

The rule of all of them: a read that starts after a confirmed write or invalidation never returns anything older. What is
only pending binds the process that said it.
"""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evercache import Cache
from evercache.stores.local import MemoryStore
from evercache.testing.chaos import ChaosStore, by_chance
from evercache.testing.clock import ManualClock
from tests.support.source import Source

NUMBERS = 3
CHANCES = {"lose": 0.03, "lose_reply": 0.03, "late": 0.03, "twice": 0.05, "delay": 0.05, "refuse": 0.02}


class History:
    """One history: what was promised so far, to everybody and to each side, and who may write which number now."""

    def __init__(self, seed: int, partitions: int) -> None:
        self.chance = random.Random(seed)
        self.clock = ManualClock()
        self.source = Source()
        store = MemoryStore(self.clock, partitions=partitions)

        def side(number):
            plan = by_chance(seed * 2 + number, CHANCES)
            return Cache(
                store=lambda: ChaosStore(store.join(), plan, seconds=0.02, clock=self.clock),
                clock=self.clock, environ={}, random=self.chance,
            )  # fmt: skip

        self.caches = [side(0), side(1)]
        self.l1 = self.chance.random() < 0.5
        self.things = [self.source.on(cache, ttl=5, l1=self.l1) for cache in self.caches]
        self.promised = [[0] * NUMBERS, [0] * NUMBERS]
        self.writing = [asyncio.Lock() for _ in range(NUMBERS)]
        self.reads = 0

    async def pause(self):
        for _ in range(self.chance.randrange(6)):
            await asyncio.sleep(0)
        if self.chance.random() < 0.2:
            await self.clock.sleep(self.chance.random() * 0.1)

    async def read(self):
        for _ in range(60):
            number, side = self.chance.randrange(NUMBERS), self.chance.randrange(2)
            wanted = self.promised[side][number]
            if self.chance.random() < 0.1:
                answer = await self.things[side].refresh(number)
            else:
                answer = await self.things[side](number)
            assert answer["number"] == number
            assert answer["version"] >= wanted
            self.reads += 1
            await self.pause()

    async def write(self):
        for _ in range(25):
            number, side = self.chance.randrange(NUMBERS), self.chance.randrange(2)
            async with self.writing[number]:
                self.source.version += 1
                version = self.source.version
                confirmed = await self.say(number, side, version)
                for told in (0, 1) if confirmed else (side,):
                    self.promised[told][number] = max(self.promised[told][number], version)
            await self.pause()

    async def say(self, number, side, version):
        cache, thing = self.caches[side], self.things[side]
        match self.chance.randrange(6):
            case 0:
                return await thing.invalidate(number)
            case 1:
                return await cache.invalidate_tags(f"thing:{number}")
            case 2:
                return await cache.invalidate_prefix(f"thing:{number}")
            case 3:
                return await thing.expire(number)
            case 4:
                return await cache.expire_tags(f"thing:{number}")
            case _:
                return await thing.put({"number": number, "version": version}, number)

    async def run(self):
        async with self.caches[0], self.caches[1]:
            work = asyncio.gather(*(self.read() for _ in range(4)), self.write(), self.write())
            while not work.done():
                await self.clock.tick(0.02, turns=30)
            await work
            for _ in range(200):
                await self.clock.tick(0.05, turns=10)
                if not any(cache.health().owed for cache in self.caches):
                    break
            assert [cache.health().owed for cache in self.caches] == [0, 0]
            assert [cache.engine.airfield().busy for cache in self.caches] == [0, 0]
        assert self.reads == 240


@pytest.mark.row("PR1", "PR2", "FT8", "W40")
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), partitions=st.sampled_from([1, 4]))
def test_no_history_of_two_caches_reads_back_in_time(seed, partitions):
    """
    Reads, refreshes, puts, invalidations and expiries at random; commands lost, late, repeated: nothing older is read.
    """

    async def story():
        await History(seed, partitions).run()

    asyncio.run(story())
