"""`RedisClient` with real servers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from evercache.config import Settings
from evercache.core.duration import FOREVER
from evercache.stores.redis.client import RedisClient
from evercache.stores.redis.connection import new_connection, open_connection
from evercache.stores.redis.sync_client import SyncRedisClient
from evercache.testing.plugin import MakeRedis
from evercache.testing.servers import RedisServer

PATIENT = {"operation_timeout": "30s", "connect_timeout": "30s", "pool_wait": "30s"}


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[RedisClient]:
    async with RedisClient(redis_url, **PATIENT) as client:
        yield client


@pytest.mark.row("S0.7", "S0.8", "S0.9", "S0.10", "S1.21", "S1.22", "S1.23")
async def test_the_life_of_a_value(client: RedisClient, redis_server: RedisServer) -> None:
    """Stored as JSON, read back, given a life, deleted."""
    task = {"id": 7, "title": "é", "tags": ["a", None]}
    assert await client.set("task:7", task, expire=300)
    assert json.loads(redis_server.command("GET", "task:7")) == task
    assert await client.get("task:7") == task
    assert 290 < (await client.get_ttl("task:7") or 0) <= 300
    assert await client.expire("task:7", FOREVER)
    assert await client.get_ttl("task:7") == -1
    assert await client.expire("task:7", "1h")
    assert await client.delete("task:7")
    assert not await client.exists("task:7")
    assert await client.get_ttl("task:7") == -2
    assert not await client.expire("task:7", "1h")


@pytest.mark.row("S1.8", "S1.9", "S1.14", "W24")
async def test_three_hundred_callers_share_fifty_connections(client: RedisClient, redis_server: RedisServer) -> None:
    """All are served; the server never sees more than the maximum."""
    values = await asyncio.gather(*(client.set(f"k:{i}", i) for i in range(300)))
    assert all(values)
    assert await asyncio.gather(*(client.get(f"k:{i}") for i in range(300))) == list(range(300))
    names = redis_server.command("CLIENT", "LIST").decode().count("name=evercache:")
    assert 1 <= names <= 50


@pytest.mark.row("S1.38", "S1.14")
async def test_the_pool_shrinks_again(redis_server: RedisServer, redis_url: str) -> None:
    """After a burst the periodic check keeps `idle_connections`."""
    async with RedisClient(redis_url, idle_connections=3, health_interval="100ms", **PATIENT) as client:
        await asyncio.gather(*(client.set(f"k:{i}", i) for i in range(300)))
        while redis_server.command("CLIENT", "LIST").decode().count("name=evercache:") > 3:
            await asyncio.sleep(0.02)
        assert await client.get("k:7") == 7


@pytest.mark.row("F2.1")
async def test_a_pattern_removes_what_matches_and_nothing_else(client: RedisClient) -> None:
    """In steps, with UNLINK; special characters of a name can be escaped."""
    await asyncio.gather(*(client.set(f"user:{i}:profile", i) for i in range(2500)))
    await client.set("user", 1)
    await client.set("other[1]", 1)
    assert await client.invalidate_pattern("user:*") == 2500
    assert await client.invalidate_pattern("user:*") == 0
    assert await client.invalidate_pattern(r"other\[1\]") == 1
    assert await client.exists("user")


@pytest.mark.row("F2.1", "S2.23")
async def test_health_of_a_healthy_server(client: RedisClient) -> None:
    """Status, latency, pool and counts."""
    await client.get("nothing")
    health = await client.health_check()
    assert health["status"] == "healthy"
    assert health["latency_ms"] > 0
    assert health["stats"]["misses"] == 1
    assert await client.ping()


@pytest.mark.expects_logs
async def test_a_key_of_another_type_is_not_an_exception(client: RedisClient, redis_server: RedisServer) -> None:
    """Somebody else's list under our key: a miss, counted as an error, and the server isn't blamed."""
    redis_server.command("RPUSH", "list", "x")
    assert await client.get("list") is None
    assert client.stats.to_dict()["errors"] == 1
    assert await client.ping()


@pytest.mark.row("S2.64")
async def test_password_and_tls(make_redis: MakeRedis) -> None:
    """With the right authority and password it works; the connection names itself."""
    server = make_redis(password="p@ss/w#rd", tls=True)
    async with RedisClient(server.url, tls_ca_file=str(server.ca_file), client_name="orders", **PATIENT) as client:
        assert await asyncio.gather(*(client.set(f"k{i}", i) for i in range(20))) == [True] * 20
        assert "name=orders:" in server.command("CLIENT", "LIST").decode()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"password": "wrong"}, "auth"), ({"tls": False}, "closed"), ({"ca": False}, "tls")],
)
@pytest.mark.expects_logs
async def test_wrong_credentials_have_a_name(make_redis: MakeRedis, wrong: dict[str, object], reason: str) -> None:
    """A misconfiguration is tried once, then rarely, and health says what it is and what to do."""
    server = make_redis(password="right", tls=True)
    url = server.url.replace("right", str(wrong.get("password", "right")))
    options = {} if "ca" in wrong else {"tls_ca_file": str(server.ca_file)}
    if "tls" in wrong:
        url, options = url.replace("rediss", "redis"), {}
    client = RedisClient(url, **options, **PATIENT)
    assert not await client.connect()
    health = await client.health_check()
    assert (health["status"], health["reason"]) == ("unhealthy", reason)
    assert health["advice"]
    await client.disconnect()


@pytest.mark.expects_logs
async def test_a_port_that_is_not_redis(tmp_path: Path) -> None:
    """It says so."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    client = RedisClient(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", **PATIENT)
    assert not await client.ping()
    assert (await client.health_check())["reason"] == "not_redis"
    await client.disconnect()
    server.close()
    await server.wait_closed()


@pytest.mark.expects_logs
async def test_a_user_that_may_only_read(redis_server: RedisServer, redis_url: str) -> None:
    """A missing permission concerns one command; the others go on."""
    redis_server.command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+get", "+ping", "+client|setname", "+hello")
    redis_server.command("SET", "k", "1")
    async with RedisClient(redis_url, username="reader", password="pw", **PATIENT) as client:
        assert not await client.set("k", 2)
        assert await client.get("k") == 1
        assert (await client.health_check())["errors"][-1]["reason"] == "denied"
    redis_server.command("ACL", "DELUSER", "reader")


@pytest.mark.row("FT6")
@pytest.mark.expects_logs
async def test_a_full_server_is_read_and_cleaned(make_redis: MakeRedis) -> None:
    """Out of memory: set gives False, get and delete work."""
    server = make_redis("maxmemory-policy noeviction")
    async with RedisClient(server.url, **PATIENT) as client:
        assert await client.set("k", 1)
        server.command("CONFIG", "SET", "maxmemory", "1")
        assert not await client.set("other", 2)
        assert await client.get("k") == 1
        assert (await client.health_check())["status"] == "degraded"
        assert await client.delete("k")


async def test_unix_sockets(make_redis: MakeRedis) -> None:
    """No port at all."""
    server = make_redis("unixsocket redis.sock")
    async with RedisClient(f"unix://{server.folder}/redis.sock?db=3", **PATIENT) as client:
        assert await client.set("k", 1)
        assert await client.get("k") == 1


@pytest.mark.parametrize("protocol", [2, 3])
async def test_both_protocols(redis_url: str, protocol: int) -> None:
    """The same answers by RESP2, for proxies."""
    async with RedisClient(redis_url, protocol=protocol, **PATIENT) as client:
        assert await client.set("k", [1])
        assert [await client.get("k"), await client.get("nothing"), await client.delete("k")] == [[1], None, True]


async def test_an_opened_link_sends_only_what_it_must(redis_server: RedisServer, redis_url: str) -> None:
    """HELLO and CLIENT SETNAME; no SETINFO, no maintenance notifications, no PING."""
    settings = Settings.resolve(redis_url, environ={})
    redis_server.command("CONFIG", "RESETSTAT")
    connection = new_connection(settings.address.addresses[0], settings)
    await open_connection(connection, 30)
    await connection.disconnect()
    seen = {line.split("_", 1)[1] for line in redis_server.info("commandstats")}
    assert seen - {"config|resetstat", "info", "auth"} == {"hello", "client|setname"}


@pytest.mark.row("S0.5")
def test_the_sync_client_says_the_same_words(redis_url: str) -> None:
    """From a script, from several threads; nothing is left behind, and it opens again after close()."""
    before = threading.active_count()
    with SyncRedisClient(redis_url, **PATIENT) as client:
        assert client.set("sync:k", (1, 2), ttl="5m")
        assert client.get("sync:k") == (1, 2)
        found: list[object] = []
        threads = [threading.Thread(target=lambda: found.append(client.get("sync:k"))) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [(1, 2)] * 5
        assert client.health_check()["status"] == "healthy"
        assert client.invalidate_pattern("sync:*") == 1
    assert threading.active_count() == before
    assert client.get("sync:k") is None
    client.close()
    assert threading.active_count() == before
