"""Too slow, too many, too large, suddenly empty: what a whole cache does under pressure."""

from __future__ import annotations

import asyncio

import pytest

from evercache import Confirmation
from evercache.core.events import Degraded
from tests.support.ears import until
from tests.support.outage import Origin, calls, many, opened_cache, trusted

pytestmark = pytest.mark.expects_logs


# -- slow (FT4) ------------------------------------------------------------------------------------------------------


@pytest.mark.row("FT4")
async def test_a_redis_slower_than_the_origin_is_gone_around(redis_server, tcp_proxy, redis_namespace):
    """
    Reads stop asking a server that takes longer than loading does; invalidations still reach it, and other processes.
    """
    origin = Origin()
    near = opened_cache(tcp_proxy.rewrite(redis_server.url), redis_namespace, steady=False)
    far = opened_cache(redis_server.url, redis_namespace)
    async with near as (cache, events), far as (other, _):
        row, theirs = origin.cached(cache, l1=False), origin.cached(other, l1=False)
        await many(row, 50, of=50)
        tcp_proxy.delay(0.03)
        while cache.health().status == "healthy":
            await row(len(origin.loads))
        assert cache.health().reason == "slow"
        assert [event.reason for event in events if isinstance(event, Degraded)] == ["slow"]
        asked = calls(redis_server, "mget")
        answers = await many(row, 200, of=10)
        assert {type(answer) for answer in answers} == {dict}
        assert calls(redis_server, "mget") == asked
        assert (await theirs(1))["version"] == 0
        origin.versions[1] = 1
        assert await cache.invalidate_tags("row:1") is Confirmation.CONFIRMED
        assert (await theirs(1))["version"] == 1
        tcp_proxy.heal()
        await trusted(cache)
        assert (await row(1))["version"] == 1


# -- many (FT5) ------------------------------------------------------------------------------------------------------


@pytest.mark.row("FT5", "S2.99", "W24")
async def test_a_thousand_callers_need_no_thousand_connections(redis_server, redis_url, redis_namespace):
    """
    A thousand parallel reads of a thousand keys, twice: no exception, and not one connection more.
    """
    origin = Origin()
    async with opened_cache(redis_url, redis_namespace, max_connections=50) as (cache, events):
        row = origin.cached(cache, l1=False)
        await row(0)
        before = int(redis_server.info("stats")["total_connections_received"])
        for _ in range(2):
            answers = await many(row, 1_000, of=1_000)
            assert [answer["number"] for answer in answers] == list(range(1_000))
        assert set(origin.loads.values()) == {1}
        assert int(redis_server.info("stats")["total_connections_received"]) - before == 1  # this question's own
        assert events == [] or not any(isinstance(event, Degraded) for event in events)


# -- empty (FT10) ----------------------------------------------------------------------------------------------------


@pytest.mark.row("FT10")
async def test_a_flushed_server_costs_one_load_for_each_key_and_process(redis_server, redis_url, redis_namespace):
    """
    FLUSHALL while a thousand callers read fifty keys through two processes: at most one load per key and process.
    """
    origin = Origin()
    async with (
        opened_cache(redis_url, redis_namespace) as (cache, _),
        opened_cache(redis_url, redis_namespace) as (other, _),
    ):
        rows = [origin.cached(cache), origin.cached(other)]
        for row in rows:
            await many(row, 50, of=50)
        for _ in range(5):
            origin.loads.clear()
            before = [cache.statistics()["flushes"], other.statistics()["flushes"]]
            redis_server.command("FLUSHALL")
            answers = await asyncio.gather(*[many(row, 500, of=50) for row in rows])
            await until(lambda then=before: cache.statistics()["flushes"] > then[0])
            await until(lambda then=before: other.statistics()["flushes"] > then[1])
            answers += await asyncio.gather(*[many(row, 500, of=50) for row in rows])
            assert {type(answer) for part in answers for answer in part} == {dict}
            assert max(origin.loads.values(), default=0) <= 2


@pytest.mark.row("FT10")
async def test_what_dies_together_is_loaded_once(redis_server, redis_url, redis_namespace):
    """
    Mass expiry: the namespace is invalidated under a thousand callers; one load for each key in the whole fleet, or
    two where both processes were already on their way.
    """
    origin = Origin()
    async with (
        opened_cache(redis_url, redis_namespace) as (cache, _),
        opened_cache(redis_url, redis_namespace) as (other, _),
    ):
        rows = [origin.cached(cache, l1=False), origin.cached(other, l1=False)]
        for row in rows:
            await many(row, 50, of=50)
        origin.loads.clear()
        assert await cache.invalidate_all() is Confirmation.CONFIRMED
        await asyncio.gather(*[many(row, 500, of=50) for row in rows])
        assert set(origin.loads) == set(range(50))
        assert max(origin.loads.values()) <= 2
        assert origin.loads.total() <= 55


# -- large and hot (FT17) --------------------------------------------------------------------------------------------


@pytest.mark.row("FT17")
async def test_a_huge_value_is_served_and_never_sent(redis_server, redis_url, redis_namespace, caplog):
    """
    Above the cap: each caller gets it, nothing of it reaches Redis, and one warning says so, not one for each call.
    """
    import secrets

    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        loads = []

        @cache.cached(key="huge", l1=False)
        async def huge(number: int) -> bytes:
            loads.append(number)
            return secrets.token_bytes(2 * 1024**2)

        received = int(redis_server.info("stats")["total_net_input_bytes"])
        assert [len(await huge(number)) for number in (1, 1, 2)] == [2 * 1024**2] * 3
        assert loads == [1, 1, 2]
        assert int(redis_server.info("stats")["total_net_input_bytes"]) - received < 100_000
        assert cache.statistics()["functions"]["huge"]["uncacheable"] == 3
        assert cache.health().status == "healthy"
    assert [record.levelname for record in caplog.records].count("WARNING") == 1


@pytest.mark.row("FT17")
async def test_a_large_value_holds_up_nobody(redis_url, redis_namespace):
    """
    Half a megabyte that doesn't compress is stored and hit, beside a thousand small reads.
    """
    import secrets

    origin = Origin()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        row = origin.cached(cache, l1=False)

        @cache.cached(key="large", l1=False)
        async def large(number: int) -> bytes:
            return secrets.token_bytes(512 * 1024)

        first = await large(1)
        answers = await asyncio.gather(large(1), many(row, 1_000, of=100), large(1))
        assert answers[0] == answers[2] == first
        assert cache.health().status == "healthy"


@pytest.mark.row("FT17")
async def test_a_hot_key_is_asked_for_once(redis_server, redis_url, redis_namespace):
    """
    Ten thousand readers of one key: one look, one load, then this process's memory.
    """
    origin = Origin()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        row = origin.cached(cache)
        asked = calls(redis_server, "mget")
        for _ in range(10):
            await many(row, 1_000)
        assert origin.loads == {0: 1}
        assert calls(redis_server, "mget") - asked < 100  # again only where a stalled machine let the lease lapse
