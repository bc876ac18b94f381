"""The laws of a cache, over memory alone, over two caches that share a memory store, and over Redis."""

from __future__ import annotations

import pytest

from evercache import Cache
from evercache.engine.clock import SystemClock
from evercache.stores.local import MemoryStore
from tests.support.cache_laws import CacheLaws, Pair
from tests.support.outage import cache_on, trusted


class TestAlone(CacheLaws):
    @pytest.fixture
    async def pair(self):
        async with Cache(environ={}) as cache:
            yield Pair(cache, cache, {})


class TestOverMemory(CacheLaws):
    @pytest.fixture
    async def pair(self):
        store = MemoryStore(SystemClock(), partitions=4)
        async with Cache(store=store.join, environ={}) as one, Cache(store=store.join, environ={}) as two:
            yield Pair(one, two, {"l1": False})


class TestOverRedis(CacheLaws):
    @pytest.fixture
    async def pair(self, redis_url, redis_namespace):
        one, two = (cache_on(redis_url, redis_namespace, delta=0.25) for _ in range(2))
        async with one, two:
            await trusted(one)
            await trusted(two)
            yield Pair(one, two, {"l1": False})
