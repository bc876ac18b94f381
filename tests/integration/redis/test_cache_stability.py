"""What may not grow while a cache works: connections, tasks, entries in memory, keys without an end."""

import asyncio

import pytest

from tests.support.ears import until
from tests.support.outage import Origin, many, opened_cache

CALLERS, ROUNDS, L1_ITEMS = 300, 10, 100


def connections(server) -> int:
    """How many clients *server* has now, this question included."""
    return int(server.info("clients")["connected_clients"])


@pytest.mark.row("S1.38", "S1.14", "S2.99", "W24")
async def test_connections_and_tasks_do_not_grow_with_traffic(redis_server, redis_url, redis_namespace):
    """Three hundred callers at once, round after round: no error, and what the first rounds needed is enough for all.

    Every round asks for other keys, so each call goes to Redis and to the source.
    """
    origin = Origin()
    async with opened_cache(redis_url, redis_namespace, cache={"l1_items": L1_ITEMS}) as (cache, _):
        row = origin.cached(cache)
        tasks, needed = len(asyncio.all_tasks()), 0
        for number in range(ROUNDS):
            first = number * CALLERS
            answers = await asyncio.gather(*[row(first + caller) for caller in range(CALLERS)])
            assert [answer["number"] for answer in answers] == list(range(first, first + CALLERS))
            needed = max(needed, connections(redis_server))
            await until(lambda: len(asyncio.all_tasks()) <= tasks)
        assert needed <= cache.settings.max_connections + 1
        assert cache.statistics()["l1"]["items"] <= L1_ITEMS
        assert origin.loads.total() == ROUNDS * CALLERS
    await until(lambda: connections(redis_server) == 1)


@pytest.mark.row("S1.38", "S2.83")
async def test_no_key_stays_for_ever(redis_server, redis_url, redis_namespace):
    """Entries, generations, locks, stamps and logs: whatever a working cache leaves in Redis ends by itself."""
    origin = Origin()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        row = origin.cached(cache)
        await many(row, 100, of=50)
        await cache.invalidate_tags("rows")
        await cache.invalidate_prefix("row:1")
        await row.invalidate(7)
        await many(row, 100, of=50)
    keys = redis_server.command("KEYS", f"*{redis_namespace}*")
    assert len(keys) > 50
    assert [key for key in keys if redis_server.command("PTTL", key) < 0] == []
