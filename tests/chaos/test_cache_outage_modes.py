"""What an outage leaves behind: journalled invalidations, and who answers while Redis is away."""

from __future__ import annotations

import asyncio

import pytest

from evercache import Cache, Confirmation
from evercache.errors import InvalidationPending, StoreUnavailable
from evercache.stores.local import MemoryStore
from evercache.testing.chaos import ChaosStore
from tests.support.ears import until
from tests.support.outage import Origin, cache_on, many, opened_cache, trusted

pytestmark = pytest.mark.expects_logs
IMPATIENT = {"operation_timeout": 0.5, "connect_timeout": 0.5}


# -- the journal (FT8) -----------------------------------------------------------------------------------------------


@pytest.mark.row("FT8", "S2.102")
async def test_what_was_invalidated_in_an_outage_is_never_seen_again(redis_server, tcp_proxy, redis_namespace):
    """
    Invalidations during an outage are PENDING and owed; here the old value is gone at once, and everywhere before this
    process trusts Redis again: the first hit of another process after it is already the new value.
    """
    origin = Origin()
    near = opened_cache(tcp_proxy.rewrite(redis_server.url), redis_namespace, on_failover="ignore", **IMPATIENT)
    far = opened_cache(redis_server.url, redis_namespace, on_failover="ignore")
    async with near as (cache, _), far as (other, _):
        row, theirs = origin.cached(cache), origin.cached(other, l1=False)
        await many(row, 30, of=30)
        tcp_proxy.refuse()
        tcp_proxy.cut()
        await until(lambda: cache.health().status == "down")
        for number in range(30):
            origin.versions[number] = 1
        assert await cache.invalidate_tags("row:1") is Confirmation.PENDING
        assert await row.invalidate(2) is Confirmation.PENDING
        assert await cache.invalidate_pattern("row:3*") is Confirmation.PENDING
        assert cache.health().owed == 3
        assert cache.health().to_dict()["unconfirmed_invalidations"] == 3
        assert [(await row(number))["version"] for number in (1, 2, 3)] == [1, 1, 1]
        assert [(await theirs(number))["version"] for number in (1, 2, 3)] == [0, 0, 0]
        first_hits = []

        def look(event):
            if type(event).__name__ == "Recovered":
                first_hits.append(asyncio.ensure_future(many(theirs, 4, of=4)))

        cache.observe(look)
        tcp_proxy.heal()
        await trusted(cache)
        assert cache.health().owed == 0
        assert [answer["version"] for answer in await first_hits[0]] == [0, 1, 1, 1]
        assert [(await row(number))["version"] for number in (1, 2, 3)] == [1, 1, 1]


@pytest.mark.row("FT8")
async def test_a_journal_of_ten_thousand_loses_none(redis_server, tcp_proxy, redis_namespace):
    """
    Ten thousand keys, some of them twice: coalesced, kept, repeated, all of them confirmed.
    """
    origin = Origin()
    near = opened_cache(tcp_proxy.rewrite(redis_server.url), redis_namespace, on_failover="ignore")
    far = opened_cache(redis_server.url, redis_namespace, on_failover="ignore")
    async with near as (cache, _), far as (other, _):
        row, theirs = origin.cached(cache, l1=False), origin.cached(other, l1=False)
        await many(theirs, 500, of=500)
        tcp_proxy.refuse()
        tcp_proxy.cut()
        await until(lambda: cache.health().status == "down")
        for number in range(10_000):
            origin.versions[number] = 1
        for count in (10_000, 1_000):
            answers = await asyncio.gather(*[row.invalidate(number) for number in range(count)])
            assert set(answers) == {Confirmation.PENDING}
        assert cache.health().owed == 10_000
        tcp_proxy.heal()
        await trusted(cache)
        assert cache.health().owed == 0
        assert {answer["version"] for answer in await many(theirs, 500, of=500)} == {1}


@pytest.mark.row("FT8", "FT15")
async def test_what_is_owed_at_the_end_is_said(redis_server, redis_url, redis_namespace, caplog):
    """
    A process that stops while Redis is away can't confirm any more; its last word is how much that is.
    """
    cache = cache_on(redis_url, redis_namespace, **IMPATIENT)
    await cache.start()
    await trusted(cache)
    redis_server.kill()
    await until(lambda: cache.health().status == "down")
    await cache.invalidate_tags("a", "b")
    await cache.engine.stop(drain=0.01)
    [record] = [record for record in caplog.records if getattr(record, "event", "") == "cache.unconfirmed"]
    assert record.count == 2
    assert "a" not in record.getMessage().split()


# -- who answers (outage modes, FT9) ---------------------------------------------------------------------------------


class Harbour:
    """Two caches over one store in this process; the store of the first can be switched off."""

    def __init__(self, clock, **settings):
        self.shared = MemoryStore(clock)
        self.stores = []
        self.origin = Origin()

        def join():
            self.stores.append(ChaosStore(self.shared.join(), clock=clock))
            return self.stores[-1]

        environ = {f"CACHE_{name.upper()}": str(value) for name, value in settings.items()}
        self.cache = Cache(store=join, clock=clock, environ=environ)
        self.other = Cache(store=self.shared.join, clock=clock, environ={})

    async def __aenter__(self):
        await self.cache.start()
        await self.other.start()
        return self

    async def __aexit__(self, *_):
        await self.cache.stop()
        await self.other.stop()

    def down(self):
        """The outage, and the end of the lease, which lapses by itself."""
        self.stores[0].down()
        self.cache.engine.lease_of(0).until = self.cache.clock.monotonic()

    async def up(self):
        await self.stores[0].up()
        self.cache.engine.lease_of(0).until = float("inf")


@pytest.mark.row("FT9", "S4.23")
async def test_outage_origin_asks_the_origin_every_time(manual_clock):
    """
    The default: once the lease has lapsed nothing may be stale, so every read is a load.
    """
    async with Harbour(manual_clock) as harbour:
        row = harbour.origin.cached(harbour.cache)
        await row(1)
        harbour.down()
        for _ in range(10):
            await row(1)
        assert harbour.origin.loads[1] == 11


@pytest.mark.row("FT9", "S4.23")
async def test_outage_l1_answers_for_degraded_ttl(manual_clock):
    """
    `l1`: this process's memory answers, never longer than degraded_ttl, so an invalidation elsewhere is missed at most
    that long; on recovery it is forgotten at once.
    """
    async with Harbour(manual_clock, outage="l1", degraded_ttl="5") as harbour:
        row = harbour.origin.cached(harbour.cache, jitter=None)
        await row(1)
        harbour.down()
        harbour.origin.versions[1] = 1
        assert await harbour.other.invalidate_tags("row:1") is Confirmation.CONFIRMED
        manual_clock.advance(4.9)
        assert (await row(1))["version"] == 0
        assert harbour.origin.loads[1] == 1
        manual_clock.advance(0.2)
        assert (await row(1))["version"] == 1
        loads = harbour.origin.loads[1]
        await row(1)  # what was loaded in the outage is kept for degraded_ttl, too
        assert harbour.origin.loads[1] == loads
        harbour.origin.versions[1] = 2
        await harbour.other.invalidate_tags("row:1")
        manual_clock.advance(5.1)
        assert (await row(1))["version"] == 2
        harbour.origin.versions[1] = 3
        await harbour.other.invalidate_tags("row:1")
        await harbour.up()
        assert (await row(1))["version"] == 3


@pytest.mark.row("FT9", "FT8")
@pytest.mark.parametrize("mode", ["origin", "l1", "stale"])
async def test_own_invalidations_hold_in_every_outage_mode(manual_clock, mode):
    """
    Whoever answers: what this process has invalidated itself it never serves again.
    """
    async with Harbour(manual_clock, outage=mode) as harbour:
        row = harbour.origin.cached(harbour.cache)
        await row(1)
        harbour.down()
        harbour.origin.versions[1] = 1
        assert await harbour.cache.invalidate_tags("row:1") is Confirmation.PENDING
        assert (await row(1))["version"] == 1
        harbour.origin.versions[1] = 2
        assert await row.invalidate(1) is Confirmation.PENDING
        assert (await row(1))["version"] == 2
        await harbour.up()
        assert (await row(1))["version"] == 2
        assert (await harbour.origin.cached(harbour.other)(1))["version"] == 2


@pytest.mark.row("FT9", "S4.23")
async def test_outage_stale_answers_as_long_as_there_is_something(manual_clock):
    """
    `stale`: what is in memory answers for the whole outage, within its own ttl.
    """
    async with Harbour(manual_clock, outage="stale") as harbour:
        row = harbour.origin.cached(harbour.cache, ttl="1h", jitter=None)
        await row(1)
        harbour.down()
        manual_clock.advance(3_000)
        assert await row(1)
        assert harbour.origin.loads[1] == 1


@pytest.mark.row("FT9", "S4.23")
async def test_outage_raise_says_so(manual_clock):
    """
    `raise`: the one mode in which the caller is told, by an error with the reason to look at.
    """
    async with Harbour(manual_clock, outage="raise") as harbour:
        row = harbour.origin.cached(harbour.cache)
        await row(1)
        harbour.down()
        with pytest.raises(StoreUnavailable, match="outage='raise'"):
            await row(1)
        await harbour.up()
        assert await row(1)


async def test_on_pending_raise_says_so(manual_clock):
    """
    Who must know that an invalidation is confirmed can ask for an error; it is journalled all the same.
    """
    shared, stores = MemoryStore(manual_clock), []

    def join():
        stores.append(ChaosStore(shared.join(), clock=manual_clock))
        return stores[-1]

    async with Cache(store=join, clock=manual_clock, environ={}, on_pending="raise") as cache:
        stores[0].down()
        with pytest.raises(InvalidationPending):
            await cache.invalidate_tags("t")
        assert cache.health().owed == 1
        await stores[0].up()
        assert cache.health().owed == 0
