"""By hand: what a run loads, in which order, within which budget, and what it says about it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from evercache import Cache
from evercache.stores.local import MemoryStore
from evercache.warming import Budget, Plan, Warmer
from evercache.warming.budget import Pulse
from tests.support.source import Source, alone


def off(cache, plan, **options):
    return Warmer(cache, plan, background=False, **options)


async def finished(clock, work, step=0.05):
    """The result of *work*, with as much time as it needs."""
    task = asyncio.ensure_future(work)
    while not task.done():
        await clock.tick(step)
    return task.result()


@pytest.mark.row("S4.21", "S4.36", "S4.58")
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
async def test_a_run_loads_what_is_cold_and_leaves_the_rest_alone(manual_clock, shared):
    """
    The result has the fields of the document: operation, success, warmed, failed, duration, time, errors.
    """
    source = Source()
    cache = (
        Cache(store=MemoryStore(manual_clock).join, clock=manual_clock, environ={}) if shared else alone(manual_clock)
    )
    thing = source.on(cache, ttl=300)
    async with cache:
        await thing(1)
        warmer = off(cache, Plan("dashboard_warming").add(thing, range(4)))
        result = await warmer.run()
        assert (result.operation_type, result.success, result.errors) == ("dashboard_warming", True, ())
        assert (result.items_warmed, result.items_fresh, result.items_failed, result.items_left) == (3, 1, 0, 0)
        assert (result.duration_seconds, result.timestamp.timestamp()) == (0.0, manual_clock.wall())
        assert source.loads == 4
        assert (await warmer.run()).items_fresh == 4
        said = result.to_dict()
        assert (said["items_warmed"], said["timestamp"]) == (3, result.timestamp.isoformat())


@pytest.mark.row("W17")
async def test_a_run_replaces_what_is_about_to_die(manual_clock):
    """
    What lives for less than its lead is loaded anew although it is fresh; `anew` loads everything.
    """
    source, cache = Source(), alone(manual_clock)
    thing = source.on(cache, ttl=100)
    warmer = off(cache, Plan().add(thing, (1,)))
    await warmer.run()
    manual_clock.advance(70)
    assert (await warmer.run()).items_warmed == 0
    manual_clock.advance(15)
    assert (await warmer.run()).items_warmed == 1
    assert (await warmer.run(anew=True)).items_warmed == 1
    assert source.loads == 3


@pytest.mark.row("S4.38", "S4.58")
async def test_active_ones_come_first_and_the_recently_updated_before_the_others(manual_clock):
    """
    By priority, then in the order in which the source gives them; a priority may be made of the arguments.
    """
    cache, loads = alone(manual_clock), []

    @cache.cached(key="thing")
    async def thing(number: int) -> int:
        loads.append(number)
        return number

    plan = (
        Plan().add(thing, (1, 2, 3), priority=lambda number: -number).add(thing, (9, 7, 8), priority=5).add(thing, (4,))
    )
    await off(cache, plan, budget=Budget(concurrent=1)).run()
    assert loads == [9, 7, 8, 4, 1, 2, 3]


@pytest.mark.parametrize(
    "form", ["list", "function", "coroutine function", "async generator", "async iterable", "nested"]
)
async def test_arguments_come_in_every_form(manual_clock, form):
    """
    A tuple is the arguments, a mapping the keyword arguments, anything else the one argument.
    """
    cache, loads = alone(manual_clock), []

    @cache.cached(key="thing")
    async def thing(number: int, lang: str = "en") -> int:
        loads.append((number, lang))
        return number

    items = [1, (2, "de"), {"number": 3, "lang": "fr"}]

    async def promised():
        return items

    async def generated():
        for item in items:
            yield item

    class Iterated:
        def __aiter__(self):
            return generated()

    async def nested():
        return generated()

    sources = {
        "list": items, "function": lambda: items, "coroutine function": promised, "async generator": generated,
        "async iterable": Iterated(), "nested": nested,
    }  # fmt: skip
    result = await off(cache, Plan().add(thing, sources[form])).run()
    assert (result.success, sorted(loads)) == (True, [(1, "en"), (2, "de"), (3, "fr")])


async def test_a_call_that_is_named_twice_has_its_highest_priority(manual_clock):
    """
    Everybody at 0, the active ones at 10: the active ones come first, whichever was written down first.
    """
    cache, loads = alone(manual_clock), []

    @cache.cached(key="thing", jitter=0.0)
    async def thing(number: int) -> int:
        loads.append(number)
        return number

    for turn, (first, second) in enumerate([((3, 1), range(4)), (range(4), (3, 1))]):
        plan = Plan().add(thing, first, priority=10 - 10 * turn).add(thing, second, priority=10 * turn)
        await off(cache, plan, budget=Budget(concurrent=1)).run(anew=True)
    assert loads == [3, 1, 0, 2] * 2


async def test_the_same_call_twice_is_one_and_a_limit_holds(manual_clock):
    """
    An endless source is read up to its limit, and closed.
    """
    cache, closed = alone(manual_clock), []
    source = Source()
    thing = source.on(cache)

    async def endless():
        number = 0
        try:
            while True:
                yield number
                number += 1
        finally:
            closed.append(number)

    result = await off(cache, Plan().add(thing, endless, limit=5).add(thing, (1, 2, 2))).run()
    assert (result.items_warmed, source.loads, closed) == (5, 5, [4])


@pytest.mark.expects_logs
async def test_failures_are_tried_three_times_and_stop_nobody(manual_clock):
    """
    What fails twice is warm in the end; what fails always is counted, and told by its class.
    """
    cache, attempts = alone(manual_clock), {1: 0, 2: 0, 3: 0}

    @cache.cached(key="thing")
    async def thing(number: int) -> int:
        attempts[number] += 1
        if number == 2 or (number == 3 and attempts[3] < 3):
            raise ValueError(f"secret {number}")
        return number

    result = await finished(manual_clock, off(cache, Plan().add(thing, (1, 2, 3))).run())
    assert attempts == {1: 1, 2: 3, 3: 3}
    assert (result.success, result.items_warmed, result.items_failed) == (False, 2, 1)
    assert result.errors == ("thing: ValueError (x5)",)


@pytest.mark.expects_logs
async def test_wrong_arguments_and_a_broken_source_are_told_and_the_rest_is_warmed(manual_clock):
    """
    Each is named with its function; a run never raises because of them.
    """
    cache = alone(manual_clock)
    source = Source()
    thing = source.on(cache)

    def broken():
        raise ConnectionError("secret")

    result = await off(cache, Plan().add(thing, [1, (2, 3, 4), 5]).add(thing, broken)).run()
    assert (result.success, result.items_warmed) == (False, 2)
    assert result.errors == ("thing: TypeError", "thing: ConnectionError")


async def test_a_negative_answer_that_is_kept_is_warm(manual_clock):
    """
    An exception that the function's options keep is an answer.
    """
    cache = alone(manual_clock)

    @cache.cached(key="thing", negative_ttl={LookupError: "1m", None: "1m"})
    async def thing(number: int) -> int | None:
        if number:
            raise LookupError
        return None

    assert (await off(cache, Plan().add(thing, (0, 1))).run()).items_warmed == 2


async def test_methods_and_plain_functions_are_warmed_too(manual_clock):
    """
    A method with its object, a plain function in a thread.
    """
    cache, loads = alone(manual_clock), []

    class Shop:
        def __cache_key__(self):
            return "shop"

        @cache.cached(key="price")
        async def price(self, number: int) -> int:
            loads.append(number)
            return number

    @cache.cached(key="plain")
    def plain(number: int) -> int:
        loads.append(-number)
        return number

    shop = Shop()
    result = await off(cache, Plan().add(shop.price, (1, 2)).add(plain, (3,))).run()
    assert (result.items_warmed, sorted(loads)) == (3, [-3, 1, 2])
    assert await shop.price(1) == 1
    assert len(loads) == 3


async def test_at_most_so_many_loads_at_once_and_so_many_in_a_second(manual_clock):
    """
    The budget holds for all runs of a warmer together.
    """
    source, cache = Source(), alone(manual_clock)
    thing, most, starts = source.on(cache), [0], []
    load = source.load

    async def watched(number=0):
        starts.append(manual_clock.monotonic())
        most[0] = max(most[0], source.running + 1)
        await manual_clock.sleep(0.4)
        return await load(number)

    source.load = watched
    warmer = off(cache, Plan().add(thing, range(20)), budget=Budget(concurrent=3, per_second=5))
    more = Plan().add(thing, range(20, 40))
    one, two = asyncio.ensure_future(warmer.run()), asyncio.ensure_future(warmer.run(more))
    await finished(manual_clock, asyncio.wait((one, two)))
    assert one.result().items_warmed == two.result().items_warmed == 20
    assert most[0] <= 3
    for number, start in enumerate(starts):
        assert sum(start <= other < start + 1 for other in starts) <= 6, number


async def test_live_loads_go_before_those_of_a_run(manual_clock):
    """
    While readers wait for a turn (`max_loads`), nothing is warmed; their loads take the places of the budget.
    """
    source = Source()
    cache = alone(manual_clock, max_loads=1)
    thing, warm = source.on(cache), []

    @cache.cached(key="warm")
    async def warmed(number: int) -> int:
        warm.append(number)
        return number

    opened = source.shut()
    live = asyncio.gather(*(thing(number) for number in range(3)))
    await manual_clock.tick(1)
    running = asyncio.ensure_future(off(cache, Plan().add(warmed, (1, 2))).run())
    await manual_clock.tick(10)
    assert warm == []
    opened.set()
    await live
    assert (await finished(manual_clock, running)).items_warmed == 2


async def test_a_run_joins_the_load_of_a_reader(manual_clock):
    """
    What somebody is loading already is not loaded twice.
    """
    source, cache = Source(), alone(manual_clock)
    thing = source.on(cache)
    opened = source.shut()
    reading = asyncio.ensure_future(thing(1))
    await manual_clock.tick(0.1)
    running = asyncio.ensure_future(off(cache, Plan().add(thing, (1,)), budget=Budget(concurrent=8)).run())
    await manual_clock.tick(0.1)
    opened.set()
    await reading
    assert (await finished(manual_clock, running)).items_warmed == 1
    assert source.loads == 1


@pytest.mark.expects_logs
async def test_a_load_that_never_ends_gives_its_place_back(manual_clock):
    """
    After `patience`, it counts as failed, and the others go on.
    """
    source, cache = Source(), alone(manual_clock)
    thing = source.on(cache)
    hanging = asyncio.Event()

    @cache.cached(key="hangs")
    async def hangs() -> None:
        await hanging.wait()

    plan = Plan().add(hangs, priority=1).add(thing, range(3))
    result = await finished(manual_clock, off(cache, plan, budget=Budget(concurrent=1, patience=5)).run(), step=1)
    assert (result.items_warmed, result.items_failed) == (3, 1)
    assert result.errors[0].startswith("hangs: LoadTimeout")
    hanging.set()
    await manual_clock.tick(1)


async def test_a_source_that_slows_down_is_left_alone_until_it_is_well(manual_clock):
    """
    Loads take ten times their usual time: only single ones follow, with pauses, until they are quick again.
    """
    cache, seconds, starts = alone(manual_clock), [0.05], []

    @cache.cached(key="thing")
    async def thing(number: int) -> int:
        starts.append(manual_clock.monotonic())
        await manual_clock.sleep(seconds[0])
        return number

    warmer = off(cache, Plan().add(thing, range(2_000)), budget=Budget(concurrent=4))
    running = asyncio.ensure_future(warmer.run())
    await manual_clock.tick(2)
    before = len(starts)
    assert before > 100
    assert warmer.status()["slow"] == []
    seconds[0] = 0.5
    await manual_clock.tick(60)
    during = len(starts) - before
    assert during < 30
    assert warmer.status()["slow"] == ["thing"]
    seconds[0] = 0.05
    assert (await finished(manual_clock, running, step=1)).items_warmed == 2_000
    assert warmer.status()["slow"] == []


@pytest.mark.row("S4.58")
async def test_progress_is_told_to_a_callback_and_in_the_log(manual_clock, caplog):
    """
    After every call; in the log every ten seconds, and at the end. A callback that fails changes nothing.
    """
    cache, told = alone(manual_clock), []

    @cache.cached(key="thing")
    async def thing(number: int) -> int:
        await manual_clock.sleep(1)
        return number

    def fails(progress):
        raise RuntimeError

    warmer = off(cache, Plan("projects").add(thing, range(30)), budget=Budget(concurrent=1), on_progress=told.append)
    with caplog.at_level(logging.INFO, "evercache"):
        result = await finished(manual_clock, warmer.run(on_progress=fails), step=1)
    assert result.success
    assert [progress.done for progress in told] == list(range(1, 31))
    assert str(told[9]) == "projects: 10 of 30 after 10 s, about 20 s left"
    lines = [record.getMessage() for record in caplog.records if getattr(record, "event", "").startswith("cache.warm")]
    assert len(lines) in (3, 4)
    assert lines[-1] == "projects: 30 warmed, 0 were fresh, 0 failed, in 30.0 s"


async def test_a_run_that_is_cancelled_leaves_nothing_behind(manual_clock):
    """
    Its loads are the engine's, and end by themselves.
    """
    source, cache = Source(), alone(manual_clock)
    thing = source.on(cache)
    opened = source.shut()
    running = asyncio.ensure_future(off(cache, Plan().add(thing, range(9))).run())
    await manual_clock.tick(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    opened.set()
    await manual_clock.tick(1)
    assert source.loads == 4
    assert cache.engine.airfield().busy == 0


def test_a_pulse_tells_slow_from_usual():
    """
    Noise is nothing; three times the usual time is; a table that has grown becomes usual in time.
    """
    pulse, now = Pulse(3.0), 0.0
    for _ in range(20):
        pulse.note(0.1, now)
        pulse.note(0.2, now)
    assert not pulse.slow
    tries = 0
    while tries == 0 or pulse.slow:
        now += pulse.wait(now)
        pulse.note(1.0, now)
        tries += 1
        assert tries < 60
    assert now < 20 * 60
    pulse.note(0.001, now)
    assert not pulse.slow
    never = Pulse(None)
    for seconds in (0.1, 100.0, 100.0):
        never.note(seconds, 0.0)
    assert not never.slow
