"""From declaration to stop: loops, threads, forks, restarts, and what is left behind, which is nothing."""

from __future__ import annotations

import asyncio
import gc
import os
import threading

import pytest

from evercache import Cache, Confirmation
from evercache.stores.local import MemoryStore
from evercache.testing.clock import ManualClock
from tests.support.source import Source, alone


def threads():
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("evercache")}


async def test_start_is_idempotent_and_stop_too(manual_clock):
    """
    A second start changes nothing, a second stop does nothing.
    """
    store = MemoryStore(manual_clock)
    cache = Cache(store=store.join, clock=manual_clock)
    await asyncio.gather(cache.start(), cache.start())
    await cache.start()
    assert len(store.members) == 1
    await cache.stop()
    await cache.stop()
    assert store.members == []
    assert cache.engine.airfield().busy == 0


async def test_after_a_stop_the_cache_works_on_memory_and_can_be_started_again(manual_clock):
    """
    Stopped, it answers like before its start; started again, it reads what was shared all the while.
    """
    store, source = MemoryStore(manual_clock), Source()
    cache = Cache(store=store.join, clock=manual_clock)
    thing = source.on(cache)

    @cache.cached(key="local", l2=False)
    async def local() -> dict[str, int]:
        return await source.load()

    for _ in range(3):
        async with cache:
            await thing()
            await local()
        assert cache.health().reason == "not started"
        loads = source.loads
        await thing()
        await thing()
        await local()
        await local()
        assert source.loads == loads + 2
    async with cache:
        loads = source.loads
        await thing()
        assert source.loads == loads


async def test_what_was_missed_while_stopped_is_not_served_after_the_restart(manual_clock):
    """
    An invalidation by somebody else in between is seen: nothing from the first life answers in the second.
    """
    store, source = MemoryStore(manual_clock), Source()
    cache = Cache(store=store.join, clock=manual_clock)
    thing = source.on(cache)
    async with Cache(store=store.join, clock=manual_clock) as other:
        async with cache:
            await thing()
        source.version = 1
        await other.invalidate_tags("things")
        async with cache:
            assert (await thing())["version"] == 1


async def test_who_waits_for_a_load_when_the_cache_stops_gets_a_value(manual_clock):
    """
    Stopping ends the cache's own tasks; a caller that is still there loads anew instead of being cancelled.
    """
    source = Source()
    cache = Cache(store=MemoryStore(manual_clock).join, clock=manual_clock)
    thing = source.on(cache)
    await cache.start()
    opened = source.shut()
    callers = [asyncio.ensure_future(call) for call in (thing(), thing(), thing.refresh(1))]
    await manual_clock.tick(0.0)
    await cache.engine.stop(drain=0.0)
    opened.set()
    assert [(await caller)["version"] for caller in callers] == [0, 0, 0]
    await manual_clock.tick(0.0)
    assert cache.engine.airfield().busy == 0


async def test_stopping_waits_for_what_runs_in_the_background(manual_clock):
    """
    A refresh behind an answer, and an invalidation on its way, are given time to end.
    """
    source = Source()
    cache = alone(manual_clock)
    thing = source.on(cache, ttl=60, stale_for=600)
    await thing()
    manual_clock.advance(61)
    opened = source.shut()
    await thing()
    await manual_clock.tick(0.0)
    stopping = asyncio.ensure_future(cache.stop())
    await manual_clock.tick(0.0)
    assert not stopping.done()
    opened.set()
    await stopping
    source.version = 1
    assert (await thing())["version"] == 0


async def test_a_loader_that_refuses_to_end_does_not_keep_the_cache_from_stopping(manual_clock):
    """
    It is left behind after a second.
    """
    cache, release = alone(manual_clock), asyncio.Event()

    @cache.cached
    async def stubborn() -> int:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return 1

    caller = asyncio.ensure_future(stubborn())
    await manual_clock.tick(0.0)
    await cache.engine.stop(drain=0.0)
    release.set()
    assert await caller == 1


async def test_a_start_that_is_cancelled_leaves_no_store_behind(manual_clock):
    """
    Whoever gives up while the cache connects has nothing to close.
    """
    closed = []

    class Hanging:
        partitions, delta = 1, 1.0

        async def start(self, listener):
            await asyncio.Event().wait()

        async def close(self):
            closed.append(1)

    cache = Cache(store=Hanging, clock=manual_clock)
    starting = asyncio.ensure_future(cache.start())
    await manual_clock.tick(0.0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert closed == [1]
    assert cache.health().reason == "not started"


@pytest.mark.row("FT15")
def test_a_cache_declared_at_import_works_in_one_loop_after_the_other():
    """
    asyncio.run twice and three times: no "attached to a different loop", and no loop is kept alive.
    """
    clock, source = ManualClock(), Source()
    cache = Cache(store=MemoryStore(clock).join, clock=clock)
    thing = source.on(cache)
    loops = []

    async def once(*, start):
        loops.append(id(asyncio.get_running_loop()))
        if start:
            async with cache:
                return await asyncio.gather(*[thing(number) for number in range(10)])
        return await asyncio.gather(*[thing(number) for number in range(10)])

    for start in (False, True, True, False):
        assert len(asyncio.run(once(start=start))) == 10
    gc.collect()
    assert len(cache.engine.airfields()) == 1


@pytest.mark.row("FT15")
def test_a_loop_that_was_closed_without_a_stop_is_no_obstacle():
    """
    The next start takes over, and nothing of the first life answers.
    """
    clock, source, store = ManualClock(), Source(), None
    store = MemoryStore(clock)
    cache = Cache(store=store.join, clock=clock)
    thing = source.on(cache)

    async def begin():
        await cache.start()
        return await thing()

    assert asyncio.run(begin())["version"] == 0
    source.version = 1
    assert asyncio.run(_invalidated(cache)) is Confirmation.PENDING
    assert asyncio.run(begin())["version"] == 1


async def _invalidated(cache):
    return await cache.invalidate_tags("things")


@pytest.mark.row("FT15")
async def test_a_second_loop_reads_and_invalidates_while_the_first_one_owns_the_store(manual_clock):
    """
    A thread with a loop of its own: its reads are right, its invalidations go through the loop that started the cache.
    """
    store, source = MemoryStore(manual_clock), Source()
    async with Cache(store=store.join, clock=manual_clock) as cache:
        thing = source.on(cache)
        await thing(1)

        async def elsewhere():
            first = await thing(1)
            source.version = 1
            confirmation = await cache.invalidate_tags("thing:1")
            return first["version"], confirmation, (await thing(1))["version"]

        assert await asyncio.to_thread(asyncio.run, elsewhere()) == (0, Confirmation.CONFIRMED, 1)
        assert (await thing(1))["version"] == 1


@pytest.mark.row("FT15")
async def test_an_invalidation_from_another_loop_reaches_the_flights_of_this_one(manual_clock):
    """
    A load that runs here is overtaken by an invalidation there; it is not kept.
    """
    source = Source()
    cache = alone(manual_clock)
    thing, opened = source.on(cache), source.shut()
    loading = asyncio.ensure_future(thing())
    await manual_clock.tick(0.0)
    source.version = 1
    await asyncio.to_thread(asyncio.run, _invalidated(cache))
    opened.set()
    await loading
    assert (await thing())["version"] == 1


@pytest.mark.row("FT15")
async def test_another_loop_that_starts_the_cache_takes_it_over(manual_clock):
    """
    The store of the first loop is closed there, and one is left.
    """
    store = MemoryStore(manual_clock)
    cache = Cache(store=store.join, clock=manual_clock)
    await cache.start()

    async def elsewhere():
        await cache.start()
        members = len(store.members)
        await cache.stop()
        return members

    assert await asyncio.to_thread(asyncio.run, elsewhere()) == 1
    assert store.members == []


@pytest.mark.row("FT15")
async def test_many_threads_share_one_cache_of_plain_functions(manual_clock):
    """
    Plain functions, eight threads, one load for each key; stop ends the thread that served them.
    """
    cache, loads, lock = Cache(environ={}), [], threading.Lock()

    @cache.cached
    def square(number: int) -> int:
        with lock:
            loads.append(number)
        return number * number

    def work():
        return [square(number % 50) for number in range(500)]

    answers = await asyncio.gather(*[asyncio.to_thread(work) for _ in range(8)])
    assert answers == [[(number % 50) ** 2 for number in range(500)]] * 8
    assert sorted(loads) == list(range(50))
    assert len(threads()) == 1
    await cache.stop()
    assert threads() == set()


@pytest.mark.row("FT15")
async def test_a_plain_function_in_a_thread_survives_the_stop_of_its_cache(manual_clock):
    """
    Its value comes from the function itself, if the cache ends while it waits.
    """
    cache, running, go = Cache(environ={}), threading.Event(), threading.Event()

    @cache.cached
    def slow() -> str:
        running.set()
        go.wait(10)
        return "value"

    calling = asyncio.ensure_future(asyncio.to_thread(slow))
    await asyncio.to_thread(running.wait, 10)
    stopping = asyncio.ensure_future(cache.engine.stop(drain=0.0))
    await asyncio.sleep(0.01)
    go.set()
    assert await calling == "value"
    await stopping


@pytest.mark.row("FT15")
def test_a_child_process_has_nothing_of_its_parent_but_the_code():
    """
    After a fork the child isn't started: it loads, it can start for itself, and the parent goes on undisturbed.
    """
    clock, source = ManualClock(), Source()
    store = MemoryStore(clock)
    cache = Cache(store=store.join, clock=clock)
    thing = source.on(cache)

    def child():
        async def work():
            before = cache.health().status, (await thing())["version"]
            store.members.clear()
            async with cache:
                return before, (await thing())["version"], cache.health().status

        source.version = 1
        good = asyncio.run(work()) == (("degraded", 1), 0, "healthy")
        os._exit(0 if good else 1)

    async def parent():
        async with cache:
            await thing()
            pid = os.fork()
            if not pid:
                try:
                    child()
                finally:
                    os._exit(2)
            _, status = await asyncio.to_thread(os.waitpid, pid, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            assert (await thing())["version"] == 0
            assert cache.health().status == "healthy"

    asyncio.run(parent())
