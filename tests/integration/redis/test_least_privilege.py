"""A whole workload under the ACL user that the documentation publishes, and nothing more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evercache import Confirmation
from evercache.testing.servers import ReplyError
from tests.support.ears import until
from tests.support.outage import Origin, many, opened_cache

pytestmark = pytest.mark.expects_logs
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "secure-redis.md"


def published_user(namespace):
    """The words of `ACL SETUSER` as the page has them, for *namespace*."""
    line = re.search(r"^ACL SETUSER (shop .*)$", PAGE.read_text(), re.MULTILINE)
    assert line is not None
    return line[1].replace("{shop.", f"{{{namespace}.").replace("shop:bell", f"{namespace}:bell").split()


def refusals(server):
    """What the server has denied, by command."""
    return [dict(zip(entry[::2], entry[1::2], strict=True))[b"object"] for entry in server.command("ACL", "LOG")]


@pytest.mark.row("FT16", "S2.101")
async def test_everything_works_under_the_published_user(make_redis, redis_namespace):
    """
    Reads, loads, puts, tags, patterns, prefixes, the namespace, expiry, refresh, a restart in between: all of it
    CONFIRMED and hit, and not one entry in ACL LOG.
    """
    server, origin = make_redis(), Origin()
    server.command("ACL", "SETUSER", *published_user(redis_namespace))
    server.command("CONFIG", "SET", "acllog-max-len", 128)
    url = f"redis://shop:a-long-password@{server.host}:{server.port}/0"
    async with opened_cache(url, redis_namespace) as (cache, _), opened_cache(url, redis_namespace) as (other, _):
        row, theirs = origin.cached(cache, l1=False), origin.cached(other)
        await many(row, 20, of=20)
        await many(theirs, 20, of=20)
        assert set(origin.loads.values()) == {1}
        confirmations = [
            await row.invalidate(1),
            await row.expire(2),
            await cache.invalidate_tags("row:3"),
            await cache.expire_tags("row:4"),
            await cache.invalidate_pattern("row:5*"),
            await cache.invalidate_prefix("row:6"),
            await cache.set("plain", {"a": 1}),
            await cache.delete("plain"),
            await other.invalidate_all(),
        ]
        assert confirmations == [Confirmation.CONFIRMED] * 9
        await row.refresh(7)
        await row.put({"number": 8, "version": 1}, 8)
        assert (await theirs(8))["version"] == 1
        assert await cache.get_many_or_load("n", [1, 2], lambda ids: answered(dict.fromkeys(ids, 1))) == {1: 1, 2: 1}
        server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await until(lambda: cache.statistics()["recoveries"] >= 2 and cache.health().status == "healthy")
        assert await row(8)
        await until(cache.advice)
    # CONFIG is the advisor's question, asked only of a primary with replicas.
    assert refusals(server) == []


async def answered(value):
    return value


@pytest.mark.row("FT16")
async def test_the_published_user_can_do_nothing_else(make_redis, redis_namespace):
    """
    Another namespace, keys of others, the dangerous commands: refused by the server.
    """
    server = make_redis()
    server.command("ACL", "SETUSER", *published_user(redis_namespace))
    with server.connect() as wire:
        wire.command("AUTH", "shop", "a-long-password")
        for words in (
            ("GET", "somebody:else"),
            ("SET", "{other.0}:e:k", "v"),
            ("KEYS", "*"),
            ("SCAN", "0"),
            ("FLUSHALL",),
            ("CONFIG", "SET", "maxmemory", "0"),
            ("MONITOR",),
            ("ACL", "LIST"),
            ("EVAL", "return redis.call('GET', 'somebody:else')", "0"),
        ):
            with pytest.raises(ReplyError, match=r"NOPERM|ACL failure|can't access"):
                wire.command(*words)
