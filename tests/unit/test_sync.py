"""`SyncCache`: the same words, from threads."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from evercache import MISSING, Cache, Confirmation, SyncCache
from evercache.engine.threads import in_thread
from evercache.errors import ConfigurationError, NotStarted


@pytest.fixture
def cache():
    with SyncCache(namespace="sync") as cache:
        yield cache


def test_the_words_of_a_cache_wait_for_their_results(cache):
    """get, set, delete, tags, patterns: no await anywhere."""
    assert cache.get("key") is MISSING
    assert cache.get("key", default=0) == 0
    assert cache.set("key", None, ttl="1m", tags=["tag"]) is Confirmation.CONFIRMED
    assert cache.get("key") is None
    assert cache.invalidate_tags("tag") is Confirmation.CONFIRMED
    assert cache.get("key") is MISSING
    assert cache.get_or_load("key", lambda: 1) == cache.get_or_load("key", lambda: 2) == 1
    assert cache.get_many_or_load("n", [1, 2], lambda ids: {id: -id for id in ids}) == {1: -1, 2: -2}
    assert cache.get(("n", 1)) == -1
    for drop in (
        lambda: cache.delete("key"), lambda: cache.invalidate_prefix("ke"), lambda: cache.invalidate_pattern("k*"),
        cache.invalidate_all,
    ):  # fmt: skip
        cache.set("key", 1)
        assert drop() is Confirmation.CONFIRMED
        assert cache.get("key") is MISSING
    assert cache.health().status == "memory"
    assert cache.statistics()["functions"]


def test_cached_functions_wait_too(cache):
    """What a function can do beside being called is no coroutine here."""
    runs = []

    @cache.cached(key="square", ttl="1h")
    def square(x: int) -> int:
        runs.append(x)
        return x * x

    assert square(3) == square(x=3) == square.peek(3) == 9
    assert square.why(3).state == "hit"
    assert square.invalidate(3) is Confirmation.CONFIRMED
    assert square.peek(3) is MISSING
    assert square.refresh(3) == 9
    assert square.put(0, 3) is Confirmation.CONFIRMED
    assert square(3) == 0
    assert square.expire(3) is Confirmation.CONFIRMED
    assert square.key(3) == square.key(x=3)
    assert runs == [3, 3]


def test_cached_methods_wait_too(cache):
    """Bound or not."""

    class Service:
        def __cache_key__(self):
            return "a"

        @cache.cached(key="service")
        def find(self, x: int) -> int:
            return x

    service = Service()
    assert service.find(1) == service.find.peek(1) == 1
    assert service.find.invalidate(1) is Confirmation.CONFIRMED
    assert Service.find.peek(service, 1) is MISSING


def test_many_threads_share_one_load(cache):
    """Safe from many threads, and as frugal as the asynchronous one."""
    runs = []
    together = threading.Barrier(20)

    @cache.cached(key="once")
    def load(x: int) -> int:
        runs.append(x)
        return x

    def call(_):
        together.wait()
        return load(1)

    with ThreadPoolExecutor(20) as threads:
        assert list(threads.map(call, range(20))) == [1] * 20
    assert runs == [1]


def test_cached_functions_that_call_each_other_never_wait_for_a_thread(cache):
    """Forty outer loads at once, each waiting for an inner one: a pool with fewer threads would stand still."""
    together = threading.Barrier(40)

    @cache.cached(key="inner")
    def inner(x: int) -> int:
        return x

    @cache.cached(key="outer")
    def outer(x: int) -> int:
        together.wait(60)
        return inner(x)

    with ThreadPoolExecutor(40) as threads:
        assert list(threads.map(outer, range(40))) == list(range(40))


def test_an_error_of_the_function_is_the_callers(cache):
    """And nothing is kept of it, not even of the one that loops use for themselves."""

    @cache.cached(key="failing")
    def fail(error: str) -> None:
        raise {"lookup": LookupError("away"), "stop": StopIteration(1)}[error]

    with pytest.raises(LookupError, match="away"):
        fail("lookup")
    with pytest.raises(RuntimeError, match="StopIteration"):
        fail("stop")


def test_before_and_after_its_life_it_says_so():
    """Functions work on memory at any time; the direct calls want a start."""
    cache = SyncCache(namespace="life")
    with pytest.raises(NotStarted, match=r"cache.start\(\)"):
        cache.get("key")
    cache.start()
    cache.start()
    cache.set("key", 1)
    cache.stop()
    cache.stop()
    with pytest.raises(NotStarted):
        cache.get("key")


def test_coroutine_functions_belong_to_the_other_cache(cache):
    """A sentence instead of a coroutine that nobody awaits."""
    with pytest.raises(ConfigurationError, match="is a coroutine function; cache it with a Cache"):

        @cache.cached()
        async def find():
            return 1


async def test_a_thread_that_ends_after_its_wait_disturbs_nobody():
    """Its caller has gone; what it returns is dropped."""

    go, done = threading.Event(), threading.Event()

    def slow():
        go.wait(60)
        done.set()
        return 1

    waiting = asyncio.ensure_future(in_thread(slow))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()
    while not done.is_set():
        await asyncio.sleep(0)
    assert await in_thread(lambda: 2) == 2


async def test_a_plain_function_of_an_async_cache_waits_from_threads():
    """The handles are the asynchronous ones there."""
    async with Cache(namespace="plain") as cache:

        @cache.cached(key="plain")
        def square(x: int) -> int:
            return x * x

        assert await in_thread(square, 3) == 9
        assert await square.peek(3) == 9
