"""How many of an application's requests a cache over a real Redis answers, counted at the source."""

import pytest

from tests.support.outage import Origin, opened_cache
from tests.support.popular import zipf

REQUESTS = zipf(5_000, things=500)


@pytest.mark.row("S1.12", "S1.36")
@pytest.mark.parametrize("l1", [True, False])
async def test_more_than_four_of_five_requests_are_answered(redis_url, redis_namespace, l1):
    """With and without the process's own memory: each thing is loaded once, by whoever asks first.

    The entries live longer than the test, so the count depends on the workload alone.
    """
    origin = Origin()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        row = origin.cached(cache, ttl="1h", l1=l1)
        for number in REQUESTS:
            await row(number)
        counters = cache.statistics()["functions"]["row"]
    assert origin.loads.total() == len(set(REQUESTS))
    assert counters["hit_rate"] == 1 - len(set(REQUESTS)) / len(REQUESTS) > 0.8
    assert counters["hits" if l1 else "l2_hits"] == len(REQUESTS) - len(set(REQUESTS))


@pytest.mark.row("S1.12", "S1.36")
async def test_a_second_process_starts_warm(redis_url, redis_namespace):
    """What the first process has loaded answers every request of one that has just started."""
    origin = Origin()
    for _ in range(2):
        async with opened_cache(redis_url, redis_namespace) as (cache, _events):
            row = origin.cached(cache, ttl="1h")
            for number in REQUESTS:
                await row(number)
            counters = cache.statistics()["functions"]["row"]
    assert origin.loads.total() == len(set(REQUESTS))
    assert counters["hit_rate"] == 1.0
