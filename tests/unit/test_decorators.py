"""`cache_response` and `cached` in front of a mocked source: what a hit does not do, and what a miss does."""

from __future__ import annotations

from unittest.mock import AsyncMock, Mock, call

import pytest

from evercache import Cache, cache_response, cached
from evercache.engine.threads import in_thread


@pytest.fixture
async def cache(manual_clock):
    """The application's cache."""
    async with Cache(namespace="decorators", clock=manual_clock, jitter=0) as cache:
        yield cache


def decorated(decorator, source):
    async def load(number: int, *, lang: str = "en"):
        return await source(number, lang)

    return decorator(load)


@pytest.mark.row("S0.35", "S0.36", "S0.22", "S0.23", "S0.24", "S1.29", "S2.30")
@pytest.mark.parametrize(
    "decorator", [cache_response(key="decorated", expire=60), cached(ttl=60), cached(60, "prefix:"), cache_response()]
)
async def test_a_miss_asks_the_source_and_a_hit_does_not(cache, manual_clock, decorator):
    """Asked once for each call until its time is over; None is an answer."""
    source = AsyncMock(side_effect=[{"a": 1}, None, {"a": 2}])
    load = decorated(decorator, source)
    assert [await load(1), await load(number=1, lang="en")] == [{"a": 1}, {"a": 1}]
    assert [await load(2), await load(2)] == [None, None]
    assert source.await_args_list == [call(1, "en"), call(2, "en")]
    await manual_clock.tick(301)
    assert await load(1) == {"a": 2}
    assert source.await_count == 3


@pytest.mark.row("S0.36", "S1.29")
async def test_an_error_of_the_source_is_no_answer(cache):
    """It reaches the caller as it is, and the next call asks again."""
    source = AsyncMock(side_effect=[LookupError("away"), 1])
    load = decorated(cache_response(key="failing", expire=60), source)
    with pytest.raises(LookupError, match="away"):
        await load(1)
    assert [await load(1), await load(1)] == [1, 1]
    assert source.await_count == 2


@pytest.mark.row("S0.36")
async def test_a_plain_source_is_asked_once_too(cache):
    """From the threads in which plain functions run."""
    source = Mock(return_value=7)

    @cache_response(key="plain_source", expire=60)
    def load(number: int) -> int:
        return source(number)

    assert [await in_thread(load, 1), await in_thread(load, 1), load(1)] == [7, 7, 7]
    source.assert_called_once_with(1)
