"""The background on a clock in the test's hand: warm all the time, invalidations, failures, two processes."""

from __future__ import annotations

import pytest

from evercache import Cache
from evercache.stores.local import MemoryStore
from evercache.warming import Plan, Warmer
from tests.support.source import Source, alone

HOUR = 3600.0


@pytest.mark.row("W17", "S4.58", "S2.103")
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
@pytest.mark.parametrize("ttl", [300, 600, 900])
async def test_warmed_answers_are_warm_all_the_time(manual_clock, shared, ttl):
    """
    An answer that lives for 5, 10 or 15 minutes is warm for hours; a cycle of 30 minutes would have 17 to 50 %.
    """
    source = Source()
    store = MemoryStore(manual_clock)
    cache = Cache(store=store.join, clock=manual_clock, environ={}) if shared else alone(manual_clock)
    thing = source.on(cache, ttl=ttl, jitter=0.1)
    plan = Plan().add(thing, range(5))
    async with cache, Warmer(cache, plan, rescan="30m"):
        await manual_clock.tick(1)
        assert source.loads == 5
        cold = 0
        for _ in range(int(3 * HOUR / 15)):
            await manual_clock.tick(15)
            before = source.loads
            for number in range(5):
                await thing(number)
            cold += source.loads - before
        assert cold == 0
        lives = 3 * HOUR / ttl
        assert 5 * lives <= source.loads <= 5 * (lives * 1.5 + 1)
