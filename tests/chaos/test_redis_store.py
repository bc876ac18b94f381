"""A store whose server misbehaves: what a caller pays, what is refused, what comes back. Counts, not milliseconds."""

from __future__ import annotations

import asyncio

import pytest

from evercache.core import protocol as say
from evercache.engine.clock import SystemClock
from evercache.errors import StoreUnavailable, WritesRefused
from evercache.stores.redis.store import RedisStore
from evercache.testing.servers import RedisServer, ReplyError, find_all
from tests.support.ears import TERMS, Ears, filled, opened, record_of, until

IMPATIENT = {"operation_timeout": 0.1, "connect_timeout": 0.25}
pytestmark = pytest.mark.expects_logs
LOOK = say.Look(say.Key(b"k", "k"), ())


async def refused(store, command=LOOK):
    """The reason for which *command* is refused."""
    with pytest.raises(StoreUnavailable) as caught:
        await store.execute(0, command)
    return caught.value.reason


@pytest.mark.row("FT2", "W25")
async def test_a_hung_server_costs_one_timeout(redis_server, redis_url, redis_namespace):
    """
    All commands in flight share the one time-out; afterwards nothing is sent until the background has found it well.
    """
    async with opened(redis_url, redis_namespace, **IMPATIENT) as (store, ears):
        await filled(store, b"k")
        redis_server.pause()
        replies = await asyncio.gather(*[store.execute(0, LOOK) for _ in range(50)], return_exceptions=True)
        assert {reply.reason for reply in replies} == {"timeout"}
        assert ears.count("untrusted") == 1
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(1_000):
            assert await refused(store)
        assert loop.time() - began < 0.1 * 1_000  # not one of them waited for a time-out of its own
        redis_server.resume()
        await until(lambda: store.trusted(0))
        assert (await store.execute(0, LOOK)).record is not None


async def test_a_stalled_event_loop_is_not_a_hung_server(redis_url, redis_namespace):
    """
    The replies lie in the socket when the timer comes late: nothing fails.
    """
    import time

    async with opened(redis_url, redis_namespace, **IMPATIENT) as (store, ears):
        await filled(store, b"k")
        for _ in range(3):
            looks = [asyncio.create_task(store.execute(0, LOOK)) for _ in range(20)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            time.sleep(0.3)  # noqa: ASYNC251 - stalling the loop is the case
            assert all([(await look).record is not None for look in looks])
        assert ears.reasons() == []


@pytest.mark.row("FT1", "FT7", "PR4")
async def test_a_killed_server_comes_back_empty(redis_server, redis_url, redis_namespace):
    """
    Refused at once while it is away; a new run id is told once, and the store is trusted again.
    """
    async with opened(redis_url, redis_namespace) as (store, ears):
        await filled(store, b"k")
        await until(lambda: ears.count("flushed") == 1)
        redis_server.kill()
        await until(lambda: not store.trusted(0))
        assert await refused(store) in {"closed", "refused"}
        redis_server.start()
        await until(lambda: store.trusted(0))
        assert (await store.execute(0, LOOK)).record is None
        assert ears.count("restarted") == 1
        await until(lambda: ears.count("flushed") == 2)


@pytest.mark.parametrize(("mode", "survives"), [("distrust", False), ("replay", True), ("ignore", True)])
@pytest.mark.row("FT7", "PR4")
async def test_a_restart_with_data_is_distrusted_or_not(redis_server, redis_url, redis_namespace, mode, survives):
    """
    A restarted server may have lost invalidations: by default what it holds is invalid from the first command on.
    """
    async with opened(redis_url, redis_namespace, on_failover=mode) as (store, ears):
        key = await filled(store, b"k")
        redis_server.restart(keep_data=True)
        await until(lambda: ears.count("restarted") == 1 and store.trusted(0))
        looked = await store.execute(0, say.Look(key, ()))
        assert looked.record is not None
        assert (looked.record.namespace == looked.namespace) is survives


@pytest.mark.row("FT8")
async def test_what_is_owed_is_repeated_before_anything_is_trusted(redis_server, redis_url, redis_namespace):
    """
    Ten thousand journalled invalidations are confirmed first; only then may the store be read.
    """
    async with opened(redis_url, redis_namespace, on_failover="ignore") as (store, ears):
        await filled(store, b"key-7")
        redis_server.restart(keep_data=True)
        ears.debts[0] = [(number, say.InvalidateKey(b"key-%d" % number)) for number in range(10_000)]
        await until(lambda: ears.count("restarted") == 1 and store.trusted(0))
        assert ears.debts[0] == []
        assert (await store.execute(0, say.Look(say.Key(b"key-7", ""), ()))).record is None


class LateDebtor(Ears):
    """Owes something only after it was asked and had said no."""

    def __init__(self):
        super().__init__()
        self.late = False

    def owed(self, partition, limit):
        owed = super().owed(partition, limit)
        if not owed and not self.late:
            self.late = True
            debt = (1, say.InvalidateKey(b"k"))
            asyncio.get_running_loop().call_soon(self.debts.setdefault(0, []).append, debt)
        return owed


@pytest.mark.row("FT8")
async def test_what_is_refused_while_a_partition_is_adopted_is_not_forgotten(redis_url, redis_namespace):
    """
    An invalidation that comes between the last question for debts and the moment of trust is repeated before that moment.
    """
    async with opened(redis_url, redis_namespace) as (other, _):
        await filled(other, b"k")
        store, ears = RedisStore(f"{redis_url}?namespace={redis_namespace}", clock=SystemClock()), LateDebtor()
        await store.start(ears)
        try:
            await until(lambda: store.trusted(0))
            assert ears.debts[0] == []
            assert (await store.execute(0, LOOK)).record is None
        finally:
            await store.close()


@pytest.fixture(params=find_all(), ids=str)
def full_server(request):
    """A server that will not evict; each version that is installed, since each decides by itself what passes."""
    with RedisServer("maxmemory-policy noeviction", binary=request.param) as server:
        yield server


@pytest.mark.row("FT6")
async def test_a_full_server_is_read_and_invalidated_but_not_filled(full_server, redis_namespace):
    """
    OOM: reads go on, fills are refused and then paused, every kind of invalidation is confirmed.
    """
    server = full_server
    async with opened(server.url, redis_namespace) as (store, ears):
        key = await filled(store, b"k", (b"t",))
        begun = await store.execute(0, say.Begin(key, (b"t",), b"c", b"L", TERMS, force=True))
        server.command("CONFIG", "SET", "maxmemory", "1mb")
        fill = say.Fill(key, record_of(begun, (b"t",)), begun.generation, b"L", 10_000, TERMS)
        with pytest.raises(WritesRefused) as caught:
            await store.execute(0, fill)
        assert caught.value.reason == "oom"
        assert server.command("GET", f"{{{redis_namespace}.0}}:l:k") is None  # the lock is given back all the same
        with pytest.raises(WritesRefused):
            await store.execute(0, say.Begin(key, (), b"c", b"L", TERMS))
        assert store.health()[0].writes == "oom"
        assert (await store.execute(0, say.Look(key, (b"t",)))).record is not None
        for command in (
            say.ExpireKey(b"k"),
            say.InvalidateKey(b"k"),
            say.InvalidateTag(b"t", b"c", TERMS),
            say.ExpireTag(b"t", b"c", TERMS),
            say.Reserve(key, (b"t", b"new"), b"c", TERMS),
            say.Ban("a*", b"c", TERMS),
            say.Distrust(b"c", TERMS),
        ):
            await store.execute(0, command)
        assert ears.reasons() == []


@pytest.mark.row("FT6")
async def test_refused_invalidations_are_repeated_when_writes_pass_again(make_redis, redis_namespace):
    """
    NOREPLICAS refuses everything; the journal is repeated in the background although the store stayed trusted.
    """
    server = make_redis()
    async with opened(server.url, redis_namespace) as (store, ears):
        key = await filled(store, b"k")
        server.command("CONFIG", "SET", "min-replicas-to-write", 1)
        assert await refused(store, say.InvalidateKey(b"k")) == "noreplicas"
        ears.debts[0] = [(1, say.InvalidateKey(b"k"))]
        assert (await store.execute(0, say.Look(key, ()))).record is not None
        server.command("CONFIG", "SET", "min-replicas-to-write", 0)
        await until(lambda: ears.debts[0] == [])
        assert (await store.execute(0, say.Look(key, ()))).record is None


@pytest.mark.row("FT6", "FT16")
async def test_a_replica_is_not_used(make_redis, redis_namespace):
    """
    A server that was made a replica is left at the first sign, and not trusted again before it is a primary.
    """
    primary, server = make_redis(), make_redis()
    async with opened(server.url, redis_namespace, delta=0.25) as (store, ears):
        await filled(store, b"k")
        server.command("REPLICAOF", *primary.address)
        with pytest.raises(StoreUnavailable):
            await store.execute(0, say.InvalidateKey(b"k"))
        await until(lambda: "readonly" in ears.reasons())
        server.command("REPLICAOF", "NO", "ONE")
        await until(lambda: store.trusted(0))


@pytest.mark.row("FT16")
async def test_a_wrong_password_is_tried_rarely(make_redis, redis_namespace):
    """
    A permanent fault has its reason in health and is not hammered.
    """
    server = make_redis(password="right")
    url = f"redis://:wrong@{server.host}:{server.port}/0?namespace={redis_namespace}"
    store, ears = RedisStore(url, clock=SystemClock()), Ears()
    await store.start(ears)
    try:
        await until(lambda: store.health()[0].reason == "auth")
        assert await refused(store) == "auth"
        attempts = int(server.info("stats")["total_connections_received"])
        for _ in range(100):
            await refused(store)
        assert int(server.info("stats")["total_connections_received"]) - attempts <= 2
    finally:
        await store.close()


@pytest.mark.row("FT1")
async def test_a_server_that_is_away_at_the_start_is_used_when_it_comes(make_redis, redis_namespace):
    """
    Starting never fails; the first answer makes the store trusted.
    """
    server = make_redis()
    server.kill()
    store, ears = RedisStore(f"{server.url}?namespace={redis_namespace}", clock=SystemClock()), Ears()
    await store.start(ears)
    try:
        assert await refused(store) in {"starting", "refused"}
        server.start()
        await until(lambda: store.trusted(0))
    finally:
        await store.close()


@pytest.mark.row("FT16")
async def test_a_busy_script_makes_the_store_unavailable_until_it_ends(make_redis, redis_namespace):
    """
    BUSY is an outage with that reason; after SCRIPT KILL the store comes back.
    """
    server = make_redis("lua-time-limit 5")
    async with opened(server.url, redis_namespace, **IMPATIENT) as (store, _):
        await filled(store, b"k")
        with server.connect() as wire:
            wire.send("EVAL", "while true do end", 0)
            await until(lambda: not store.trusted(0) or _looks_busy(server))
            assert await refused(store)
            await until(lambda: not store.trusted(0))
            server.command("SCRIPT", "KILL")
        await until(lambda: store.trusted(0))
        assert (await store.execute(0, LOOK)).record is not None


def _looks_busy(server):
    try:
        server.command("PING")
    except ReplyError as error:
        return "BUSY" in str(error)
    return False


@pytest.mark.row("FT15")
async def test_connections_killed_by_the_server_are_opened_again(redis_server, redis_url, redis_namespace):
    """
    CLIENT KILL of everybody: untrusted, reconnected, L1 flushed; the run id is the same, so nothing is distrusted.
    """
    async with opened(redis_url, redis_namespace) as (store, ears):
        key = await filled(store, b"k")
        await until(lambda: ears.count("flushed") == 1)
        redis_server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await until(lambda: ears.count("trusted") == 2 and ears.count("flushed") == 2)
        looked = await store.execute(0, say.Look(key, ()))
        assert looked.record is not None
        assert looked.record.namespace == looked.namespace
        assert ears.count("restarted") == 0


async def test_processes_that_disagree_on_the_secret_keep_apart(redis_url, redis_namespace, caplog):
    """
    The second process keeps its hands off and says why, without showing either secret.
    """
    first, second = "a-secret-of-sixteen", "another-of-sixteen."
    async with opened(redis_url, redis_namespace, secret=first):
        settings = RedisStore(f"{redis_url}?namespace={redis_namespace}", clock=SystemClock()).settings
        store, ears = RedisStore(settings.changed(secret=second), clock=SystemClock()), Ears()
        await store.start(ears)
        try:
            await until(lambda: store.health()[0].reason == "contract")
            assert await refused(store) == "contract"
            assert "secret" in caplog.text
            assert first not in caplog.text
            assert second not in caplog.text
        finally:
            await store.close()


@pytest.mark.row("FT4")
async def test_a_slow_server_is_gone_around_until_it_is_fast_again(redis_server, tcp_proxy, redis_namespace):
    """
    Slower than half of the loads: reads are refused with that reason, invalidations go on, probes end it.
    """
    url = tcp_proxy.rewrite(redis_server.url)
    async with opened(url, redis_namespace, operation_timeout=5.0) as (store, ears):
        key = await filled(store, b"k")
        for _ in range(20):
            store.note_load(0.03)
        tcp_proxy.delay(0.06)
        while store.trusted(0):
            await asyncio.gather(store.execute(0, LOOK), return_exceptions=True)
        assert ears.reasons() == ["slow"]
        assert store.health()[0].state == "slow"
        assert await refused(store) == "slow"
        await store.execute(0, say.InvalidateKey(key.id))
        tcp_proxy.heal()
        await until(lambda: store.trusted(0))
        assert (await store.execute(0, LOOK)).record is None


@pytest.mark.row("FT3")
async def test_a_half_open_link_is_found_by_the_one_timer(redis_server, tcp_proxy, redis_namespace):
    """
    Nothing comes back and nothing breaks: one time-out, the lease lapses by itself, then everything is new.
    """
    url = tcp_proxy.rewrite(redis_server.url)
    async with opened(url, redis_namespace, delta=0.25, **IMPATIENT) as (store, ears):
        await filled(store, b"k")
        await until(lambda: ears.leases)
        tcp_proxy.freeze()
        replies = await asyncio.gather(*[store.execute(0, LOOK) for _ in range(20)], return_exceptions=True)
        assert {reply.reason for reply in replies} == {"timeout"}
        assert not store.trusted(0)
        await until(lambda: not store.health()[0].leased)
        tcp_proxy.heal()
        await until(lambda: store.trusted(0) and store.health()[0].leased)


@pytest.mark.row("FT16")
async def test_a_loading_server_is_unavailable_with_that_reason(make_redis, redis_namespace):
    """
    LOADING: refused at once, the reason in health, trusted when the data is there.
    """
    server = make_redis("key-load-delay 2000", "loading-process-events-interval-bytes 1024")
    patience = {"connect_timeout": 10.0, "operation_timeout": 10.0}  # a loading server answers in long intervals
    async with opened(server.url, redis_namespace, **patience) as (store, ears):
        with server.connect() as wire:
            for number in range(700):
                wire.command("SET", f"ballast-{number}", b"x" * 64)
            wire.command("SAVE")
        server.kill()
        server.launch()
        await until(lambda: "loading" in ears.reasons())
        assert await refused(store) == "loading"
        await until(lambda: store.trusted(0))
