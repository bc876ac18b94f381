"""A node of a Cluster addressed as if it were alone: everything is MOVED, and nobody's error."""

from __future__ import annotations

import pytest

from tests.support.ears import until
from tests.support.outage import Origin, many, opened_cache

pytestmark = pytest.mark.expects_logs


@pytest.mark.row("FT16")
async def test_a_storm_of_moved_is_down_with_that_reason(redis_cluster, redis_namespace):
    """
    Most of the nodes don't hold our slot: `moved` in health, the origin answers, nothing is raised.
    """
    reasons = []
    for url in redis_cluster.urls:
        origin = Origin()
        patience = {"operation_timeout": 0.5, "connect_timeout": 0.5}
        async with opened_cache(url, redis_namespace, wait=False, **patience) as (cache, _):
            await until(lambda cache=cache: cache.health().status == "healthy" or cache.health().reason != "connecting")
            answers = await many(origin.cached(cache), 200, of=10)
            assert {type(answer) for answer in answers} == {dict}
            reasons.append(cache.health().reason)
    assert reasons.count("moved") >= 2
