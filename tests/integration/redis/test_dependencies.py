"""Values that are made of others, on a real Redis: they go together, and nothing old is kept by a process that lags."""

from __future__ import annotations

from typing import Any

import pytest

from evercache import Cache, Confirmation
from tests.support.ears import until
from tests.support.lagging import lagging
from tests.support.outage import opened_cache


class Rows:
    """A row with a version, a function that reads it, and one that is made of it."""

    def __init__(self) -> None:
        self.version = 0
        self.loads = 0

    def on(self, cache: Cache, **options: Any) -> tuple[Any, Any]:
        @cache.cached(key="inner", tags=["row:{number}"], ttl="1h")
        async def inner(number: int) -> int:
            return self.version

        @cache.cached(key="outer", ttl="1h", **options)
        async def outer(number: int) -> int:
            self.loads += 1
            return await inner(number)

        return inner, outer


@pytest.mark.row("S2.50", "S4.52")
async def test_a_value_goes_with_what_it_was_made_of_in_every_process(redis_url, redis_namespace):
    """
    Made by one process, found by another: the invalidation of a third drops it in all of them.
    """
    rows = Rows()
    async with (
        opened_cache(redis_url, redis_namespace) as (one, _),
        opened_cache(redis_url, redis_namespace) as (two, _),
        opened_cache(redis_url, redis_namespace) as (three, _),
    ):
        (_, first), (_, second) = rows.on(one), rows.on(two)
        assert [await first(1), await second(1), await second(2), rows.loads] == [0, 0, 0, 2]
        rows.version = 1
        assert await three.invalidate_tags("row:1", wait="everyone") is Confirmation.CONFIRMED
        assert [await second(1), await first(1), rows.loads] == [1, 1, 3]
        assert [await first(2), await second(2), rows.loads] == [0, 0, 3]


HOW = {
    "tag": lambda cache, inner: cache.invalidate_tags("row:1"),
    "soft tag": lambda cache, inner: cache.expire_tags("row:1"),
    "key": lambda cache, inner: inner.invalidate(1),
    "pattern": lambda cache, inner: cache.invalidate_pattern("*"),
    "namespace": lambda cache, inner: cache.invalidate_all(),
}


@pytest.mark.row("PR1", "PR2", "W40", "S2.50")
@pytest.mark.parametrize("declared", [False, True], ids=["late tag", "declared tag"])
@pytest.mark.parametrize("how", HOW)
async def test_what_a_lagging_process_builds_of_its_memory_is_not_stored(redis_url, redis_namespace, how, declared):
    """
    The load begins after the invalidation was confirmed, and reads a value from L1 that has not heard of it yet. The
    store would find nothing wrong from then on; what was heard before the load tells.
    """
    rows = Rows()
    options = {"tags": ["row:{number}"]} if declared else {}
    async with (
        opened_cache(redis_url, redis_namespace) as (one, _),
        lagging(redis_url, redis_namespace) as (two, store),
    ):
        (inner, first), (near, second) = rows.on(one, **options), rows.on(two, **options)
        assert await near(1) == 0
        store.hold()
        rows.version = 1
        assert await HOW[how](one, inner) is Confirmation.CONFIRMED
        await until(lambda: bool(store.kept))
        assert await second(1) == 0  # as old as L1 may be
        assert await first(1) == 1  # nothing of it has reached the store
        store.let_go()
        assert await second(1) == 1


@pytest.mark.row("PR1", "PR2", "S2.50")
@pytest.mark.parametrize("error", [False, True], ids=["value", "error"])
async def test_what_was_loaded_and_not_stored_is_as_old_for_who_builds_of_it(redis_url, redis_namespace, error):
    """
    The function in the middle reads the lagging memory, so that its value (or its error) isn't stored. Who made something
    of that in the same moment has read nothing from memory itself, and may not store it either.
    """
    version, loads = 0, 0

    def on(cache: Cache) -> Any:
        @cache.cached(key="inner", tags=["row"], ttl="1h")
        async def inner() -> int:
            return version

        @cache.cached(key="middle", ttl="1h")
        async def middle() -> int:
            value = await inner()
            if error:
                raise LookupError(value)
            return value

        @cache.cached(key="outer", ttl="1h")
        async def outer() -> int:
            nonlocal loads
            loads += 1
            try:
                return await middle()
            except LookupError as raised:
                return int(raised.args[0])

        return inner, outer

    async with (
        opened_cache(redis_url, redis_namespace) as (one, _),
        lagging(redis_url, redis_namespace) as (two, store),
    ):
        (_, first), (near, second) = on(one), on(two)
        await near()
        store.hold()
        version = 1
        await one.invalidate_tags("row")
        await until(lambda: bool(store.kept))
        assert [await second(), await second(), loads] == [0, 0, 2]
        assert await first() == 1
        store.let_go()
        assert await second() == 1


@pytest.mark.row("S2.50")
async def test_a_process_that_has_heard_of_everything_stores_what_it_builds_of_its_memory(redis_url, redis_namespace):
    """
    The care costs no hit: what was made of L1's values is found by everybody.
    """
    rows = Rows()
    async with (
        opened_cache(redis_url, redis_namespace) as (one, _),
        opened_cache(redis_url, redis_namespace) as (two, _),
    ):
        (inner, first), (_, second) = rows.on(one), rows.on(two)
        await two.invalidate_tags(*[f"row:{number}" for number in range(20)], wait="everyone")
        for number in range(20):
            await inner(number)
            await first(number)
        assert [await second(number) for number in range(20)] == [0] * 20
        assert rows.loads == 20


@pytest.mark.row("S2.50")
@pytest.mark.expects_logs
async def test_more_tags_than_an_entry_can_have_are_served_and_said_once(redis_url, redis_namespace, caplog):
    """
    No tag is ever dropped instead.
    """
    rows = Rows()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        inner, _ = rows.on(cache)

        @cache.cached(key="listing", ttl="1h")
        async def listing(count: int) -> list[int]:
            rows.loads += 1
            return [await inner(number) for number in range(count)]

        for count, loads in ((255, 1), (256, 2)):
            rows.loads = 0
            assert [await listing(count), await listing(count)] == [[0] * count] * 2
            assert rows.loads == loads
    assert len([record for record in caplog.records if "it has 256 tags" in record.message]) == 1
