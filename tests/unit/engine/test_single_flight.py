"""One key, many callers, one load: who waits, who leaves, who gets what."""

from __future__ import annotations

import asyncio
import random
from contextvars import ContextVar
from typing import Annotated

import pytest

from evercache import Cache, Skip
from evercache.errors import ConfigurationError, LoadTimeout
from tests.support.source import Source, alone, pair_over_memory


async def in_the_air(source, count=1):
    """Return when *count* loads are running."""
    while source.running < count:
        await asyncio.sleep(0)


@pytest.mark.row("W22", "S2.17", "G26")
async def test_a_thousand_concurrent_misses_are_one_load(manual_clock):
    """
    Callers of one key share one load, in one process.
    """
    source = Source()
    thing, opened = source.on(alone(manual_clock)), source.shut()
    callers = [asyncio.ensure_future(thing(7)) for _ in range(1_000)]
    await in_the_air(source)
    opened.set()
    assert await asyncio.gather(*callers) == [{"number": 7, "version": 0}] * 1_000
    assert source.loads == 1


@pytest.mark.row("W22")
async def test_two_caches_over_one_store_load_once(manual_clock):
    """
    The herd lock holds the other process back until the first one has filled; then it finds the value.
    """
    source = Source()
    async with pair_over_memory(manual_clock) as (one, two):
        first, second = source.on(one), source.on(two)
        opened = source.shut()
        callers = [asyncio.ensure_future(thing(1)) for _ in range(250) for thing in (first, second)]
        await in_the_air(source)
        await manual_clock.tick(0.3)
        opened.set()
        assert await asyncio.gather(*callers) == [{"number": 1, "version": 0}] * 500
    assert source.loads == 1


@pytest.mark.row("FT14", "W22")
async def test_joiners_get_objects_of_their_own(manual_clock):
    """
    What one of many callers does to its value is nobody else's business.
    """
    source = Source()
    thing, opened = source.on(alone(manual_clock)), source.shut()
    callers = [asyncio.ensure_future(thing()) for _ in range(10)]
    await in_the_air(source)
    opened.set()
    values = await asyncio.gather(*callers)
    assert len({id(value) for value in values}) == 10
    values[0]["version"] = 99
    assert await thing() == {"number": 0, "version": 0}


@pytest.mark.row("FT14")
@pytest.mark.parametrize("leaving", [0, 1, 9], ids=["first", "second", "last"])
async def test_a_caller_that_is_cancelled_takes_nobody_with_it(manual_clock, leaving):
    """
    The load belongs to the cache: cancelling any caller, the first included, leaves the others theirs.
    """
    source = Source()
    thing, opened = source.on(alone(manual_clock)), source.shut()
    callers = [asyncio.ensure_future(thing()) for _ in range(10)]
    await in_the_air(source)
    callers[leaving].cancel()
    opened.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(answers[leaving], asyncio.CancelledError)
    assert [answer for answer in answers if isinstance(answer, dict)] == [{"number": 0, "version": 0}] * 9
    assert source.loads == 1


@pytest.mark.row("FT14")
async def test_ten_thousand_random_cancels_leave_nothing_behind(manual_clock):
    """
    No task stays in the loop, no flight stays joinable, no lock stays in the store.
    """
    chance, source = random.Random(14), Source()
    async with pair_over_memory(manual_clock) as (one, two):
        things = [source.on(one), source.on(two)]
        cancelled = 0
        while cancelled < 10_000:
            source.gate = asyncio.Event() if chance.random() < 0.5 else None
            callers = [asyncio.ensure_future(chance.choice(things)(chance.randrange(40))) for _ in range(200)]
            for _ in range(chance.randrange(6)):
                await asyncio.sleep(0)
            for caller in chance.sample(callers, 150):
                cancelled += caller.cancel()
            if source.gate is not None:
                source.gate.set()
            while not all(caller.done() for caller in callers):
                await manual_clock.tick(0.01, turns=20)
            assert all(caller.cancelled() or caller.result()["version"] == 0 for caller in callers)
            await one.invalidate_tags("things")
        await manual_clock.tick(2.0)
        for cache in (one, two):
            field = cache.engine.airfield()
            assert field.busy == 0
            assert not field.flights.joinable
            assert not field.flights.airborne
            assert not field.refreshing


async def test_an_error_reaches_every_caller_and_is_not_cached(manual_clock):
    """
    A failed load is shared by those who waited for it; the next call tries anew.
    """
    source = Source()
    source.failing = ValueError("no such thing")
    thing, opened = source.on(alone(manual_clock)), source.shut()
    callers = [asyncio.ensure_future(thing()) for _ in range(50)]
    await in_the_air(source)
    opened.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert {str(answer) for answer in answers} == {"no such thing"}
    assert source.loads == 1
    source.failing = None
    assert await thing() == {"number": 0, "version": 0}
    assert source.loads == 2


async def test_an_error_that_many_callers_raise_keeps_the_trace_of_its_loader_only(manual_clock):
    """
    Each caller sees where the loader failed, and not through which frames the others went.
    """
    source = Source()
    source.failing = ValueError("no")
    thing, opened = source.on(alone(manual_clock)), source.shut()
    depths = []

    async def call():
        try:
            await thing()
        except ValueError as error:
            trace, depth = error.__traceback__, 0
            while trace is not None:
                trace, depth = trace.tb_next, depth + 1
            depths.append(depth)

    callers = [asyncio.ensure_future(call()) for _ in range(100)]
    await in_the_air(source)
    opened.set()
    await asyncio.gather(*callers)
    assert len(depths) == 100
    assert max(depths) - min(depths) <= 1  # the very first call passes through the preparation of the function


async def test_a_loader_that_cancels_itself_is_answered_as_it_answered(manual_clock):
    """
    CancelledError out of a loader is its answer: the callers get it, nobody hangs, and it is not cached.
    """
    source = Source()
    source.failing = asyncio.CancelledError()
    thing = source.on(alone(manual_clock))
    answers = await asyncio.gather(thing(), thing(), return_exceptions=True)
    assert [type(answer) for answer in answers] == [asyncio.CancelledError] * 2
    source.failing = None
    assert await thing() == {"number": 0, "version": 0}


@pytest.mark.row("FT12")
async def test_a_loader_that_never_ends_costs_its_callers_the_hard_timeout(manual_clock):
    """
    LoadTimeout at the hard timeout; the key is not blocked, the next caller tries anew.
    """
    source = Source()
    cache = alone(manual_clock)
    thing, opened = source.on(cache, hard_timeout="2s"), source.shut()
    callers = [asyncio.ensure_future(thing()) for _ in range(5)]
    await manual_clock.tick(1.9)
    assert not any(caller.done() for caller in callers)
    await manual_clock.tick(0.2)
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert {type(answer) for answer in answers} == {LoadTimeout}
    source.gate = None
    assert await thing() == {"number": 0, "version": 0}
    assert source.loads == 2
    opened.set()
    await manual_clock.tick(0.0)
    await cache.stop()


@pytest.mark.row("FT12")
async def test_a_load_that_was_given_up_fills_the_cache_when_it_ends(manual_clock):
    """
    After LoadTimeout the load goes on behind, and the next caller finds what it brought.
    """
    source = Source()
    thing, opened = source.on(alone(manual_clock), hard_timeout="2s"), source.shut()
    caller = asyncio.ensure_future(thing())
    await manual_clock.tick(2.0)
    with pytest.raises(LoadTimeout):
        await caller
    opened.set()
    await manual_clock.tick(0.0)
    assert await thing() == {"number": 0, "version": 0}
    assert source.loads == 1


async def test_a_stuck_loader_in_one_process_does_not_block_the_other(manual_clock):
    """
    The herd lock is kept alive for the hard timeout and no longer: then somebody else may try.
    """
    source, stuck = Source(), Source()
    async with pair_over_memory(manual_clock) as (one, two):
        first, second = stuck.on(one, hard_timeout="3s"), source.on(two, hard_timeout="30s")
        opened = stuck.shut()
        given_up = asyncio.ensure_future(first())
        await in_the_air(stuck)
        waiting = asyncio.ensure_future(second())
        await manual_clock.tick(6.0)
        with pytest.raises(LoadTimeout):
            await given_up
        assert await waiting == {"number": 0, "version": 0}
        opened.set()


async def test_what_breaks_in_the_cache_itself_reaches_the_waiting_callers(manual_clock):
    """
    An unexpected exception on the way is a caller's error, never a hanging caller.
    """
    source = Source()

    def when(value):
        raise RuntimeError("a condition that breaks")

    thing = source.on(alone(manual_clock), when=when)
    answers = await asyncio.gather(*[thing() for _ in range(5)], return_exceptions=True)
    assert {str(answer) for answer in answers} == {"a condition that breaks"}
    assert source.loads == 1


async def test_a_borrowed_load_ends_with_its_starter_and_the_next_one_leads(manual_clock):
    """
    A load that uses its caller's session can't outlive the caller; whoever waited loads with a session of its own.
    """
    cache, used, gate = alone(manual_clock), [], asyncio.Event()

    @cache.cached
    async def orders(user: int, session: Annotated[str, Skip]) -> str:
        used.append(session)
        await gate.wait()
        return f"orders of {user} by {session}"

    first = asyncio.ensure_future(orders(1, "first"))
    await manual_clock.tick(0.0)
    second = asyncio.ensure_future(orders(1, "second"))
    third = asyncio.ensure_future(orders(1, "third"))
    await manual_clock.tick(0.0)
    assert used == ["first"]
    first.cancel()
    await manual_clock.tick(0.0)
    assert used == ["first", "second"]
    gate.set()
    assert await asyncio.gather(second, third) == ["orders of 1 by second"] * 2
    assert first.cancelled()


async def test_a_borrowed_load_that_takes_too_long_is_ended(manual_clock):
    """
    After LoadTimeout its caller closes the session; nothing may go on with it.
    """
    cache, ended = alone(manual_clock), []

    @cache.cached(hard_timeout="1s")
    async def orders(user: int, session: Annotated[str, Skip]) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(session)
        return ""

    caller = asyncio.ensure_future(orders(1, "mine"))
    await manual_clock.tick(1.0)
    with pytest.raises(LoadTimeout):
        await caller
    await manual_clock.tick(0.0)
    assert ended == ["mine"]
    assert cache.engine.airfield().busy == 0


async def test_many_keys_are_one_call_of_the_loader(manual_clock):
    """
    get_many_or_load asks for what is missing, once; what it leaves out is left out and not cached.
    """
    cache, asked = alone(manual_clock), []

    async def load_many(ids):
        asked.append(ids)
        return {id: f"user {id}" for id in ids if id != 13}

    assert await cache.get_many_or_load("users", [1, 2, 2, 13], load_many) == {1: "user 1", 2: "user 2"}
    assert await cache.get_many_or_load("users", [1, 2, 3], load_many) == {1: "user 1", 2: "user 2", 3: "user 3"}
    assert asked == [[1, 2, 13], [3]]
    assert await cache.get_or_load(("users", 1), load_many) == "user 1"


@pytest.mark.parametrize("nonsense", [None, 7], ids=["None", "a number"])
async def test_a_batch_loader_that_returns_nonsense_fails_its_callers_at_once(manual_clock, nonsense):
    """
    Nobody waits for ever because load_many returned no mapping.
    """

    async def load_many(ids):
        return nonsense

    with pytest.raises(ConfigurationError, match="mapping"):
        await alone(manual_clock).get_many_or_load("users", [1, 2], load_many)


async def test_a_batch_does_not_wait_for_what_another_call_is_loading(manual_clock):
    """
    One id that is in the air elsewhere holds up the others for a few milliseconds only.
    """
    cache, gate, asked = alone(manual_clock), asyncio.Event(), []

    async def slow():
        await gate.wait()
        return "slow"

    async def load_many(ids):
        asked.append(ids)
        return dict.fromkeys(ids, "many")

    first = asyncio.ensure_future(cache.get_or_load(("users", 1), slow))
    await manual_clock.tick(0.0)
    batch = asyncio.ensure_future(cache.get_many_or_load("users", [1, 2, 3], load_many))
    await manual_clock.tick(0.1)
    assert asked == [[2, 3]]
    gate.set()
    assert await batch == {1: "slow", 2: "many", 3: "many"}
    assert await first == "slow"


async def test_nothing_of_a_request_leaks_into_a_load():
    """
    A load runs in an empty context: context variables of whoever happened to come first are not seen.
    """
    user = ContextVar("user", default="nobody")
    cache = Cache(environ={})

    @cache.cached
    async def who() -> str:
        return user.get()

    user.set("alice")
    assert await who() == "nobody"
