"""How many of an application's requests the cache answers: counted on a clock in our hand, so the figure never varies.

The workload: half an hour of requests, ten a second, over 1,000 things whose popularity falls as 1/rank (Zipf; Breslau et
al. 1999 found exponents of 0.64 to 0.83 on the web, Cao et al. 2020 about 1 in key-value stores), and one change a
minute. A hit is a request for which the source was not asked.
"""

from collections import Counter

import pytest

from evercache import Cache
from tests.support.popular import zipf
from tests.support.source import Source, alone, pair_over_memory

THINGS, PER_SECOND, SECONDS = 1_000, 10, 1_800
REQUESTS = zipf(PER_SECOND * SECONDS, things=THINGS)
CHANGES = zipf(SECONDS // 60, things=THINGS, seed=2)


async def half_an_hour(clock, source: Source, caches: list[Cache], **options) -> float:
    """Serve the workload, process by process in turn; the part of it for which nothing was loaded."""
    reads = [source.on(cache, **options) for cache in caches]
    for number, wanted in enumerate(REQUESTS):
        if number % PER_SECOND == 0:
            clock.advance(1.0)
        if number % (60 * PER_SECOND) == 0:
            source.version += 1
            await caches[0].invalidate_tags(f"thing:{CHANGES[number // (60 * PER_SECOND)]}")
        await reads[number % len(reads)](wanted)
    return 1 - source.loads / len(REQUESTS)


@pytest.mark.row("S1.12", "S1.36")
async def test_one_process_answers_more_than_four_of_five_requests(manual_clock):
    """Half an hour with the default ttl of five minutes, and memory for everything."""
    cache, source = alone(manual_clock), Source()
    assert await half_an_hour(manual_clock, source, [cache]) > 0.8
    counters = cache.statistics()["functions"]["thing"]
    assert counters["hits"] == len(REQUESTS) - source.loads
    assert counters["hit_rate"] > 0.8


@pytest.mark.row("S1.12", "S1.36")
async def test_two_processes_that_share_a_store_answer_as_much_as_one(manual_clock):
    """What one of them has loaded, the other finds: half the traffic each, the same hit rate."""
    source = Source()
    async with pair_over_memory(manual_clock) as (one, two):
        assert await half_an_hour(manual_clock, source, [one, two]) > 0.8
        counters = [cache.statistics()["functions"]["thing"] for cache in (one, two)]
    assert sum(c["loads"] for c in counters) == source.loads
    assert all(c["l2_hits"] > 0 for c in counters)


@pytest.mark.row("S1.12")
async def test_memory_for_a_tenth_of_the_things_does_nearly_as_well_as_foresight(manual_clock):
    """No cache that keeps the same hundred things can hit more than their share of the requests; ours reaches 90 % of it."""
    cache, source = alone(manual_clock, l1_items=THINGS // 10), Source()
    share = sum(sorted(Counter(REQUESTS).values())[-THINGS // 10 :]) / len(REQUESTS)
    assert await half_an_hour(manual_clock, source, [cache], ttl=3600) > 0.9 * share
    assert cache.statistics()["l1"]["items"] <= THINGS // 10
