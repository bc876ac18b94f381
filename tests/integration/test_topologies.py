"""The Cluster and the Sentinel trio that other tests rely on."""

import pytest

from evercache.core.url import parse_url
from evercache.testing.servers import RedisCluster, ReplyError, SentinelTrio


def test_every_slot_has_a_primary_and_a_replica(redis_cluster):
    """Six nodes: three share the slots, each followed by one other."""
    places = (0, 6_000, 16_383)
    primaries = {redis_cluster.primary_of(place) for place in places}
    replicas = {replica for place in places for replica in redis_cluster.replicas_of(place)}
    assert (len(primaries), len(replicas), len(primaries | replicas)) == (3, 3, 6)
    assert len(redis_cluster.urls) == 6


def test_a_key_is_served_where_its_slot_is(redis_cluster, redis_namespace):
    """A place may be a key; the wrong node says MOVED."""
    key = f"{redis_namespace}:k"
    primary = redis_cluster.primary_of(key)
    primary.command("SET", key, "v")
    assert primary is redis_cluster.primary_of(redis_cluster.slot_of(key))
    stranger = next(node for node in redis_cluster.nodes if node is not primary)
    with pytest.raises(ReplyError, match="MOVED"):
        stranger.command("GET", key)


def test_a_killed_primary_is_replaced_and_comes_back_as_a_replica(redis_cluster, redis_namespace):
    """The replica takes over with the data; heal() makes six of five again."""
    key = f"{redis_namespace}:k"
    old = redis_cluster.primary_of(key)
    with old.connect() as wire:
        wire.command("SET", key, "v")
        wire.command("WAIT", 1, 0)
    redis_cluster.kill(old)
    new = redis_cluster.wait_promoted(key, instead_of=old)
    assert new is not old
    assert new.command("GET", key) == b"v"
    redis_cluster.heal()
    assert redis_cluster.replicas_of(key) == [old]


def test_a_failover_in_good_order_swaps_the_roles(redis_cluster):
    """CLUSTER FAILOVER: primary and replica change places, and nobody dies."""
    old = redis_cluster.primary_of(0)
    new = redis_cluster.failover(0)
    assert new is redis_cluster.primary_of(0) is not old
    redis_cluster.wait_whole()
    assert redis_cluster.replicas_of(0) == [old]


def test_a_slot_moves_with_its_keys(redis_cluster, redis_namespace):
    """In the middle of a migration a missing key is answered with ASK, afterwards with MOVED."""
    key = f"{{{redis_namespace}}}:k"
    source, slot = redis_cluster.primary_of(key), redis_cluster.slot_of(key)
    target = next(node for place in (0, 6_000, 16_383) if (node := redis_cluster.primary_of(place)) is not source)
    source.command("SET", key, "v")
    redis_cluster.open_migration(slot, target)
    with pytest.raises(ReplyError, match="ASK"):
        source.command("GET", f"{{{redis_namespace}}}:absent")
    assert redis_cluster.move_keys(slot, target) == 1
    redis_cluster.close_migration(slot, target)
    assert redis_cluster.primary_of(key) is target
    assert target.command("GET", key) == b"v"
    with pytest.raises(ReplyError, match="MOVED"):
        source.command("GET", key)
    redis_cluster.migrate_slot(slot, source)
    assert source.command("GET", key) == b"v"


def test_sentinels_replace_a_killed_primary(redis_sentinel, redis_namespace):
    """A replica takes over with the data; heal() makes the old primary follow the new one."""
    old = redis_sentinel.primary
    with old.connect() as wire:
        wire.command("SET", redis_namespace, "v")
        wire.command("WAIT", 2, 0)
    assert redis_sentinel.kill_primary() is old
    new = redis_sentinel.wait_promoted(instead_of=old)
    assert new is not old
    assert new.command("GET", redis_namespace) == b"v"
    redis_sentinel.heal()
    assert redis_sentinel.primary is new
    assert old in redis_sentinel.replicas
    assert old.info("replication")["master_port"] == str(new.port)


def test_the_address_of_the_trio_names_all_sentinels(redis_sentinel):
    """The URL is enough for a client to find the primary, whichever sentinel lives."""
    parsed = parse_url(redis_sentinel.url)
    assert (parsed.kind, parsed.primary_name) == ("sentinel", "main")
    assert tuple((address.host, address.port) for address in parsed.addresses) == redis_sentinel.addresses


def test_the_address_of_the_cluster_names_all_nodes(redis_cluster):
    """The URL is enough for a client to find the cluster, whichever node lives."""
    parsed = parse_url(redis_cluster.url)
    assert parsed.kind == "cluster"
    assert [(address.host, address.port) for address in parsed.addresses] == [
        node.address for node in redis_cluster.nodes
    ]
    assert [parse_url(url).addresses[0] for url in redis_cluster.urls] == list(parsed.addresses)


def test_topologies_can_have_a_password():
    """One password for all nodes, and in the URL; the nodes use it among themselves too."""
    with SentinelTrio(password="pa ss/1") as trio:
        assert parse_url(trio.url).password == "pa ss/1"
    with RedisCluster(password="pa ss/1") as cluster:
        assert parse_url(cluster.url).password == "pa ss/1"
        cluster.failover(0)
