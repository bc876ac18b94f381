"""`max_loads`: how many loaders run at once, whatever happens to the cache in front of them."""

from __future__ import annotations

import asyncio

import pytest

from evercache import Cache
from evercache.errors import ConfigurationError
from tests.support.ears import until
from tests.support.outage import Origin, many


@pytest.mark.row("FT10")
async def test_no_more_loads_at_once_than_the_source_can_bear():
    """
    A thousand readers of a hundred cold keys: each key is loaded once, never more than seven at the same time.
    """
    origin = Origin()
    async with Cache(environ={}, max_loads=7) as cache:
        row = origin.cached(cache)
        assert {type(answer) for answer in await many(row, 1_000, of=100)} == {dict}
    assert set(origin.loads.values()) == {1}
    assert origin.most == 7


@pytest.mark.row("FT10")
async def test_loaders_that_use_the_cache_dont_wait_for_each_other_for_ever():
    """
    With one turn for everybody, a loader that reads another cached function, twice at once, lends its own meanwhile.
    """
    origin = Origin()
    async with Cache(environ={}, max_loads=1) as cache:
        row = origin.cached(cache)

        @cache.cached(key="pair")
        async def pair(number: int) -> list[dict[str, int]]:
            return list(await asyncio.gather(row(number), row(number + 1)))

        @cache.cached(key="square")
        async def square(number: int) -> list[list[dict[str, int]]]:
            return [await pair(number), await pair(number + 10)]

        answers = await asyncio.gather(*map(square, range(20)))
        assert [len(answer) for answer in answers] == [2] * 20
    assert set(origin.loads.values()) == {1}
    assert origin.most == 1


@pytest.mark.row("FT10")
async def test_a_batch_takes_one_turn():
    """
    `get_many_or_load` under a limit is still one call of the batch loader.
    """
    asked = []

    async def load_many(numbers: list[int]) -> dict[int, int]:
        asked.append(sorted(numbers))
        return {number: number * 2 for number in numbers}

    async with Cache(environ={}, max_loads=1) as cache:
        answers = await cache.get_many_or_load("double", range(50), load_many)
    assert answers == {number: number * 2 for number in range(50)}
    assert asked == [list(range(50))]


@pytest.mark.row("FT10", "FT14")
async def test_turns_are_given_back_by_whoever_fails_or_leaves():
    """
    Loaders that raise, callers that are cancelled while they wait in line: afterwards all turns are there again.
    """
    origin = Origin()
    async with Cache(environ={}, max_loads=2) as cache:
        row = origin.cached(cache)
        origin.failing = True
        assert {type(answer) for answer in await many(row, 20, of=20)} == {ConnectionError}
        origin.failing, origin.gate = False, asyncio.Event()
        readers = [asyncio.ensure_future(row(number)) for number in range(20)]
        await until(lambda: origin.running == 2)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        origin.gate.set()
        origin.gate, origin.most = None, 0
        await many(row, 50, of=50)
        assert origin.most == 2


def test_a_limit_of_nothing_is_refused():
    """
    0 would let nothing load for ever.
    """
    with pytest.raises(ConfigurationError, match="max_loads"):
        Cache(environ={}, max_loads=0)
