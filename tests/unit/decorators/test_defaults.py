"""`cached` and `cache_response` of the module: the literal calls, and whose cache they use."""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from typing import Annotated

import pytest

from evercache import MISSING, Cache, Personal, cache_response, cached
from evercache.decorators.defaults import DefaultCache
from evercache.errors import ConfigurationError, NotStarted
from evercache.stores.local import MemoryStore


def names(function):
    """The parameters of *function* with their defaults, as they are written."""
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}


@pytest.mark.row("S1.27", "S1.28", "S1.29", "S1.30", "S1.33", "S2.30")
async def test_cached_with_a_ttl_and_a_prefix():
    """`cached(ttl=3600, key_prefix="")`: prefix, function and arguments are the key; the answer is kept."""
    assert list(names(cached))[:2] == ["ttl", "key_prefix"]
    runs = []

    @cached(ttl=3600, key_prefix="profile:")
    async def profile(user_id: int, *, lang: str = "en") -> dict[str, object]:
        """Finds a profile."""
        runs.append(user_id)
        return {"id": user_id, "lang": lang}

    assert await profile(7) == await profile(user_id=7, lang="en") == {"id": 7, "lang": "en"}
    assert await profile(8, lang="de") == {"id": 8, "lang": "de"}
    assert runs == [7, 8]
    assert profile.key(7).startswith(f"profile:{__name__}.")
    assert (profile.__name__, profile.__doc__) == ("profile", "Finds a profile.")
    assert profile._cached.prepared().policy.ttl == 3600


@pytest.mark.row("S0.19", "S0.20", "S0.21", "S0.22", "S0.23", "S0.24", "S0.30", "S0.36")
async def test_cache_response_with_a_key_and_an_expiration(manual_clock):
    """`@cache_response(key="tasks_list", expire=300)`: executed on a miss, not on a hit, again after 300 s."""
    runs = []

    @cache_response(key="tasks_of_a_test", expire=300)
    async def list_tasks():
        runs.append(1)
        return [{"title": "write"}]

    async with Cache(clock=manual_clock, jitter=0, namespace="defaults"):
        assert await list_tasks.peek() is MISSING
        assert [await list_tasks() for _ in range(3)] == [[{"title": "write"}]] * 3
        assert len(runs) == 1
        manual_clock.advance(299)
        await list_tasks()
        assert len(runs) == 1
        manual_clock.advance(1)
        await list_tasks()
        assert len(runs) == 2
        assert list_tasks.key() == "tasks_of_a_test"


@pytest.mark.row("S0.19")
async def test_cache_response_caches_plain_functions_too():
    """For route handlers or data functions, and both may be plain."""
    runs = []

    @cache_response(key="plain_of_a_test", expire=300)
    def load(number: int):
        runs.append(number)
        return number

    async with Cache(namespace="defaults") as cache:
        assert [await asyncio.to_thread(load, 1), await asyncio.to_thread(load, 1), load(1)] == [1, 1, 1]
        assert cache.statistics()["functions"]["plain_of_a_test"]["fills"] == 1
    assert runs == [1]


async def test_functions_follow_the_cache_that_started_last():
    """Decorated before there is one, they move over to it; what stops leaves them on memory until the next one."""

    @cached(key_prefix="following:")
    async def find(x: int):
        return x

    assert await find(1) == 1
    name = f"following:{__name__}.{find.__qualname__}"
    async with Cache(namespace="one") as one:
        assert await find.peek(1) is MISSING
        assert await find(1) == 1
        assert one.statistics()["functions"][name]["fills"] == 1
        async with Cache(namespace="two") as two:
            assert await find(1) == 1
            assert two.statistics()["functions"][name]["fills"] == 1
        assert await find(1) == 1
    assert await find(1) == 1
    assert one.statistics()["functions"][name]["fills"] == 1


async def test_a_restart_of_the_same_cache_keeps_what_it_had():
    """Starting again is no move."""

    @cached(key_prefix="restarted:")
    async def find(x: int):
        return x

    cache = Cache(namespace="restart")
    async with cache:
        await find(1)
        site = find._cached.prepared()
    async with cache:
        assert find._cached.prepared() is site
        assert await find.peek(1) == 1


@pytest.mark.parametrize("ask", ["invalidate", "refresh", "peek", "why", "key"])
async def test_whatever_comes_first_finds_the_cache(ask):
    """Not only a call does."""

    @cached(key_prefix=f"{ask}:")
    async def find(x: int):
        return x

    asked = getattr(find, ask)(1)
    assert (await asked if inspect.isawaitable(asked) else asked) is not None


def test_without_any_cache_there_is_a_sentence():
    """Nobody made one, and nobody can."""
    with pytest.raises(NotStarted, match="no cache is known"):
        DefaultCache()._found()


def test_the_literal_names_refuse_what_cannot_be_meant():
    """Parentheses forgotten, one option twice, a generator."""
    with pytest.raises(ConfigurationError, match=r"write @cached\(\)"):
        cached(lambda: 1)
    with pytest.raises(ConfigurationError, match="the same option"):
        cache_response(key="x", expire=1, ttl=1)
    with pytest.raises(ConfigurationError, match="generator"):

        @cached()
        def produce():
            yield 1


async def test_a_function_that_cannot_move_stops_the_start(manual_clock):
    """The error is the start's, and nothing keeps running behind it."""

    async def find(email):
        return email

    find.__annotations__["email"] = Annotated[str, Personal]
    kept = cached(key_prefix="personal:")(find)
    cache = Cache(store=MemoryStore(manual_clock).join, clock=manual_clock)
    with pytest.raises(ConfigurationError, match="email is Personal"):
        await cache.start()
    gone = weakref.ref(kept)
    del kept
    gc.collect()
    assert gone() is None  # the tests that follow start caches too
