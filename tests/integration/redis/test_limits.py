"""Limits on a real Redis: exact under concurrency, the same as in memory, and what happens when it is away."""

import asyncio
import random

import pytest

from evercache.ratelimit import Algorithm, Limit, Limiter
from evercache.ratelimit.backend import asked_of
from evercache.ratelimit.memory import MemoryBackend
from evercache.ratelimit.shared import SharedBackend
from evercache.stores.redis.data import RedisData
from evercache.testing.clock import ManualClock


@pytest.fixture
async def data(redis_url, redis_namespace):
    async with RedisData(redis_url, namespace=redis_namespace, budget=30) as data:
        yield data


@pytest.mark.parametrize("algorithm", Algorithm)
async def test_the_script_counts_as_the_functions_do(data, algorithm):
    """A thousand random requests and refunds, compared number by number."""
    chance, now = random.Random(7), [1_700_000_000.0]
    memory = MemoryBackend(lambda: now[0])
    shared = SharedBackend(data, now=lambda: int(now[0] * 1_000_000))
    denied = algorithm not in (Algorithm.GCRA, Algorithm.CONCURRENCY)
    limits = [
        Limit("one", 10, "10s", algorithm=algorithm, burst=4 if algorithm is Algorithm.GCRA else None),
        Limit("two", 25, "1m", algorithm=algorithm, count_denied=denied),
        Limit("three", 3, "2s", algorithm=algorithm, shadow=True),
    ]
    past = [("none", 1)]
    for number in range(1_000):
        now[0] += chance.choice([0, 0.01, 0.3, 0.7, 1.3, 5])
        if chance.random() < 0.15:
            id, cost = chance.choice(past[-5:])
            asked = [asked_of(limit, cost) for limit in limits]
            await memory.give_back("x", asked, id)
            await shared.give_back("x", asked, id)
            continue
        past.append((f"i{number}", chance.choice([1, 1, 1, 2, 3])))
        asked = [asked_of(limit, past[-1][1]) for limit in limits]
        assert await shared.take("x", asked, past[-1][0]) == await memory.take("x", asked, past[-1][0])


@pytest.mark.parametrize("algorithm", Algorithm)
async def test_two_hundred_at_once_are_let_in_fifty_times(data, algorithm):
    """From two processes' limiters on one Redis; not one too many, not one too few."""
    limiters = [Limiter(data), Limiter(data)]
    limit = Limit("api", 50, "10m", algorithm=algorithm)
    verdicts = await asyncio.gather(*[limiters[number % 2].hit("me", limit) for number in range(200)])
    assert sum(map(bool, verdicts)) == 50


async def test_nothing_readable_about_anybody_stands_in_redis(data, redis_server, redis_namespace):
    """Keys are digests, keyed with the secret, with a life of their own."""
    limiter = Limiter(data, secret=b"s3cret")
    await limiter.hit("user:ada@example.com", Limit("api", 5, "1m"), Limit("login", 5, "1m", algorithm="log"))
    keys = redis_server.command("KEYS", f"*{redis_namespace}*")
    assert len(keys) == 2
    assert not any(b"example" in key for key in keys)
    assert all(redis_server.command("PTTL", key) > 0 for key in keys)


async def test_who_is_out_is_refused_without_a_question(data, redis_server):
    """Until the moment that the store has named."""
    limiter, limit = Limiter(data), Limit("api", 1, "10m")
    await limiter.hit("me", limit)
    assert not await limiter.hit("me", limit)
    before = redis_server.info("commandstats").get("cmdstat_evalsha")
    refused = await limiter.hit("me", limit)
    assert (refused.source, refused.allowed) == ("denied", False)
    assert redis_server.info("commandstats").get("cmdstat_evalsha") == before


async def test_a_restarted_server_gets_the_script_again(make_redis):
    """SCRIPT FLUSH, a failover: the next question brings it along."""
    server = make_redis()
    async with RedisData(server.url, budget=30) as data:
        limiter, limit = Limiter(data), Limit("api", 5, "1m")
        assert await limiter.hit("me", limit)
        server.command("SCRIPT", "FLUSH")
        assert (await limiter.hit("me", limit)).answers[0].remaining == 3


@pytest.mark.expects_logs
async def test_while_redis_is_away_each_limit_does_what_it_was_told(make_redis):
    """Local counts with its share, open lets in, closed refuses; when it is back, what was let in here is told once."""
    server = make_redis()
    local = Limit("local", 10, "10m", on_error="local")
    opened, closed = Limit("open", 1, "10m", on_error="open"), Limit("closed", 100, "10m", on_error="closed")
    async with RedisData(server.url, budget=5) as data:
        limiter = Limiter(data, instances=2, clock=ManualClock())
        assert (await limiter.hit("me", local)).source == "store"
        server.kill()
        verdicts = [await limiter.hit("me", local) for _ in range(8)]
        assert [verdict.source for verdict in verdicts] == ["local"] * 8
        assert sum(map(bool, verdicts)) == 5, "half of ten, for there are two processes"
        assert all([await limiter.hit("me", opened) for _ in range(3)])
        refused = await limiter.hit("me", closed)
        assert (refused.allowed, refused.source) == (False, "closed")
        assert limiter.statistics()["local"]["errors"] == 8

        server.start()
        while (verdict := await limiter.hit("other", local)).source != "store":
            await asyncio.sleep(0.01)
        await limiter.hit("me", local)
        remaining = (await Limiter(data).hit("me", local)).answers[0].remaining
        assert remaining <= 10 - 5, "the five that were let in here count in the store"
        assert verdict.allowed
