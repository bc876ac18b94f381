"""Whatever a warmer does meanwhile: after an invalidation is confirmed, nobody gets an older value."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evercache import Cache
from evercache.stores.local import MemoryStore
from evercache.testing.clock import ManualClock
from evercache.warming import Budget, Plan, Warmer

ACTS = st.lists(
    st.tuples(st.sampled_from(["write", "write tag", "read", "wait", "long wait", "crash"]), st.integers(0, 2), st.integers(0, 1)),
    min_size=5,
    max_size=40,
)  # fmt: skip


@pytest.mark.expects_logs
@pytest.mark.row("W40", "PR1")
@settings(max_examples=60)
@given(ACTS, st.integers(0, 10_000))
def test_a_warmer_never_brings_an_old_value_back(acts, seed):
    """
    Two processes with a warmer each, slow loads, writes with invalidations by key and by tag, a crash of the elected
    one: each read sees at least the version that was confirmed when it began.
    """
    asyncio.run(history(acts, random.Random(seed)))


async def history(acts, dice):
    clock = ManualClock()
    store, versions, confirmed = MemoryStore(clock), [0, 0, 0], [0, 0, 0]
    caches = [Cache(store=store.join, clock=clock, environ={}) for _ in range(2)]

    def cached(cache):
        @cache.cached(key="thing", ttl=20, tags=["thing:{number}"])
        async def thing(number: int) -> int:
            await clock.sleep(dice.random())
            read = versions[number]
            await clock.sleep(dice.random())
            return read

        return thing

    things = [cached(cache) for cache in caches]
    async with caches[0], caches[1]:
        warmers = [
            Warmer(cache, Plan("p").add(thing, range(3)), lease=1.0, rescan=15, budget=Budget(concurrent=2))
            for cache, thing in zip(caches, things, strict=True)
        ]
        async with warmers[0], warmers[1]:
            reading = set()
            for what, number, process in acts:
                if what in ("write", "write tag"):
                    versions[number] += 1
                    written = versions[number]
                    if what == "write":
                        assert await things[process].invalidate(number)
                    else:
                        assert await caches[process].invalidate_tags(f"thing:{number}")
                    confirmed[number] = max(confirmed[number], written)
                elif what == "read":
                    reading.add(asyncio.ensure_future(checked(things[process], number, confirmed[number])))
                    await clock.tick(0.1)
                elif what == "crash":
                    await warmers[process].stop()
                    await warmers[process].start()
                else:
                    await clock.tick(12 if what == "long wait" else dice.random())
            await clock.tick(30)
            for task in reading:
                task.result()
            for number in range(3):
                assert await asyncio.wait_for(things[0].peek(number), 1) == versions[number]


async def checked(thing, number, at_least):
    value = await thing(number)
    assert value >= at_least, (number, value, at_least)
