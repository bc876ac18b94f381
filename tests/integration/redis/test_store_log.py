"""The invalidation log: leases, gaps, wake-ups, and the server's clock."""

from __future__ import annotations

import pytest

from evercache.core import protocol as say
from evercache.engine.clock import SystemClock
from tests.support.ears import TERMS, filled, opened, until


async def following(store, ears):
    """Wait until the log is open and drop what was heard so far."""
    await until(lambda: ears.count("flushed") and ears.leases)
    ears.heard.clear()


@pytest.mark.row("PR2")
async def test_the_lease_is_renewed_and_ends_delta_after_the_question(redis_url, redis_namespace):
    """
    The lease grows while Redis answers, and never reaches further than Δ from now.
    """
    async with opened(redis_url, redis_namespace, delta=0.25) as (store, ears):
        await following(store, ears)
        first = ears.leases[0]
        await until(lambda: ears.leases[0] > first + 0.1)
        assert ears.leases[0] <= SystemClock.monotonic() + 0.25
        assert store.health()[0].leased


@pytest.mark.row("PR2", "S4.20")
async def test_another_process_hears_every_kind_of_invalidation(redis_url, redis_namespace):
    """
    Each invalidation is one record, in the order in which they were confirmed.
    """
    async with (
        opened(redis_url, redis_namespace) as (writer, _),
        opened(redis_url, redis_namespace) as (reader, ears),
    ):
        await following(reader, ears)
        for command in (
            say.InvalidateKey(b"k"),
            say.ExpireKey(b"k"),
            say.InvalidateTag(b"t", b"c", TERMS),
            say.ExpireTag(b"t", b"c", TERMS),
            say.Ban("a*", b"c", TERMS),
            say.Distrust(b"c", TERMS),
        ):
            await writer.execute(0, command)
        await until(lambda: ears.count("logged") >= 6)
        records = [(item[2], item[3]) for item in ears.heard if item[0] == "logged"]
        assert records == [("k", b"k"), ("x", b"k"), ("t", b"t"), ("y", b"t"), ("b", b"a*"), ("n", b"")]


@pytest.mark.parametrize("fault", ["DEL", "XTRIM", "FLUSHALL"])
@pytest.mark.row("PR2", "FT10")
async def test_a_gap_in_the_log_makes_l1_forget(redis_server, redis_url, redis_namespace, caplog, fault):
    """
    A log that was deleted, trimmed or flushed answers "nothing new"; the missing anchor tells.
    """
    async with opened(redis_url, redis_namespace, delta=0.25) as (store, ears):
        await following(store, ears)
        log = f"{{{redis_namespace}.0}}:log"
        match fault:
            case "DEL":
                redis_server.command("DEL", log)
            case "XTRIM":
                redis_server.command("XTRIM", log, "MAXLEN", 0)
            case "FLUSHALL":
                redis_server.command("FLUSHALL")
        await until(lambda: ears.count("flushed"))
        lease = ears.leases[0]
        await until(lambda: ears.leases[0] > lease)
        await store.execute(0, say.InvalidateKey(b"after"))
        await until(lambda: ("logged", 0, "k", b"after") in ears.heard)


async def test_a_fill_wakes_those_who_wait_for_it(redis_url, redis_namespace):
    """
    A wake-up is sent only if somebody found the lock taken, and arrives in the other process.
    """
    async with (
        opened(redis_url, redis_namespace) as (loader, _),
        opened(redis_url, redis_namespace) as (waiter, ears),
    ):
        await following(waiter, ears)
        await filled(loader, b"nobody-waits")
        key = say.Key(b"k", "k")
        begun = await loader.execute(0, say.Begin(key, (), b"c1", b"L1", TERMS))
        assert begun.holder
        second = await waiter.execute(0, say.Begin(key, (), b"c2", b"L2", TERMS))
        assert not second.holder
        assert 0 < second.wait <= 1.5
        await loader.execute(0, say.Release(key, b"L1"))
        await until(lambda: ears.count("woken"))
        assert [item for item in ears.heard if item[0] == "woken"] == [("woken", 0, b"k")]


@pytest.mark.row("FT18")
async def test_the_servers_clock_is_never_behind(redis_server, redis_url, redis_namespace):
    """
    The estimate comes from replies alone: it is at least what the server showed before, and close to it.
    """
    async with opened(redis_url, redis_namespace) as (store, ears):
        await following(store, ears)
        seconds, micros = redis_server.command("TIME")
        shown = int(seconds) * 1000 + int(micros) // 1000
        assert shown <= store.now(0) < shown + 5_000


async def test_two_processes_agree_on_delta(redis_url, redis_namespace, caplog):
    """
    The second process takes over the first one's Δ.
    """
    async with (
        opened(redis_url, redis_namespace, delta=0.5),
        opened(redis_url, redis_namespace, delta=2.0) as (second, _),
    ):
        assert second.delta == 0.5
