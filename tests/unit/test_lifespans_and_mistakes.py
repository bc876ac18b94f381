"""Starting twice, ending once, and starts that fail."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

import pytest

from evercache import Cache, Personal, cached
from evercache.errors import ConfigurationError
from evercache.stores.local import MemoryStore
from tests.support.source import alone


@pytest.fixture
def cache(manual_clock) -> Cache:
    return Cache(store=MemoryStore(manual_clock).join, clock=manual_clock, environ={})


@pytest.mark.row("S1.4")
async def test_a_block_within_another_one_leaves_the_end_to_the_outer_one(cache):
    """A mounted application with the same lifespan, a test that opens what the application has opened."""
    async with cache:
        async with cache:
            assert cache.health().status == "healthy"
        assert cache.health().status == "healthy"
    assert cache.health().reason == "not started"


@pytest.mark.row("S1.4")
async def test_blocks_that_overlap_end_with_the_last_one(cache):
    """Two tasks, neither of which knows of the other."""
    first, second = cache.lifespan(object()), cache.lifespan(object())
    await first.__aenter__()
    await second.__aenter__()
    await first.__aexit__(None, None, None)
    assert cache.health().status == "healthy"
    await second.__aexit__(None, None, None)
    assert cache.health().reason == "not started"


@pytest.mark.row("S1.4")
async def test_a_start_that_is_refused_leaves_nothing_running(cache):
    """A function of the module-level cached() that this cache can't serve: an error, and no connection behind it."""

    @cached(key_prefix="refused:")
    async def secretly(name: Annotated[str, Personal]) -> str:
        return name

    before = asyncio.all_tasks()
    with pytest.raises(ConfigurationError, match="CACHE_SECRET"):
        async with cache:
            pytest.fail("it has started")
    assert cache.health().reason == "not started"
    assert asyncio.all_tasks() == before
    del secretly


@pytest.mark.row("S2.2")
@pytest.mark.parametrize("tags", ["users", [""], [5], [lambda: "users"]])
async def test_wrong_tags_of_a_direct_call_are_refused(manual_clock, tags):
    """A text would be taken for the list of its letters, and nothing would ever reach the entry."""

    async def load() -> int:
        return 1

    for call in (alone(manual_clock).get_or_load("key", load, tags=tags), alone(manual_clock).set("key", 1, tags=tags)):
        with pytest.raises(ConfigurationError, match="tags"):
            await call


@pytest.mark.row("S2.2")
async def test_mistakes_are_called_by_the_names_that_the_user_knows(manual_clock):
    """Not by those of generated code, and not by the method that was missing somewhere inside."""
    cache = alone(manual_clock)

    @cache.cached(key="profile")
    async def profile(user: int) -> int:
        return user

    with pytest.raises(TypeError, match=r"profile\(\)"):
        await profile.invalidate(1, 2)
    with pytest.raises(ConfigurationError, match="mapping"):
        await cache.get_many_or_load("user", [1], lambda ids: asyncio.sleep(0, ids))
    with pytest.raises(ConfigurationError, match="async with"):
        cache.using(None)


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda cache: cache.cached(tll=5), "cached.*did you mean ttl"),
        (lambda cache: cache.using(contextlib.nullcontext, tag=["a"]), "using.*did you mean tags"),
        (lambda cache: cache.named("users", negative_tll=5), "named.*did you mean negative_ttl"),
        (lambda cache: Cache(namspace="app", environ={}), "Cache.*did you mean namespace"),
    ],
)
def test_a_misspelled_option_says_which_one_was_meant(call, meant):
    """Wherever options are taken: at once, and in one sentence."""
    with pytest.raises(ConfigurationError, match=meant):
        call(Cache(environ={}))
