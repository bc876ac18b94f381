"""What a loader may say about its own value, `when`, and what is cached of "nothing"."""

from __future__ import annotations

import asyncio

import pytest

from evercache import MISSING, Cache, current
from evercache.errors import NotStarted
from tests.support.source import Source, alone, pair_over_memory


@pytest.fixture(params=["alone", "shared"])
async def cache(request, manual_clock):
    if request.param == "alone":
        yield alone(manual_clock, jitter=0.0)
        return
    async with pair_over_memory(manual_clock, jitter=0.0) as (one, _):
        yield one


async def test_outside_of_a_loader_there_is_no_context():
    """
    current() is an error there, not a silent no-op.
    """
    with pytest.raises(NotStarted):
        current()


@pytest.mark.row("S1.11", "S2.27")
async def test_a_loader_sets_its_own_ttl(cache, manual_clock):
    """
    current().ttl holds for this value alone.
    """
    loads = []

    @cache.cached(ttl=100)
    async def number(n: int) -> int:
        loads.append(n)
        current().ttl = n
        return n

    await number(10)
    await number(20)
    manual_clock.advance(10)
    await number(10)
    await number(20)
    assert loads == [10, 20, 10]


@pytest.mark.row("S2.6")
async def test_tags_that_are_known_after_the_load_invalidate_too(cache):
    """
    A tag added inside the loader drops the value, and only that.
    """
    loads = []

    @cache.cached
    async def post(n: int) -> str:
        loads.append(n)
        current().tags(f"author:{n % 2}")
        return f"post {n}"

    await post(1)
    await post(2)
    assert await cache.invalidate_tags("author:1")
    await post(1)
    await post(2)
    assert loads == [1, 2, 1]


async def test_skip_serves_and_stores_nothing(cache):
    """
    After skip() the next call loads again.
    """
    loads = []

    @cache.cached
    async def draft() -> str:
        loads.append(1)
        current().skip()
        return "draft"

    assert await draft() == await draft() == "draft"
    assert len(loads) == 2


async def test_when_decides_by_the_value(cache):
    """
    Only what `when` says yes to is stored.
    """
    loads = []

    @cache.cached(when=lambda answer: answer["complete"])
    async def answer(*, complete: bool) -> dict[str, bool]:
        loads.append(complete)
        return {"complete": complete}

    for complete in (True, False, True, False):
        await answer(complete=complete)
    assert loads == [True, False, False]


@pytest.mark.row("G26")
async def test_a_loader_may_say_that_the_old_value_still_holds(cache, manual_clock):
    """
    not_modified() keeps value and tags, with a new ttl; the loader's copy of the old value is its own.
    """
    loads = []

    @cache.cached(ttl=60, fail_safe=600)
    async def page() -> dict[str, int]:
        loads.append(current().stale)
        if current().stale is not MISSING:
            current().stale["read"] = 99
            current().not_modified()
            return {}
        current().tags("page")
        return {"read": 0}

    assert await page() == {"read": 0}
    manual_clock.advance(61)
    assert await page() == {"read": 0}
    manual_clock.advance(59)
    assert await page() == {"read": 0}
    assert len(loads) == 2
    await cache.invalidate_tags("page")
    assert await page() == {"read": 0}
    assert loads[2] is MISSING


@pytest.mark.row("G26")
async def test_a_background_refresh_may_keep_the_old_value_too(cache, manual_clock):
    """
    Behind a stale answer, the loader is given what it would replace, and its tags stay.
    """
    loads = []

    @cache.cached(ttl=60, stale_for=600)
    async def page() -> str:
        loads.append(current().stale)
        if current().stale is not MISSING:
            current().not_modified()
            return ""
        current().tags("page")
        return "page"

    await page()
    manual_clock.advance(61)
    assert await page() == "page"
    await manual_clock.tick(0.0)
    manual_clock.advance(30)
    assert await page() == "page"
    assert loads == [MISSING, "page"]
    await cache.invalidate_tags("page")
    assert await page() == "page"
    assert loads == [MISSING, "page", MISSING]


async def test_not_modified_without_a_value_is_an_error(cache):
    """
    There must be something to keep.
    """

    @cache.cached
    async def page() -> str:
        current().not_modified()
        return ""

    with pytest.raises(NotStarted):
        await page()


@pytest.mark.row("W40", "W19")
async def test_none_may_live_shorter(cache, manual_clock):
    """
    negative_ttl as a duration is the life of None.
    """
    answers, loads = {1: "one"}, []

    @cache.cached(ttl=600, negative_ttl=10)
    async def find(n: int) -> str | None:
        loads.append(n)
        return answers.get(n)

    assert [await find(1), await find(2), await find(2)] == ["one", None, None]
    manual_clock.advance(10)
    answers[2] = "two"
    assert [await find(1), await find(2)] == ["one", "two"]
    assert loads == [1, 2, 2]


@pytest.mark.row("W40", "FT11")
async def test_exceptions_are_cached_where_they_are_named(cache, manual_clock):
    """
    The nearest named class decides; an exception of no named class is never cached.
    """
    loads = []

    @cache.cached(ttl=600, negative_ttl={LookupError: 30, KeyError: 10})
    async def find(kind: str) -> str:
        loads.append(kind)
        raise {"key": KeyError, "index": IndexError, "value": ValueError}[kind](kind)

    async def ask():
        loads.clear()
        for kind, error in (("key", KeyError), ("index", LookupError), ("value", ValueError)):
            with pytest.raises(error):
                await find(kind)
        return list(loads)

    assert await ask() == ["key", "index", "value"]
    assert await ask() == ["value"]
    manual_clock.advance(10)
    assert await ask() == ["key", "value"]
    manual_clock.advance(20)
    assert await ask() == ["key", "index", "value"]


async def test_a_cached_error_is_no_spare(cache, manual_clock):
    """
    When a cached exception is over, the source is asked; it never covers for a new one.
    """
    source = Source()
    thing = source.on(cache, ttl=600, fail_safe=600, negative_ttl={KeyError: 10})
    source.failing = KeyError("gone")
    for _ in range(2):
        with pytest.raises(KeyError):
            await thing()
    assert source.loads == 1
    manual_clock.advance(11)
    source.failing = OSError("away")
    with pytest.raises(OSError, match="away"):
        await thing()
    source.failing = None
    assert (await thing())["version"] == 0


@pytest.mark.row("S2.98")
async def test_with_the_cache_switched_off_everything_is_a_load(manual_clock):
    """
    CACHE_ENABLED=false: no read answers, nothing is stored, `current()` is known all the same.
    """
    cache = Cache(clock=manual_clock, environ={"CACHE_ENABLED": "false"})
    loads = []

    @cache.cached(negative_ttl={KeyError: 10})
    async def page(n: int) -> int:
        current().tags("page")
        loads.append(n)
        return n

    assert [await page(1), await page(1), await page.refresh(1)] == [1, 1, 1]
    await page.put(7, 1)
    assert await page.peek(1) is MISSING
    await cache.set("k", 1)
    assert await cache.get("k") is MISSING
    assert str(await page.why(1)) == "miss: disabled"
    assert len(loads) == 3
    assert await cache.get_many_or_load("n", [1, 2], lambda ids: asyncio.sleep(0, dict.fromkeys(ids, 0))) == {
        1: 0,
        2: 0,
    }
    with pytest.raises(NotStarted):
        current()
