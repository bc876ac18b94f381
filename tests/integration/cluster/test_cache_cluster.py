"""A whole cache on a Cluster: its answers while all is well, and while a primary is dead."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.ears import until
from tests.support.outage import Origin, opened_cache

NUMBERS = range(100)


@pytest.mark.row("S4.70")
async def test_two_processes_share_entries_of_every_partition_and_lose_them_together(redis_cluster, redis_namespace):
    """A hundred keys over all partitions are loaded once; one tag drops all of them, for both processes."""
    origin = Origin()
    async with (
        opened_cache(redis_cluster.url, redis_namespace) as (one, _),
        opened_cache(redis_cluster.url, redis_namespace) as (two, _),
    ):
        here, there = origin.cached(one), origin.cached(two, l1=False)
        await asyncio.gather(*[here(number) for number in NUMBERS])
        await asyncio.gather(*[there(number) for number in NUMBERS])
        assert origin.loads.total() == len(NUMBERS)
        origin.versions.update(NUMBERS)
        await one.invalidate_tags("rows", wait="everyone")
        for read in (here, there):
            rows = await asyncio.gather(*[read(number) for number in NUMBERS])
            assert {row["version"] for row in rows} == {1}
        assert origin.loads.total() == 2 * len(NUMBERS)


@pytest.mark.expects_logs
@pytest.mark.row("S4.70", "FT7", "S2.21")
async def test_a_dead_primary_is_nobodys_error(redis_cluster, redis_namespace):
    """Every call is answered, from the other partitions or from the source, and the cache becomes whole by itself."""
    origin = Origin()
    async with opened_cache(redis_cluster.url, redis_namespace) as (cache, _):
        row = origin.cached(cache)
        await asyncio.gather(*[row(number) for number in NUMBERS])
        victim = redis_cluster.primary_of(f"{{{redis_namespace}.0}}")
        await asyncio.to_thread(redis_cluster.kill, victim)
        await until(lambda: cache.health().status == "degraded")
        rows = await asyncio.gather(*[row(number) for number in NUMBERS])
        assert [row["number"] for row in rows] == list(NUMBERS)
        await until(lambda: cache.health().status == "healthy", seconds=90)
        for _ in range(100):
            before = origin.loads.total()
            await asyncio.gather(*[row(number) for number in NUMBERS])
            if origin.loads.total() == before:
                return
        pytest.fail("the cache is healthy, and keys are still loaded at every call")
