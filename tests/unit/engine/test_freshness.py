"""The ages of an answer, on a clock that only moves when it is told to."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

from evercache import FOREVER, MISSING, Cache, current
from evercache.core.events import ServedStale
from evercache.errors import ConfigurationError
from tests.support.source import Source, alone, pair_over_memory


def counters(cache, name="thing"):
    return cache.statistics()["functions"][name]


@pytest.mark.row("S1.11", "S2.27", "S2.83", "S4.19")
async def test_nothing_outlives_its_ttl(manual_clock):
    """
    Fresh until the ttl, and at the ttl no longer; the next read loads.
    """
    source = Source()
    thing = source.on(alone(manual_clock), ttl=60)
    await thing()
    manual_clock.advance(59.999)
    await thing()
    assert source.loads == 1
    manual_clock.advance(0.001)
    source.version = 1
    assert await thing() == {"number": 0, "version": 1}
    assert source.loads == 2


@pytest.mark.row("W29", "S1.11")
async def test_the_process_cache_gets_the_remaining_life_and_no_new_one(manual_clock):
    """
    What is read from the shared store late in its life dies in L1 when it dies there.
    """
    source = Source()
    async with pair_over_memory(manual_clock) as (one, two):
        first, second = source.on(one, ttl=60), source.on(two, ttl=60)
        await first()
        manual_clock.advance(59)
        await second()
        assert counters(two)["l2_hits"] == 1
        manual_clock.advance(0.9)
        await second()
        assert counters(two)["hits"] == 1
        manual_clock.advance(0.1)
        await second()
        assert source.loads == 2


@pytest.mark.row("S1.11", "S2.27", "S4.19")
async def test_options_cascade_from_cache_to_name_to_function_to_load(manual_clock):
    """
    The nearest ttl wins: that of the load over the function's, over the name's, over the cache's.
    """
    cache = alone(manual_clock, ttl=100, jitter=0.0)
    named, loads = cache.named("users", ttl=50), []

    @cache.cached(key="a")
    async def of_the_cache() -> int:
        loads.append("cache")
        return 1

    @named.cached(key="b")
    async def of_the_name() -> int:
        loads.append("name")
        return 1

    @named.cached(key="c", ttl=20)
    async def of_the_function() -> int:
        loads.append("function")
        return 1

    @named.cached(key="d", ttl=20)
    async def of_the_load() -> int:
        current().ttl = 10
        loads.append("load")
        return 1

    functions = [of_the_cache, of_the_name, of_the_function, of_the_load]
    for moment, due in ((0, 4), (10, 1), (10, 2), (30, 3), (50, 4)):
        manual_clock.advance(moment)
        loads.clear()
        for function in functions:
            await function()
        assert len(loads) == due


async def test_forever_is_for_ever_and_zero_is_an_error(manual_clock):
    """
    FOREVER never expires; 0 and negative durations are refused where they are written.
    """
    source = Source()
    cache = alone(manual_clock)
    thing = source.on(cache, ttl=FOREVER)
    await thing()
    manual_clock.advance(1e9)
    await thing()
    assert source.loads == 1
    for ttl in (0, -1, "0s", 0.0):
        with pytest.raises(ConfigurationError):
            cache.cached(key="never", ttl=ttl)(source.load)
        with pytest.raises(ConfigurationError):
            await cache.set("never", 1, ttl=ttl)


@pytest.mark.row("W19")
@pytest.mark.parametrize("nothing", [None, [], {}, 0, False, "", 0.0], ids=repr)
async def test_nothing_is_a_value(manual_clock, nothing):
    """
    None and everything empty is cached like any other value, in L1 and in the shared store, and read as itself.
    """
    async with pair_over_memory(manual_clock) as (one, two):
        loads = []

        async def load():
            loads.append(1)
            return nothing

        assert [await one.get_or_load("k", load) for _ in range(3)] == [nothing] * 3
        found = await two.get("k")
        assert found == nothing
        assert type(found) is type(nothing)
        assert await two.get("other") is MISSING
        assert len(loads) == 1


@pytest.mark.row("W40", "G26")
async def test_jitter_only_shortens(manual_clock):
    """
    With jitter 0.1, lives lie between nine tenths of the ttl and the ttl, and are not all the same.
    """
    cache = Cache(clock=manual_clock, environ={}, random=random.Random(1))
    source = Source()
    thing = source.on(cache, ttl=100, jitter=0.1)
    for number in range(200):
        await thing(number)
    tables = [site.table for site in cache.engine.sites.values()]
    lives = [entry.fresh_until - manual_clock.monotonic() for table in tables for entry in table.values()]
    assert len(lives) == 200
    assert 90 <= min(lives) < 91
    assert 99 < max(lives) <= 100


@pytest.mark.row("G26", "S2.98")
async def test_while_it_is_stale_nobody_waits_and_one_refresh_runs(manual_clock):
    """
    Within stale_for every caller gets the old value at once, one load runs behind, and then the new one answers.
    """
    source = Source()
    cache = alone(manual_clock)
    thing = source.on(cache, ttl=60, stale_for=600)
    await thing()
    manual_clock.advance(61)
    source.version = 1
    opened = source.shut()
    answers = [await thing() for _ in range(20)]
    assert {answer["version"] for answer in answers} == {0}
    await manual_clock.tick(0.0)
    assert source.running == 1
    opened.set()
    await manual_clock.tick(0.0)
    assert (await thing())["version"] == 1
    assert source.loads == 2
    assert counters(cache)["stale"] == 20
    assert counters(cache)["refreshes"] == 1


@pytest.mark.row("G26")
async def test_after_stale_for_the_caller_waits(manual_clock):
    """
    stale_for counts from the end of the ttl; after it, the value is loaded before it is answered.
    """
    source = Source()
    thing = source.on(alone(manual_clock), ttl=60, stale_for=30)
    await thing()
    manual_clock.advance(90)
    source.version = 1
    assert (await thing())["version"] == 1


@pytest.mark.row("G26")
async def test_a_fleet_refreshes_once(manual_clock):
    """
    Two processes that both see a stale value load it once: the second finds the lock taken, later the new value.
    """
    source = Source()
    async with pair_over_memory(manual_clock) as (one, two):
        first, second = (source.on(cache, ttl=60, stale_for=600) for cache in (one, two))
        await first()
        await second()
        manual_clock.advance(61)
        source.version = 1
        opened = source.shut()
        for thing in (first, second):
            assert (await thing())["version"] == 0
            await manual_clock.tick(0.0)
        assert source.running == 1
        opened.set()
        await manual_clock.tick(0.0)
        for thing in (first, second):
            await thing()
            await manual_clock.tick(0.0)
            assert (await thing())["version"] == 1
        assert source.loads == 2


@pytest.mark.row("FT11", "G26", "W40")
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
@pytest.mark.parametrize("l1", [True, False], ids=["l1", "no l1"])
async def test_fail_safe_covers_an_error_and_lets_the_source_rest(manual_clock, shared, l1):
    """
    An old value answers instead of the error, marked stale; then the source is left alone for 30 s.
    """
    if not shared and not l1:
        l1 = True
    source = Source()
    async with pair_over_memory(manual_clock) as pair:
        cache = pair[0] if shared else alone(manual_clock)
        thing = source.on(cache, ttl=60, fail_safe=3600, l1=l1)
        await thing()
        manual_clock.advance(61)
        source.failing = ConnectionError("away")
        assert [(await thing())["version"] for _ in range(5)] == [0] * 5
        assert source.loads == 2
        assert counters(cache)["stale"] == 5
        assert counters(cache)["load_failures"] == 1
        manual_clock.advance(29.9)
        await thing()
        assert source.loads == 2
        manual_clock.advance(0.2)
        await thing()
        assert source.loads == 3
        source.failing, source.version = None, 1
        manual_clock.advance(31)
        assert (await thing())["version"] == 1
        source.failing = ConnectionError("away")
        manual_clock.advance(60 + 3600)
        with pytest.raises(ConnectionError):
            await thing()


@pytest.mark.row("FT11")
async def test_a_background_refresh_that_fails_lets_the_source_rest_too(manual_clock):
    """
    stale_for with a broken source: callers are answered, the source is asked twice a minute.
    """
    source = Source()
    thing = source.on(alone(manual_clock), ttl=60, stale_for=600)
    await thing()
    manual_clock.advance(61)
    source.failing = ConnectionError("away")
    for _ in range(50):
        assert (await thing())["version"] == 0
        await manual_clock.tick(1.0)
    assert source.loads == 3


@pytest.mark.row("FT12", "G26")
async def test_the_soft_timeout_answers_with_what_is_at_hand(manual_clock):
    """
    A slow load costs the soft timeout; the old value answers, the load goes on and its value comes next.
    """
    source = Source()
    thing = source.on(alone(manual_clock), ttl=60, fail_safe=3600, soft_timeout="1s", hard_timeout="5s")
    await thing()
    manual_clock.advance(61)
    source.version = 1
    opened = source.shut()
    callers = [asyncio.ensure_future(thing()) for _ in range(3)]
    await manual_clock.tick(0.9)
    assert not any(caller.done() for caller in callers)
    await manual_clock.tick(0.2)
    assert [(await caller)["version"] for caller in callers] == [0, 0, 0]
    opened.set()
    await manual_clock.tick(0.0)
    assert (await thing())["version"] == 1
    assert source.loads == 2


async def test_without_a_stale_value_the_soft_timeout_waits_on(manual_clock):
    """
    Nothing at hand: the call waits until the value comes.
    """
    source = Source()
    thing, opened = source.on(alone(manual_clock), fail_safe=60, soft_timeout="1s"), source.shut()
    caller = asyncio.ensure_future(thing())
    await manual_clock.tick(10)
    assert not caller.done()
    opened.set()
    assert (await caller)["version"] == 0


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
async def test_early_refreshes_come_before_the_end_and_never_make_anybody_wait(manual_clock, shared):
    """
    A value that takes 1 s to load is renewed behind in its last seconds, and not before them; with stale_for beside
    it, every read is answered at once.
    """
    dice = random.Random(3)
    cache = Cache(clock=manual_clock, environ={}, random=dice)
    loads = []
    async with pair_over_memory(manual_clock, random=dice) as pair:
        cache = pair[0] if shared else cache

        @cache.cached(key="slow", ttl=60, stale_for=60, jitter=0.0, early=True)
        async def slow() -> int:
            loads.append(manual_clock.monotonic())
            await manual_clock.sleep(1.0)
            return len(loads)

        first = asyncio.ensure_future(slow())
        await manual_clock.tick(1.0)
        await first
        for _ in range(600):
            asked = manual_clock.monotonic()
            await slow()
            assert manual_clock.monotonic() == asked
            await manual_clock.tick(0.5)
        lives = [later - sooner for sooner, later in itertools.pairwise(loads)]
        assert len(loads) > 4
        assert 45 < min(lives) < 60
        assert max(lives) < 63


async def test_the_chance_of_an_early_refresh_is_the_one_of_xfetch(manual_clock):
    """
    At t seconds before the end, a load of 1 s is refreshed with the probability e^-t; counted over 3,000 throws.
    """
    cache, refreshed = Cache(clock=manual_clock, environ={}, random=random.Random(5)), 0

    @cache.cached(key="slow", ttl=60, jitter=0.0, early=True)
    async def slow(number: int) -> int:
        nonlocal refreshed
        refreshed += 1
        if manual_clock.monotonic() == began:
            await manual_clock.sleep(1.0)
        return number

    began = manual_clock.monotonic()
    callers = [asyncio.ensure_future(slow(number)) for number in range(3_000)]
    await manual_clock.tick(1.0)
    await asyncio.gather(*callers)
    manual_clock.advance(58.0)
    refreshed = 0
    for number in range(3_000):
        await slow(number)
        await asyncio.sleep(0)
    await manual_clock.tick(0.0)
    assert 0.11 < refreshed / 3_000 < 0.16  # e^-2 = 0.135


@pytest.mark.row("G26")
async def test_expire_keeps_the_value_for_those_who_may_use_a_stale_one(manual_clock):
    """
    expire() makes a value stale; it answers while a reload runs behind. invalidate() leaves nothing.
    """
    source = Source()
    cache = alone(manual_clock)
    thing = source.on(cache, ttl=60, stale_for=600)
    await thing()
    source.version = 1
    await thing.expire()
    assert (await thing())["version"] == 0
    await manual_clock.tick(0.0)
    assert (await thing())["version"] == 1
    source.version = 2
    await thing.invalidate()
    assert (await thing())["version"] == 2


@pytest.mark.parametrize("how", ["key", "tag"])
@pytest.mark.parametrize("l1", [True, False], ids=["l1", "no l1"])
@pytest.mark.parametrize(
    ("options", "answer", "afterwards"),
    [({}, 1, 1), ({"fail_safe": 600}, 1, 1), ({"stale_for": 600}, 0, 1)],
    ids=["plain", "fail_safe", "stale_for"],
)
async def test_what_was_expired_is_as_old_as_its_options_allow(manual_clock, how, l1, options, answer, afterwards):
    """
    In the shared store too: without options a miss, with fail_safe a spare, with stale_for stale and refreshed once.
    """
    source = Source()
    async with pair_over_memory(manual_clock) as (one, two):
        first, second = (source.on(cache, ttl=60, l1=l1, **options) for cache in (one, two))
        await first()
        await second()
        source.version = 1
        assert await (first.expire() if how == "key" else one.expire_tags("things"))
        assert (await second())["version"] == answer
        await manual_clock.tick(0.0)
        assert (await second())["version"] == afterwards
        await manual_clock.tick(0.0)
        assert (await first())["version"] == afterwards
        assert source.loads == 2


@pytest.mark.parametrize("how", ["key", "tag"])
async def test_what_was_expired_covers_an_error(manual_clock, how):
    """
    With fail_safe, an expired value answers if the reload fails.
    """
    source = Source()
    async with pair_over_memory(manual_clock) as (one, two):
        thing = source.on(one, ttl=60, fail_safe=600)
        await thing()
        await (thing.expire() if how == "key" else two.expire_tags("things"))
        source.failing = ConnectionError("away")
        assert (await thing())["version"] == 0


async def test_a_stale_value_says_so_to_observers(manual_clock):
    """
    ServedStale is told with its reason, and with the key by which the value is known.
    """
    source, heard = Source(), []
    cache = alone(manual_clock)
    cache.observe(lambda event: heard.append(event) if isinstance(event, ServedStale) else None)
    thing = source.on(cache, ttl=60, stale_for=30, fail_safe=600)
    await thing()
    manual_clock.advance(61)
    await thing()
    await manual_clock.tick(0.0)
    manual_clock.advance(100)
    source.failing = ConnectionError("away")
    await thing()
    await thing()
    assert [event.why for event in heard] == ["revalidating", "load failed", "load failed"]
    assert {event.key for event in heard} == {thing.key()}
