"""`RedisClient` while things break: counts, not milliseconds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from evercache.stores.redis.client import RedisClient
from evercache.testing.plugin import MakeRedis
from evercache.testing.proxy import TcpProxy
from evercache.testing.servers import RedisServer

BUDGETS = {"operation_timeout": "1s", "connect_timeout": "2s", "pool_wait": "30s"}


@pytest.fixture
def server(make_redis: MakeRedis) -> RedisServer:
    return make_redis()


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[RedisClient]:
    async with RedisClient(server.url, **BUDGETS) as client:
        yield client


async def until_set(client: RedisClient, key: str) -> None:
    """The first write that passes again."""
    while not await client.set(key, 1):
        await asyncio.sleep(0.005)


@pytest.mark.row("W25", "FT2", "S2.28")
@pytest.mark.expects_logs
async def test_a_hung_server_costs_those_in_flight_once(client: RedisClient, server: RedisServer) -> None:
    """
    SIGSTOP under 200 parallel calls: at most as many time-outs as connections, nobody raises, later calls aren't sent.
    """
    await client.set("k", 1)
    server.pause()
    assert await asyncio.gather(*(client.get("k") for _ in range(200))) == [None] * 200
    timed_out = len([error for error in client.stats.recent_errors if error["reason"] == "timeout"])
    assert 1 <= timed_out <= 50
    for _ in range(1000):
        assert await client.get("k") is None
    assert len([error for error in client.stats.recent_errors if error["reason"] == "timeout"]) == timed_out
    server.resume()
    await until_set(client, "k")
    assert await client.get("k") == 1


@pytest.mark.row("W23", "FT1", "S2.28")
@pytest.mark.expects_logs
async def test_a_killed_server_that_comes_back(client: RedisClient, server: RedisServer) -> None:
    """kill -9 and a new start: nobody raises, and the client notices both by itself."""
    await asyncio.gather(*(client.set(f"k{i}", i) for i in range(100)))
    server.kill()
    assert await asyncio.gather(*(client.get(f"k{i}") for i in range(100))) == [None] * 100
    assert (await client.health_check())["status"] == "unhealthy"
    server.start()
    await until_set(client, "k")
    assert (await client.health_check())["status"] == "healthy"


@pytest.mark.row("S1.38", "FT1")
async def test_a_restart_between_two_requests_is_not_noticed(client: RedisClient, server: RedisServer) -> None:
    """Every connection of the pool is closed; not one call fails, and nothing is logged."""
    await asyncio.gather(*(client.set(f"k{i}", i) for i in range(100)))
    server.restart()
    assert await asyncio.gather(*(client.set(f"k{i}", i) for i in range(100))) == [True] * 100
    assert client.stats.to_dict()["errors"] == 0


@pytest.mark.row("S1.38", "FT14")
async def test_cancelled_calls_neither_leak_nor_mix_answers(server: RedisServer) -> None:
    """2,000 calls, a third of them cancelled at random moments: each answer belongs to its key, every place is free."""
    chance = random.Random(7)
    client = RedisClient(server.url, max_connections=5, operation_timeout="60s", connect_timeout="60s", pool_wait="60s")
    keys = [f"k{i}" for i in range(50)]
    await asyncio.gather(*(client.set(key, key) for key in keys))

    async def read(key: str) -> None:
        assert await client.get(key) == key

    for _ in range(40):
        tasks = [asyncio.create_task(read(chance.choice(keys))) for _ in range(50)]
        for task in chance.sample(tasks, 17):
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is None or isinstance(outcome, asyncio.CancelledError)
    health = await client.health_check()
    assert health["connections_in_use"] == 0
    assert server.command("CLIENT", "LIST").decode().count("name=evercache:") <= 5
    await client.disconnect()


@pytest.mark.row("FT3")
@pytest.mark.expects_logs
async def test_a_link_that_swallows_everything(server: RedisServer) -> None:
    """Half-open: the connection stands, nothing comes back; as a hung server, and it heals the same way."""
    with TcpProxy(server.address) as proxy:
        async with RedisClient(proxy.rewrite(server.url), **BUDGETS) as client:
            await client.set("k", 1)
            proxy.freeze()
            assert await client.get("k") is None
            assert (await client.health_check())["status"] == "unhealthy"
            proxy.thaw()
            await until_set(client, "k")
            assert await client.get("k") == 1
