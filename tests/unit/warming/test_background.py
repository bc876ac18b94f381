"""The background on a clock in the test's hand: warm all the time, invalidations, failures, changing plans."""

from __future__ import annotations

import asyncio

import pytest

from evercache import MISSING, Cache
from evercache.core.events import Warmed
from evercache.errors import ConfigurationError, NotStarted
from evercache.stores.local import MemoryStore
from evercache.warming import Budget, Plan, Warmer
from tests.support.source import Source, alone

HOUR = 3600.0


def made(clock, *, shared: bool, **options):
    store = MemoryStore(clock)
    return Cache(store=store.join, clock=clock, environ={}, **options) if shared else alone(clock, **options)


async def share_warm(clock, thing, seconds, step, act=None):
    """The share of looks at which the answers to five calls were there, and fresh."""
    warm = looks = 0
    for moment in range(int(seconds / step)):
        if act is not None:
            await act(moment * step)
        await clock.tick(step)
        for number in range(5):
            looks += 1
            warm += await thing.peek(number) is not MISSING
    return warm / looks


both = pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])


@pytest.mark.row("W17", "S4.4", "S4.21", "S4.58", "S4.67", "S2.103")
@both
@pytest.mark.parametrize("ttl", [300, 600, 900])
async def test_warmed_answers_are_warm_all_the_time(manual_clock, shared, ttl):
    """
    Answers that live for 5, 10 or 15 minutes: reading them every 30 minutes has them warm for 17, 33 and 50 % of the
    time; a warmer for all of it, over hours, at no more than one and a half loads for each life.
    """
    source, cache = Source(), made(manual_clock, shared=shared)
    thing = source.on(cache, ttl=ttl)

    async def read_through(moment):
        if moment % 1800 == 0:
            for number in range(5):
                await thing(number)

    async with cache:
        naive = await share_warm(manual_clock, thing, 2 * HOUR, 15, read_through)
        assert naive == pytest.approx(ttl / 1800, abs=0.02)
        source.loads = 0
        async with Warmer(cache, Plan().add(thing, range(5)), rescan="30m"):
            await manual_clock.tick(1)
            assert await share_warm(manual_clock, thing, 3 * HOUR, 15) == 1.0
    assert source.loads <= 5 * (3 * HOUR / ttl * 1.5 + 1)


@pytest.mark.row("W17")
@both
async def test_live_traffic_never_meets_a_cold_answer(manual_clock, shared):
    """
    With jitter on, readers of three hours load nothing: every load is the warmer's.
    """
    source, cache = Source(), made(manual_clock, shared=shared)
    thing = source.on(cache, ttl=300, jitter=0.3)
    async with cache, Warmer(cache, Plan().add(thing, range(5))):
        await manual_clock.tick(1)
        for _ in range(int(3 * HOUR / 20)):
            await manual_clock.tick(20)
            before = source.loads
            for number in range(5):
                await thing(number)
            assert source.loads == before


WAYS = {
    "key": lambda cache, thing: thing.invalidate(1),
    "tag": lambda cache, thing: cache.invalidate_tags("thing:1"),
    "late tag": lambda cache, thing: cache.invalidate_tags("late"),
    "pattern": lambda cache, thing: cache.invalidate_pattern("thing:1"),
    "namespace": lambda cache, thing: cache.invalidate_all(),
    "softly": lambda cache, thing: cache.expire_tags("thing:1"),
    "one softly": lambda cache, thing: thing.expire(1),
}


@pytest.mark.row("S4.58", "S2.103")
@both
@pytest.mark.parametrize("way", WAYS)
async def test_what_is_invalidated_is_loaded_again_at_once(manual_clock, shared, way):
    """
    By key, tag, a tag that the loader added, pattern, namespace, hard or soft: within a tenth of a second the new answer
    is there, and only what was invalidated is loaded.
    """
    from evercache import current

    cache, version, loads = made(manual_clock, shared=shared), [0], []

    @cache.cached(key="thing", ttl="1h", tags=["thing:{number}"])
    async def thing(number: int) -> int:
        loads.append(number)
        if number == 1:
            current().tags("late")
        return version[0]

    async with cache, Warmer(cache, Plan().add(thing, (1, 2, 3))):
        await manual_clock.tick(1)
        assert sorted(loads) == [1, 2, 3]
        version[0] = 1
        await WAYS[way](cache, thing)
        await manual_clock.tick(0.1)
        assert await thing.peek(1) == 1
        assert sorted(loads[3:]) == ([1, 2, 3] if way == "namespace" else [1])


async def test_an_invalidation_by_another_process_is_heard(manual_clock):
    """
    The elected process reloads what any process has invalidated.
    """
    store, source = MemoryStore(manual_clock), Source()
    one, two = (Cache(store=store.join, clock=manual_clock, environ={}) for _ in range(2))
    thing = source.on(one, ttl="1h")
    async with one, two, Warmer(one, Plan().add(thing, (1, 2))):
        await manual_clock.tick(1)
        source.version = 1
        await two.invalidate_tags("thing:2")
        await manual_clock.tick(0.1)
        assert (await thing.peek(2))["version"] == 1
        assert source.loads == 3


async def test_an_invalidation_in_another_thread_is_heard(manual_clock):
    """
    Whoever invalidates in whatever loop: the reload runs in the warmer's.
    """
    source, cache = Source(), alone(manual_clock)
    thing = source.on(cache, ttl="1h")
    async with cache, Warmer(cache, Plan().add(thing, (1, 2))):
        await manual_clock.tick(1)
        source.version = 1

        async def elsewhere():
            return await cache.invalidate_tags("thing:2")

        await asyncio.to_thread(asyncio.run, elsewhere())
        await manual_clock.tick(0.1)
        assert (await thing.peek(2))["version"] == 1
        assert source.loads == 3


async def test_an_invalidation_during_the_load_is_not_lost(manual_clock):
    """
    A reload that is overtaken is rejected, and another one follows.
    """
    source, cache = Source(), made(manual_clock, shared=True)
    thing = source.on(cache, ttl="1h")
    async with cache, Warmer(cache, Plan().add(thing, (1,))):
        await manual_clock.tick(1)
        opened = source.shut()
        await cache.invalidate_tags("thing:1")
        await manual_clock.tick(0.1)
        assert source.running == 1
        source.version = 1
        await cache.invalidate_tags("thing:1")
        opened.set()
        await manual_clock.tick(1)
        assert (await thing.peek(1))["version"] == 1


async def test_the_plan_follows_its_sources(manual_clock):
    """
    Sources are asked again: who is new gets warm, who is gone is let die.
    """
    source, cache, active = Source(), made(manual_clock, shared=True), [1, 2]
    thing = source.on(cache, ttl=300)

    async def who():
        return list(active)

    async with cache, Warmer(cache, Plan().add(thing, who), rescan=60) as warmer:
        await manual_clock.tick(1)
        active[:] = [2, 3]
        await manual_clock.tick(61)
        assert await thing.peek(3) is not MISSING
        await manual_clock.tick(600)
        assert await thing.peek(1) is MISSING
        assert warmer.status()["calls"] == warmer.status()["warm"] == 2


async def test_an_answer_that_was_evicted_is_found_out_at_the_next_scan(manual_clock):
    """
    Nobody tells of an eviction; every scan looks at everything.
    """
    source, cache = Source(), alone(manual_clock)
    thing = source.on(cache, ttl="1h")
    async with cache, Warmer(cache, Plan().add(thing, (1,)), rescan=60):
        await manual_clock.tick(1)
        cache.engine.l1.drop(next(iter(cache.engine.sites_of("thing")[0].table.values())))
        await manual_clock.tick(61)
        assert await thing.peek(1) is not MISSING


@pytest.mark.expects_logs
async def test_a_failing_loader_stops_nobody_and_is_tried_again_with_longer_pauses(manual_clock, caplog):
    """
    One call fails for ten minutes: at most a dozen attempts, the others are warm all the time, then it is too.
    """
    cache, broken, attempts = made(manual_clock, shared=True), [True], []

    @cache.cached(key="thing", ttl=300)
    async def thing(number: int) -> int:
        if number == 0:
            attempts.append(manual_clock.monotonic())
            if broken[0]:
                raise LookupError("secret")
        return number

    async with cache, Warmer(cache, Plan().add(thing, range(5))) as warmer:
        for _ in range(40):
            await manual_clock.tick(15)
            assert MISSING not in [await thing.peek(number) for number in range(1, 5)]
        assert 5 <= len(attempts) <= 20
        assert warmer.last is not None
        assert (warmer.last.success, warmer.last.items_failed) == (False, 1)
        assert warmer.last.errors[0].startswith("thing: LookupError")
        broken[0] = False
        await manual_clock.tick(90)
        assert await thing.peek(0) == 0
    assert "secret" not in caplog.text


@pytest.mark.expects_logs
async def test_a_failing_source_keeps_what_is_known_warm(manual_clock):
    """
    Who is active can't be told for a while: those who were are kept warm meanwhile.
    """
    source, cache, fails = Source(), made(manual_clock, shared=True), [False]
    thing = source.on(cache, ttl=120)

    async def who():
        for number in range(3):
            if fails[0]:
                raise ConnectionError
            yield number

    async with cache, Warmer(cache, Plan().add(thing, who), rescan=60) as warmer:
        await manual_clock.tick(1)
        fails[0] = True
        await manual_clock.tick(600)
        assert MISSING not in [await thing.peek(number) for number in range(3)]
        assert warmer.last is not None
        assert warmer.last.errors == ("thing: ConnectionError",)


@pytest.mark.expects_logs
async def test_a_value_that_is_not_kept_is_not_loaded_again_and_again(manual_clock):
    """
    A loader that says "don't store this" is asked with growing pauses, not in a loop.
    """
    cache, loads = made(manual_clock, shared=True), []

    @cache.cached(key="thing", ttl=300, when=lambda value: False)
    async def thing() -> int:
        loads.append(1)
        return 1

    async with cache, Warmer(cache, Plan().add(thing)):
        await manual_clock.tick(300)
    assert 3 <= len(loads) <= 15


async def test_a_life_that_the_loader_shortens_sets_the_pace(manual_clock):
    """
    The life that counts is the answer's own, not the function's.
    """
    from evercache import current

    cache, loads = made(manual_clock, shared=True), []

    @cache.cached(key="thing", ttl="1h", jitter=0.0)
    async def thing(number: int) -> int:
        loads.append(number)
        current().ttl = 10
        return number

    async with cache, Warmer(cache, Plan().add(thing, range(5))):
        await manual_clock.tick(1)
        assert await share_warm(manual_clock, thing, 120, 1) == 1.0
    assert 5 * 12 <= len(loads) <= 5 * 20


@pytest.mark.row("S4.63")
@pytest.mark.parametrize("said", ["settings", "argument"])
async def test_the_background_can_be_switched_off(manual_clock, said):
    """
    ENABLE_BACKGROUND_WARMING=false leaves what is run by hand.
    """
    source = Source()
    environ = {"ENABLE_BACKGROUND_WARMING": "false"} if said == "settings" else {}
    cache = Cache(clock=manual_clock, environ=environ)
    thing = source.on(cache)
    async with (
        cache,
        Warmer(cache, Plan().add(thing, (1,)), background=False if said == "argument" else None) as warmer,
    ):
        await manual_clock.tick(HOUR)
        assert (source.loads, warmer.status()["background"]) == (0, "off")
        assert (await warmer.run()).items_warmed == 1


@pytest.mark.row("S2.103")
@pytest.mark.expects_logs
async def test_a_cache_that_is_switched_off_is_not_warmed(manual_clock):
    """
    CACHE_ENABLED=false: nothing would be kept, so nothing is loaded; a run says so.
    """
    source = Source()
    cache = Cache(clock=manual_clock, environ={"CACHE_ENABLED": "false"})
    thing = source.on(cache)
    async with cache, Warmer(cache, Plan().add(thing, (1,))) as warmer:
        await manual_clock.tick(HOUR)
        result = await warmer.run()
    assert (source.loads, result.success, result.items_left) == (0, False, 1)
    assert result.errors == ("CACHE_ENABLED: is false, nothing is kept",)


async def test_at_start_it_may_wait_until_all_is_warm(manual_clock):
    """
    `at_start="wait"`: the first request finds everything there.
    """
    source, cache = Source(), alone(manual_clock)
    thing = source.on(cache)
    async with cache, Warmer(cache, Plan().add(thing, range(3)), at_start="wait"):
        assert source.loads == 3


async def test_it_ends_with_its_cache(manual_clock):
    """
    Who stops the cache need not think of the warmer: no task is left, and stopping it again does nothing.
    """
    cache = made(manual_clock, shared=True)
    warmer = Warmer(cache, Plan().add(Source().on(cache), (1,)))
    await cache.start()
    await warmer.start()
    await warmer.start()
    await manual_clock.tick(1)
    assert warmer.elected
    await cache.stop()
    assert not warmer.elected
    assert warmer.status()["background"] == "off"
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    await cache.start()
    await warmer.start()  # and it can begin again with it
    await manual_clock.tick(1)
    assert warmer.elected
    await warmer.stop()
    await warmer.stop()
    await cache.stop()


def test_a_loop_that_ended_without_stopping_it_leaves_a_warmer_that_can_begin_again(manual_clock):
    """
    Test runners and scripts end loops without a word; the next loop starts, warms and stops as ever.
    """
    source, cache = Source(), alone(manual_clock)
    warmer = Warmer(cache, Plan().add(source.on(cache, ttl=60), (1,)))

    async def begin():
        await cache.start()
        await warmer.start()
        await manual_clock.tick(1)

    async def again():
        await begin()
        await manual_clock.tick(60)
        assert warmer.elected
        await cache.stop()
        await warmer.stop()

    asyncio.run(begin())
    asyncio.run(again())
    assert source.loads >= 2


async def test_a_warmer_needs_a_cache_that_is_started_here(manual_clock):
    """
    Without a connection there is nowhere to put what is loaded.
    """
    cache = made(manual_clock, shared=True)
    warmer = Warmer(cache, Plan().add(Source().on(cache), (1,)))
    for doing in (warmer.start, warmer.run):
        with pytest.raises(NotStarted, match="async with cache, warmer"):
            await doing()


def test_what_can_not_be_meant_is_refused(manual_clock):
    """
    The sentence names the argument.
    """
    cache, other = alone(manual_clock), alone(manual_clock)
    plan = Plan().add(Source().on(cache), (1,))
    for wrong in ({"ahead": 0}, {"ahead": 0.6}, {"at_start": "later"}, {"rescan": 0}, {"lease": 0.1}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            Warmer(cache, plan, **wrong)
    with pytest.raises(ConfigurationError, match="another cache"):
        Warmer(other, plan)
    for wrong in ({"concurrent": 0}, {"per_second": 0}, {"slowdown": 1}, {"patience": 0}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            Budget(**wrong)


async def test_observers_are_told_of_each_round(manual_clock):
    """
    One event when everything has been looked at, with counts and no name of a key.
    """
    cache, heard = made(manual_clock, shared=True), []
    thing = Source().on(cache, ttl=1000)
    cache.observe(heard.append)
    async with cache, Warmer(cache, Plan("projects").add(thing, range(3)), rescan=60):
        await manual_clock.tick(61)
    rounds = [event for event in heard if isinstance(event, Warmed)]
    assert [(event.operation, event.warmed, event.fresh, event.failed) for event in rounds] == [
        ("projects", 3, 0, 0),
        ("projects", 0, 3, 0),
    ]
