"""Advice about a real server: asked for once, in the background, and never in the way."""

from __future__ import annotations

import pytest

from tests.support.ears import until
from tests.support.outage import Origin, opened_cache


@pytest.mark.row("S2.100")
async def test_a_server_that_will_refuse_writes_is_told_of(make_redis, redis_namespace, caplog):
    """
    noeviction with a limit: a warning with its code, once, though the connection is lost and found again.
    """
    server = make_redis("maxmemory 64mb", "maxmemory-policy noeviction")
    async with opened_cache(server.url, redis_namespace) as (cache, _):
        await until(cache.advice)
        assert cache.advice()[0].code == "eviction_noeviction"
        server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await until(lambda: cache.statistics()["recoveries"] >= 2)
    warnings = [
        record for record in caplog.records if record.name == "evercache.advice" and record.levelname == "WARNING"
    ]
    assert [record.code for record in warnings] == ["eviction_noeviction"]


async def test_options_that_leave_a_gap_are_told_of(redis_url, redis_namespace):
    """
    stale_for without fail_safe, and a server without a limit: worth knowing, no warning.
    """
    origin = Origin()
    cache_of = opened_cache(redis_url, redis_namespace)
    async with cache_of as (cache, _):
        row = origin.cached(cache, stale_for="1h")
        await row(1)
        await until(cache.advice)
        codes = {advice.code for advice in cache.advice()}
        assert "maxmemory_unlimited" in codes
        assert {advice.level for advice in cache.advice()} == {"info"}


async def test_a_server_that_tells_nothing_is_not_asked_twice(make_redis, redis_namespace):
    """
    CONFIG forbidden: what can't be known is left out, the cache is healthy.
    """
    server = make_redis()
    server.command("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-config")
    url = f"redis://app:secret@{server.host}:{server.port}/0"
    async with opened_cache(url, redis_namespace) as (cache, _):
        await until(cache.advice)
        assert cache.health().status == "healthy"
