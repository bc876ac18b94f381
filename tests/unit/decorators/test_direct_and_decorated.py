"""Where direct calls meet named caches, defaults and decorated functions."""

from __future__ import annotations

import itertools

import pytest

from evercache import Cache, cached
from evercache.errors import ConfigurationError
from tests.support.source import Source, alone, pair_over_memory


def counter():
    numbers = itertools.count()

    async def load() -> int:
        return next(numbers)

    return load


@pytest.mark.row("S2.1")
async def test_a_named_cache_that_is_made_anew_for_each_call_is_the_same_cache(manual_clock):
    """`cache.named("users").get_or_load(...)` inside of a request hits, and leaves nothing behind."""
    cache, load = alone(manual_clock), counter()
    seen = [await cache.named("users", ttl=60).get_or_load("key", load) for _ in range(5)]
    assert seen == [0] * 5
    assert len(cache.engine.sites) == 1


@pytest.mark.row("S3.1", "PR1")
async def test_the_tags_of_a_named_cache_are_those_of_its_direct_calls(manual_clock):
    """What is confirmed to be gone by that tag is gone."""
    cache, load = alone(manual_clock), counter()
    users = cache.named("users", tags=["users"])
    await users.get_or_load("a", load)
    await users.get_many_or_load("b", [1], lambda ids: answer(dict.fromkeys(ids, 5)))
    await users.set("c", 7)
    assert await cache.invalidate_tags("users")
    assert await users.get_or_load("a", load) == 1
    assert not await users.get(("b", 1))
    assert not await users.get("c")


async def answer(values):
    return values


@pytest.mark.row("S3.1")
async def test_a_direct_call_says_so_if_its_cache_has_tags_that_it_can_not_fill(manual_clock):
    """Rather than storing a value that no tag reaches. Its own tags take the place of those."""
    users = alone(manual_clock).named("users", tags=["user:{user_id}"])
    with pytest.raises(ConfigurationError, match="user_id"):
        await users.get_or_load("a", counter())
    assert await users.get_or_load("a", counter(), tags=["user:1"]) == 0
    assert await users.get("a") == 0


@pytest.mark.row("S3.1", "PR1")
async def test_the_tags_of_a_cache_are_those_of_functions_that_name_no_cache(manual_clock):
    """`@cached()` takes the options of the application's cache, its tags too."""
    numbers = itertools.count()

    @cached()
    async def number() -> int:
        return next(numbers)

    async with Cache(clock=manual_clock, environ={}, tags=["all"]) as cache:
        assert await number() == 0
        assert await cache.invalidate_tags("all")
        assert await number() == 1


@pytest.mark.row("S3.2", "PR1")
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("word", ["invalidate", "delete", "expire"])
async def test_a_direct_invalidation_by_the_key_of_a_decorated_function_reaches_it(manual_clock, shared, word):
    """`@cache.cached(key="thing")`, then `cache.invalidate("thing")`: with Redis and without."""
    source = Source()
    async with pair_over_memory(manual_clock) as (one, _):
        cache = one if shared else alone(manual_clock)
        thing = source.on(cache)
        for number in (1, 2):
            await thing(number)

        @cache.cached(key="all")
        async def everything() -> int:
            return source.version

        await everything()
        source.version = 1
        assert await getattr(cache, word)("all", ("thing", 1))
        assert await everything() == 1
        assert (await thing(1))["version"] == 1
        assert (await thing(2))["version"] == 0


@pytest.mark.row("S2.2")
@pytest.mark.parametrize("wrong", [{"ttl": 0}, {"ttl": -1}, {"jitter": 2}, {"early": "soon"}, {"tags": "users"}])
def test_wrong_options_are_refused_where_they_are_said(wrong):
    """Not at the first request: in `Cache(...)`, in `named(...)`."""
    with pytest.raises(ConfigurationError):
        Cache(environ={}, **wrong)
    with pytest.raises(ConfigurationError):
        Cache(environ={}).named("users", **wrong)
