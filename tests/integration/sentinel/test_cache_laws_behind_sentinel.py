"""The laws of a cache, over a primary that three sentinels watch."""

from __future__ import annotations

import pytest

from tests.support.cache_laws import CacheLaws, Pair
from tests.support.outage import cache_on, trusted


class TestBehindSentinel(CacheLaws):
    @pytest.fixture
    async def pair(self, redis_sentinel, redis_namespace):
        one, two = (cache_on(redis_sentinel.url, redis_namespace, delta=0.5) for _ in range(2))
        async with one, two:
            await trusted(one)
            await trusted(two)
            yield Pair(one, two, {"l1": False})
