"""Who the primary is: sentinels and Clusters, real ones."""

from __future__ import annotations

import asyncio

import pytest

from evercache.config import Settings
from evercache.core.url import Address
from evercache.stores.redis.client import RedisClient
from evercache.stores.redis.topology import Cluster, Sentinel, key_slot, topology_of
from evercache.testing.servers import RedisCluster, SentinelTrio, Wire

PATIENT = {"operation_timeout": "30s", "connect_timeout": "30s", "pool_wait": "30s"}


def settings_of(url: str, **options: object) -> Settings:
    return Settings.resolve(url, environ={}, **(PATIENT | options))


async def test_sentinels_name_the_primary(redis_sentinel: SentinelTrio) -> None:
    """Asked once, remembered; many callers share one question."""
    topology = topology_of(settings_of(redis_sentinel.url))
    assert isinstance(topology, Sentinel)
    named = await asyncio.gather(*(topology.primary(0) for _ in range(10)))
    assert {address.port for address in named} == {redis_sentinel.primary.port}


@pytest.mark.row("FT7")
@pytest.mark.expects_logs
async def test_a_client_follows_the_new_primary(redis_sentinel: SentinelTrio) -> None:
    """Killed primary: no exception, and writes go to the promoted one by themselves."""
    options = {"connect_timeout": "2s", "operation_timeout": "2s"}
    async with RedisClient(redis_sentinel.url, **options) as client:
        assert await client.set("k", 1)
        dead = redis_sentinel.kill_primary()
        while not await client.set("k", 2):
            await asyncio.sleep(0.02)
        new = await asyncio.to_thread(redis_sentinel.wait_promoted, instead_of=dead)
        assert new.command("GET", "k") == b"2"


@pytest.mark.row("FT6")
@pytest.mark.expects_logs
async def test_a_demoted_primary_is_left(redis_sentinel: SentinelTrio) -> None:
    """It answers, it even serves reads; READONLY is what gives it away."""
    async with RedisClient(redis_sentinel.url, **PATIENT) as client:
        assert await client.set("k", 1)
        old = redis_sentinel.primary
        with Wire(*redis_sentinel.addresses[0], timeout=30.0) as sentinel:
            sentinel.command("SENTINEL", "FAILOVER", settings_of(redis_sentinel.url).address.primary_name)
        await asyncio.to_thread(redis_sentinel.wait_promoted, instead_of=old)
        while not await client.set("k", 2):
            await asyncio.sleep(0.02)
        assert await client.get("k") == 2


@pytest.mark.expects_logs
async def test_no_sentinel_at_all_costs_one_question() -> None:
    """Then calls return at once, as with any server that is away."""
    client = RedisClient("redis+sentinel://127.0.0.1:1,127.0.0.1:2/main")
    assert [await client.get("k") for _ in range(50)] == [None] * 50
    health = await client.health_check()
    assert (health["status"], health["reason"]) == ("unhealthy", "no_primary")
    await client.disconnect()


async def test_slots_are_those_of_the_servers(redis_cluster: RedisCluster) -> None:
    """Hash tags included."""
    for key in (b"", b"k", b"{a}b", b"{}a", b"a{b", b"x{y}{z}", "é".encode()):
        assert key_slot(key) == redis_cluster.slot_of(key)


async def test_partitions_spread_over_the_cluster(redis_cluster: RedisCluster) -> None:
    """Sixteen partitions, each at the node that holds its hash tag, no node without one."""
    topology = topology_of(settings_of(redis_cluster.url, namespace="shop"))
    assert isinstance(topology, Cluster)
    assert topology.partitions == 16
    for partition in range(16):
        address = await topology.primary(partition)
        assert address.port == redis_cluster.primary_of(f"{{shop.{partition}}}").port
    assert len(await topology.primaries()) == 3


async def test_a_moved_slot_is_learnt_without_asking() -> None:
    """The reply says where; nothing is opened."""
    topology = Cluster(settings_of("redis+cluster://127.0.0.1:1", address_map="10.0.0.1:6379=127.0.0.1:7001"))
    topology.moved(key_slot(b"k"), "10.0.0.1", 6379)
    assert await topology.address_of(b"k") == Address("127.0.0.1", 7001)


async def test_a_raw_client_on_a_cluster(redis_cluster: RedisCluster) -> None:
    """Keys go where they belong; patterns visit every node."""
    async with RedisClient(redis_cluster.url, **PATIENT) as client:
        assert all(await asyncio.gather(*(client.set(f"raw:{i}", i) for i in range(200))))
        assert await asyncio.gather(*(client.get(f"raw:{i}") for i in range(200))) == list(range(200))
        assert await client.invalidate_pattern("raw:*") == 200


@pytest.mark.row("FT16")
async def test_a_slot_that_moves_while_it_is_used(redis_cluster: RedisCluster) -> None:
    """ASK while it moves, MOVED afterwards: the caller notices neither."""
    async with RedisClient(redis_cluster.url, **PATIENT) as client:
        await client.set("k", 1)
        source = redis_cluster.primary_of("k")
        target = next(node for node in map(redis_cluster.primary_of, range(0, 16384, 1000)) if node is not source)
        slot = redis_cluster.slot_of("k")
        redis_cluster.open_migration(slot, target)
        redis_cluster.move_keys(slot, target)
        assert await client.get("k") == 1
        redis_cluster.close_migration(slot, target)
        assert await client.get("k") == 1
        assert await client.set("k", 2)
        assert client.stats.to_dict()["errors"] == 0
        redis_cluster.migrate_slot(slot, source)
        assert await client.get("k") == 2


@pytest.mark.row("FT7")
@pytest.mark.expects_logs
async def test_a_dead_node_is_a_miss_for_its_slots_only(redis_cluster: RedisCluster) -> None:
    """The other nodes go on; the replica that takes over is found."""
    async with RedisClient(redis_cluster.url, connect_timeout="2s", operation_timeout="2s") as client:
        keys = [f"k:{i}" for i in range(60)]
        assert all(await asyncio.gather(*(client.set(key, 1) for key in keys)))
        primaries = {redis_cluster.primary_of(slot) for slot in range(0, 16384, 1000)}
        for node in primaries:  # else the whole Cluster stops while a slot has no node
            node.command("CONFIG", "SET", "cluster-require-full-coverage", "no")
        doomed = redis_cluster.primary_of(keys[0])
        others = [key for key in keys if redis_cluster.primary_of(key) is not doomed]
        redis_cluster.kill(doomed)
        assert await asyncio.gather(*(client.get(key) for key in others)) == [1] * len(others)
        while not await client.set(keys[0], 2):
            await asyncio.sleep(0.02)
        assert await client.get(keys[0]) == 2
        for node in primaries - {doomed}:
            node.command("CONFIG", "SET", "cluster-require-full-coverage", "yes")
