"""The store on a Cluster: sixteen partitions, moving slots, a primary that dies."""

from __future__ import annotations

import asyncio

import pytest

from evercache.core import protocol as say
from evercache.errors import StoreUnavailable
from tests.support.ears import TERMS, filled, opened, until

NAMES = [b"key-%d" % number for number in range(64)]


async def looked(store, name, tags=()):
    """What Look says, repeated while a partition is away."""
    for _ in range(2_000):
        try:
            return await store.execute(store.partition_of(name), say.Look(say.Key(name, ""), tags))
        except StoreUnavailable:
            await asyncio.sleep(0.01)
    raise AssertionError("the partition did not come back")


def tag_of(namespace, partition):
    return f"{{{namespace}.{partition}}}"


@pytest.mark.row("S1.4")
async def test_every_partition_is_filled_read_and_invalidated(redis_cluster, redis_namespace):
    """
    A tag reaches all sixteen partitions, each by a command of its own; each is one slot.
    """
    async with opened(redis_cluster.url, redis_namespace) as (store, _):
        assert store.partitions == 16
        assert len({store.partition_of(name) for name in NAMES}) == 16
        await asyncio.gather(*[filled(store, name, (b"t",)) for name in NAMES])
        for item in await asyncio.gather(*[looked(store, name, (b"t",)) for name in NAMES]):
            assert item.record is not None
            assert item.record.stamps == item.stamps
        await asyncio.gather(*[store.execute(p, say.InvalidateTag(b"t", b"c", TERMS)) for p in range(16)])
        for item in await asyncio.gather(*[looked(store, name, (b"t",)) for name in NAMES]):
            assert item.record.stamps != item.stamps


@pytest.mark.row("PR2")
async def test_the_bell_brings_invalidations_before_the_poll(redis_cluster, redis_namespace):
    """
    With Δ = 60 s the next poll is a quarter of a minute away; the bell says "read now".
    """
    async with (
        opened(redis_cluster.url, redis_namespace, delta=60.0) as (writer, _),
        opened(redis_cluster.url, redis_namespace, delta=60.0) as (reader, ears),
    ):
        await until(lambda: len(ears.leases) == 16 and ears.count("flushed") == 16)
        await until(lambda: reader.hears_the_bell and writer.hears_the_bell)
        for partition in range(16):
            await writer.execute(partition, say.InvalidateKey(b"k%d" % partition))
        await until(lambda: ears.count("logged") == 16, seconds=10)


@pytest.mark.expects_logs
@pytest.mark.row("FT16")
async def test_a_slot_that_has_moved_is_followed_within_the_call(redis_cluster, redis_namespace):
    """
    MOVED: the command wasn't executed, so it is sent once to the new server, after that partition's epoch was checked.
    """
    async with opened(redis_cluster.url, redis_namespace) as (store, _):
        await filled(store, NAMES[0])
        partition = store.partition_of(NAMES[0])
        tag = tag_of(redis_namespace, partition)
        source = redis_cluster.primary_of(tag)
        target = next(p for place in (0, 6_000, 16_383) if (p := redis_cluster.primary_of(place)) is not source)
        await asyncio.to_thread(redis_cluster.migrate_slot, redis_cluster.slot_of(tag), target)
        try:
            item = await looked(store, NAMES[0])
            assert item.record is not None
            # Another server process: its namespace stamp is new, so the entry proves nothing any more.
            assert item.record.namespace != item.namespace
            await filled(store, NAMES[0])
        finally:
            await asyncio.to_thread(redis_cluster.migrate_slot, redis_cluster.slot_of(tag), source)


@pytest.mark.expects_logs
@pytest.mark.row("FT16")
async def test_a_slot_on_its_way_is_asked_where_it_goes(redis_cluster, redis_namespace):
    """
    ASK: what is there already is read there. What touches a key that doesn't exist yet can't be confirmed (TRYAGAIN) and is
    repeated when the slot has arrived.
    """
    async with opened(redis_cluster.url, redis_namespace) as (store, ears):
        await filled(store, NAMES[0])
        partition = store.partition_of(NAMES[0])
        tag = tag_of(redis_namespace, partition)
        slot, source = redis_cluster.slot_of(tag), redis_cluster.primary_of(tag)
        target = next(p for place in (0, 6_000, 16_383) if (p := redis_cluster.primary_of(place)) is not source)
        look, invalidate = say.Look(say.Key(NAMES[0], ""), ()), say.InvalidateKey(NAMES[0])
        await asyncio.to_thread(redis_cluster.open_migration, slot, target)
        try:
            await asyncio.to_thread(redis_cluster.move_keys, slot, target)
            assert (await store.execute(partition, look)).record is not None
            assert "moved" not in ears.reasons()
            with pytest.raises(StoreUnavailable) as caught:
                await store.execute(partition, invalidate)
            assert caught.value.reason == "tryagain"
            ears.debts[partition] = [(1, invalidate)]
        finally:
            await asyncio.to_thread(redis_cluster.close_migration, slot, target)
        await until(lambda: ears.debts[partition] == [])
        assert (await looked(store, NAMES[0])).record is None
        await asyncio.to_thread(redis_cluster.migrate_slot, slot, source)


@pytest.mark.expects_logs
@pytest.mark.row("FT7", "PR4")
async def test_a_dead_primary_costs_its_partitions_only_and_is_distrusted_afterwards(redis_cluster, redis_namespace):
    """
    The other partitions answer all the time; the promoted replica is adopted before its first command.
    """
    async with opened(redis_cluster.url, redis_namespace) as (store, ears):
        await asyncio.gather(*[filled(store, name) for name in NAMES])
        tags = [tag_of(redis_namespace, partition) for partition in range(16)]
        victim = redis_cluster.primary_of(tags[0])
        lost = {p for p in range(16) if redis_cluster.primary_of(tags[p]) is victim}
        with victim.connect() as wire:
            wire.command("WAIT", 1, 5_000)
        redis_cluster.kill(victim)
        await until(lambda: not any(store.trusted(p) for p in lost))
        for name in NAMES:
            if store.partition_of(name) not in lost:
                item = await store.execute(store.partition_of(name), say.Look(say.Key(name, ""), ()))
                assert item.record.namespace == item.namespace
        await until(lambda: all(store.trusted(p) for p in range(16)), seconds=60)
        for name in NAMES:
            if store.partition_of(name) in lost:
                item = await looked(store, name)
                assert item.record is None or item.record.namespace != item.namespace
        assert {item[1] for item in ears.heard if item[0] == "restarted"} == lost
