"""The laws of a cache, over a Cluster of three primaries and three replicas: sixteen partitions."""

from __future__ import annotations

import pytest

from tests.support.cache_laws import CacheLaws, Pair
from tests.support.outage import cache_on, trusted


class TestOverCluster(CacheLaws):
    @pytest.fixture
    async def pair(self, redis_cluster, redis_namespace):
        one, two = (cache_on(redis_cluster.url, redis_namespace, delta=0.5) for _ in range(2))
        async with one, two:
            await trusted(one)
            await trusted(two)
            yield Pair(one, two, {"l1": False})
