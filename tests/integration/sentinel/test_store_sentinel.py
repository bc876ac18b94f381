"""The store behind sentinels: the primary dies, another one is adopted."""

from __future__ import annotations

import asyncio

import pytest

from evercache.core import protocol as say
from evercache.errors import StoreUnavailable
from tests.support.ears import filled, opened, until


@pytest.mark.expects_logs
@pytest.mark.row("FT7", "PR4")
async def test_the_promoted_replica_is_adopted_before_its_first_command(redis_sentinel, redis_namespace):
    """
    Refused at once while nobody is primary; what the new primary holds is distrusted, and L1 forgets.
    """
    async with opened(redis_sentinel.url, redis_namespace) as (store, ears):
        key = await filled(store, b"k")
        await until(lambda: ears.count("flushed") == 1)
        with redis_sentinel.primary.connect() as wire:
            wire.command("WAIT", 2, 5_000)
        killed = await asyncio.to_thread(redis_sentinel.kill_primary)
        await until(lambda: not store.trusted(0))
        with pytest.raises(StoreUnavailable):
            await store.execute(0, say.Look(key, ()))
        await until(lambda: store.trusted(0), seconds=60)
        assert killed.port != int(store.health()[0].address.rpartition(":")[2])
        item = await store.execute(0, say.Look(key, ()))
        assert item.record is not None
        assert item.record.namespace != item.namespace
        assert ears.count("restarted") == 1
        await until(lambda: ears.count("flushed") >= 2)


@pytest.mark.expects_logs
@pytest.mark.row("PR2", "FT7")
async def test_a_primary_without_its_replicas_renews_no_lease(redis_sentinel, redis_namespace):
    """
    A primary that was cut off goes on answering reads; only an acknowledged write proves that it is still the primary.
    """
    async with opened(redis_sentinel.url, redis_namespace, delta=0.25) as (store, ears):
        await until(lambda: ears.leases)
        primary, replicas = redis_sentinel.primary, redis_sentinel.replicas
        for replica in replicas:
            replica.pause()
        try:
            # Answers that were on their way when the replicas stopped are through after two more questions.
            await asked_for_witnesses(primary, 3)
            lease = ears.leases[0]
            await asked_for_witnesses(primary, 4)
            assert ears.leases[0] == lease
            await until(lambda: not store.health()[0].leased)
            assert store.trusted(0)
        finally:
            for replica in replicas:
                replica.resume()
        await until(lambda: ears.leases[0] > lease)


async def asked_for_witnesses(primary, times):
    """Wait until the primary was asked that often for the acknowledgement of a replica."""

    def count():
        return int(primary.info("commandstats")["cmdstat_wait"].split(",")[0].removeprefix("calls="))

    before = count()
    await until(lambda: count() >= before + times)
