"""What a value was made of: it carries the tags of everything that was read while it was built."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import pytest

from evercache import MISSING, Cache, current
from evercache.engine.recording import current_recorder, note
from evercache.stores.local import MemoryStore
from evercache.testing.clock import ManualClock


class Desk:
    """Tasks, a function that reads one, and how often anything was loaded."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.loads: dict[str, int] = {}

        @cache.cached(key="task", tags=["task:{number}"], ttl="1h")
        async def task(number: int) -> int:
            self.count("task")
            return number

        self.task = task

    def count(self, name: str) -> None:
        self.loads[name] = self.loads.get(name, 0) + 1

    async def drops(self, read, *tags: str) -> bool:
        """Whether an invalidation of these tags drops what *read* reads; before it, it is cached."""
        await read()
        before = self.loads["outer"]
        await read()
        assert self.loads["outer"] == before, "it was not cached"
        await self.cache.invalidate_tags(*tags)
        await read()
        return self.loads["outer"] > before


def cache_of(kind: str) -> Cache:
    store = MemoryStore(ManualClock())
    arguments = {} if kind == "alone" else {"store": store.join, "clock": store.clock}
    return Cache(namespace="desk", l1=kind != "L2", **arguments)


@pytest.fixture(params=["alone", "L1 and L2", "L2"])
async def desk(request):
    async with cache_of(request.param) as cache:
        yield Desk(cache)


@pytest.mark.row("S2.50", "S4.52")
async def test_a_value_is_dropped_with_what_it_was_made_of(desk):
    """
    Whether the inner value was loaded, waited for or found; and however many levels there are between.
    """

    @desk.cache.cached(key="page", ttl="1h")
    async def page(number: int) -> int:
        desk.count("outer")
        return await desk.task(number)

    @desk.cache.cached(key="book", ttl="1h")
    async def book() -> list[int]:
        desk.count("book")
        return [await page(1), await page(2)]

    assert await desk.drops(lambda: page(1), "task:1")
    await desk.task(1)
    await page.invalidate(1)
    assert await desk.drops(lambda: page(1), "task:1")
    assert not await desk.drops(lambda: page(1), "task:2")

    await book()
    for number, loads in ((1, 2), (2, 3), (3, 3)):
        await desk.cache.invalidate_tags(f"task:{number}")
        await book()
        assert desk.loads["book"] == loads


@pytest.mark.row("S2.50")
@pytest.mark.parametrize("how", ["gather", "task", "peek", "get", "refresh", "many", "thread", "sync", "direct"])
async def test_every_way_to_read_counts(desk, how):
    """
    Concurrent reads, tasks and threads that a load starts, direct calls, and functions that are not asynchronous.
    """
    cache, inner = desk.cache, desk.task

    @cache.cached(key="plain", tags=["task:{number}"], ttl="1h")
    def plain(number: int) -> int:
        return number

    async def load_many(numbers):
        return {number: await inner(number) for number in numbers}

    async def in_a_task():
        return await asyncio.create_task(inner(1))

    async def peeked():
        assert await inner(1) == 1
        assert await inner.peek(1) == 1

    ways = {
        "gather": lambda: asyncio.gather(inner(1), inner(2)),
        "task": in_a_task,
        "peek": lambda: inner.peek(1),
        "get": lambda: cache.get("here"),
        "refresh": lambda: inner.refresh(1),
        "many": lambda: cache.get_many_or_load("numbers", [1, 2], load_many),
        "thread": lambda: asyncio.to_thread(plain, 1),
        "direct": lambda: cache.get_or_load("there", lambda: inner(1)),
    }

    async def prepared():
        if how == "peek":
            await inner(1)
        if how == "get":
            await cache.set("here", 1, tags=["task:1"])

    @cache.cached(key="outer", ttl="1h")
    async def outer() -> int:
        desk.count("outer")
        assert await ways[how]() is not MISSING
        return 1

    @cache.cached(key="sync", ttl="1h")
    def outer_plain() -> int:
        desk.count("outer")
        return plain(1)

    async def read():
        await prepared()
        await (asyncio.to_thread(outer_plain) if how == "sync" else outer())

    assert await desk.drops(read, "task:1")


@pytest.mark.row("S2.50")
async def test_a_batch_is_made_of_what_its_one_load_has_read(desk):
    """
    Nobody can tell which of the values came from what: each of them carries all of it.
    """

    async def load_many(numbers):
        desk.count("outer")
        return {number: await desk.task(1) for number in numbers}

    assert await desk.drops(lambda: desk.cache.get_many_or_load("numbers", [1, 2], load_many), "task:1")


@pytest.mark.row("S2.50")
async def test_errors_and_absent_values_depend_on_what_was_read(desk):
    """
    "Nothing found" is an answer of what was read, too; also for who catches the error of another function.
    """

    @desk.cache.cached(key="absent", ttl="1h", negative_ttl={None: "1h", LookupError: "1h"})
    async def absent(raises: bool) -> int | None:
        desk.count("outer")
        await desk.task(1)
        if raises:
            raise LookupError
        return None

    @desk.cache.cached(key="failing", ttl="1h")
    async def failing() -> int:
        await desk.task(1)
        raise ValueError

    @desk.cache.cached(key="catching", ttl="1h")
    async def catching() -> int:
        desk.count("outer")
        with suppress(ValueError):
            await failing()
        return 0

    async def raising():
        with pytest.raises(LookupError):
            await absent(raises=True)

    for read in (lambda: absent(raises=False), raising, catching):
        assert await desk.drops(read, "task:1")
        assert not await desk.drops(read, "task:2")


@pytest.mark.row("S2.50")
async def test_a_value_that_still_holds_depends_on_both_reads(desk):
    """
    `not_modified()` keeps the old value: it was made of what was read then, and found good by what is read now.
    """

    @desk.cache.cached(key="kept", ttl="1h", fail_safe="1h")
    async def kept() -> int:
        desk.count("outer")
        again = current().stale is not MISSING
        value = await desk.task(2 if again else 1)
        if again:
            current().not_modified()
        return value

    for number in (1, 2):
        assert await kept() == 1
        await kept.expire()
        assert await kept() == 1
        assert await desk.drops(kept, f"task:{number}")


@pytest.mark.row("S2.50")
async def test_what_was_read_before_a_cancelled_load_is_forgotten_with_it(desk):
    """
    A load that is ended leaves no recorder open, and nothing is noted of what its leftovers read.
    """
    started, hold = asyncio.Event(), asyncio.Event()

    @desk.cache.cached(key="endless", ttl="1h", hard_timeout="1h")
    async def endless() -> int:
        await desk.task(1)
        started.set()
        await hold.wait()
        return 1

    reading = asyncio.create_task(endless())
    await started.wait()
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    l1 = desk.cache.engine.l1
    assert l1.passing != l1.counter  # the load goes on, and still listens
    hold.set()
    await endless()
    assert l1.passing == l1.counter


async def test_a_task_that_outlives_its_load_is_not_part_of_it(desk):
    """
    What it reads later belongs to nothing, and costs nothing.
    """
    go, done = asyncio.Event(), asyncio.Event()
    seen = []

    async def later():
        await go.wait()
        seen.append(current_recorder(desk.cache.engine))
        await desk.task(1)
        done.set()

    @desk.cache.cached(key="starts", ttl="1h")
    async def starts() -> int:
        desk.count("outer")
        seen.append(asyncio.create_task(later()))
        return 1

    await starts()
    go.set()
    await done.wait()
    assert seen[1] is None
    assert not await desk.drops(starts, "task:1")


@pytest.mark.row("S2.50")
async def test_recorders_nest_and_listen_to_one_cache_each(desk):
    """
    What is read in the inner block belongs to the outer one, too; what another cache's values depend on is its own.
    """
    async with Cache(namespace="other") as other:
        there = Desk(other)
        engine, elsewhere = desk.cache.engine, other.engine
        with engine.recording() as outer:
            with elsewhere.recording() as theirs:
                with engine.recording() as inner:
                    await desk.task(1)
                    await there.task(2)
                    note(engine, ["named"])
                note(engine, ["after"])
            assert current_recorder(elsewhere) is None
        await desk.task(3)
        ids = {name: engine.tag_id(name) for name in ("task:1", "named", "after")}
        assert inner.tags == {ids["task:1"], ids["named"]}
        assert outer.tags == set(ids.values())
        assert theirs.tags == {elsewhere.tag_id("task:2")}
        note(engine, ["nobody listens"])


@pytest.mark.row("S2.50")
async def test_a_switched_off_cache_still_tells_what_is_read():
    """
    Who builds something of it elsewhere (a response, for a cache in front) depends on the same.
    """
    async with Cache(namespace="off") as cache:
        cache.engine.enabled = False

        @cache.cached(key="off", tags=["declared"])
        async def off() -> int:
            current().tags("late")
            return 1

        with cache.engine.recording() as recorder:
            assert await off() == 1
            assert await off.refresh() == 1
        assert recorder.tags == {cache.engine.tag_id("declared"), cache.engine.tag_id("late")}


@pytest.mark.row("S2.50")
@pytest.mark.parametrize("kind", ["alone", "L1 and L2"])
async def test_what_is_made_of_a_stale_value_is_stale_itself(kind):
    """
    Otherwise an old value would live on in a new one for a whole ttl. Where the function has no room for stale values,
    it is served and not stored.
    """
    version, loads = 0, {"strict": 0, "far": 0, "batch": 0, "lenient": 0}
    async with cache_of(kind) as cache:

        @cache.cached(key="rates", ttl="1h", fail_safe="1d", tags=["rates"])
        async def rates() -> int:
            if version == 1:
                raise ValueError
            return version

        @cache.cached(key="strict", ttl="1h")
        async def strict() -> int:
            loads["strict"] += 1
            return await rates()

        @cache.cached(key="between", ttl="1h")
        async def between() -> int:
            return await rates()

        @cache.cached(key="far", ttl="1h")
        async def far() -> int:
            loads["far"] += 1
            return await between()

        async def load_many(numbers: list[int]) -> dict[int, int]:
            loads["batch"] += 1
            return {number: await rates() for number in numbers}

        @cache.cached(key="lenient", ttl="1h", stale_for="1d")
        async def lenient() -> int:
            loads["lenient"] += 1
            return await rates()

        await rates()
        await cache.expire_tags("rates")
        version = 1
        assert [await strict(), await strict(), await lenient()] == [0, 0, 0]
        assert [await far(), await far()] == [0, 0]
        assert [await cache.get_many_or_load("batch", [1], load_many) for _ in range(2)] == [{1: 0}] * 2
        assert loads == {"strict": 2, "far": 2, "batch": 2, "lenient": 1}
        assert await lenient() == 0
        while loads["lenient"] < 2:  # a stale value is loaded anew behind its answer
            await asyncio.sleep(0)
        version = 2
        assert await rates.refresh() == 2
        assert [await strict(), await strict(), await far(), await far()] == [2] * 4
        assert (loads["strict"], loads["far"]) == (3, 3)
        while await lenient() == 0:
            await asyncio.sleep(0)


async def test_hits_in_other_threads_and_tasks_stay_short_and_stay_hits(desk):
    """
    While somebody records, every hit looks once whether it is meant; those that aren't answer as before.
    """
    cache = desk.cache

    @cache.cached(key="plain hit", tags=["plain"], ttl="1h")
    def plain() -> int:
        return 1

    await asyncio.to_thread(plain)
    before = cache.statistics()["functions"]["plain hit"]
    with cache.engine.recording() as recorder:
        threads = [threading.Thread(target=plain) for _ in range(4)]
        for thread in threads:
            thread.start()
        await asyncio.gather(*[asyncio.to_thread(thread.join) for thread in threads])
    after = cache.statistics()["functions"]["plain hit"]
    answered = sum(after[name] - before[name] for name in ("hits", "l2_hits"))
    assert answered == 4
    assert recorder.tags == set()
