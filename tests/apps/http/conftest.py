"""What the tests of the HTTP cache stand on: a cache whose time stands still, and two of them as two workers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest

from evercache import Cache
from evercache.testing.clock import ManualClock
from tests.support.http import Client, client_of
from tests.support.outage import cache_on, trusted
from tests.support.source import alone, pair_over_memory


@pytest.fixture
async def cache(manual_clock: ManualClock) -> AsyncIterator[Cache]:
    """A cache of this process alone, on the test's clock."""
    async with alone(manual_clock) as cache:
        yield cache


@pytest.fixture
async def two_caches(manual_clock: ManualClock) -> AsyncIterator[tuple[Cache, Cache]]:
    """The caches of two workers over one memory store, on the test's clock."""
    async with pair_over_memory(manual_clock) as pair:
        yield pair


@pytest.fixture(params=["memory", "redis"])
async def workers(
    request: pytest.FixtureRequest, manual_clock: ManualClock, redis_url: str, redis_namespace: str
) -> AsyncIterator[tuple[Cache, Cache]]:
    """The caches of two workers, over memory and over a real server. No test with them lets time pass."""
    if request.param == "memory":
        async with pair_over_memory(manual_clock) as pair:
            yield pair
        return
    one, two = (cache_on(redis_url, redis_namespace, delta=0.25) for _ in range(2))
    async with one, two:
        await trusted(one)
        await trusted(two)
        yield one, two


@pytest.fixture
def front(cache: Cache) -> Callable[..., Client]:
    """A client of a backend behind the cache: `front(backend, Rule("/a", ttl=60), name="edge")`."""
    return partial(client_of, cache)
