"""The election and the warming of a fleet on a Cluster, where the lease lives on one primary of several."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from evercache.warming import Budget, Plan, Warmer
from tests.support.ears import until
from tests.support.outage import Origin, opened_cache

NUMBERS = range(40)


@pytest.mark.expects_logs
@pytest.mark.row("W17", "S4.70")
async def test_one_of_a_fleet_works_also_after_the_primary_with_the_lease_has_died(redis_cluster, redis_namespace):
    """
    Keys of every partition are kept warm by one process; the lease's primary dies, a replica takes over, one works again.
    """
    async with AsyncExitStack() as stack:
        caches, warmers, origins = [], [], []
        for _ in range(2):
            cache, _events = await stack.enter_async_context(opened_cache(redis_cluster.url, redis_namespace))
            caches.append(cache)
            origin = Origin()
            plan = Plan("rows").add(origin.cached(cache, ttl="1h", l1=False), NUMBERS)
            warmer = Warmer(cache, plan, lease=2.0, rescan=1.0, budget=Budget(concurrent=8))
            warmers.append(await stack.enter_async_context(warmer))
            origins.append(origin)

        def loads():
            return [origin.loads.total() for origin in origins]

        await until(lambda: sorted(loads()) == [0, len(NUMBERS)])
        assert sum(warmer.elected for warmer in warmers) == 1
        engine = warmers[0]._engine
        partition = engine.partition_of(b"!elected:rows")
        redis_cluster.kill(redis_cluster.primary_of(f"{{{redis_namespace}.{partition}}}"))
        await until(lambda: caches[0].health().status == "degraded")

        def all_is_well():
            working = [warmer for warmer in warmers if warmer.elected]
            well = all(cache.health().status == "healthy" for cache in caches)
            return well and len(working) == 1 and working[0].status()["warm"] == len(NUMBERS)

        await until(all_is_well, seconds=90)
        assert (await warmers[0].run()).success
