"""Redis answers, and the answer is no: out of memory, read-only, loading, wrong password, not Redis at all.

In every case: no exception, the origin answers, the reason is in health, and it ends by itself.
"""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from evercache import Confirmation
from evercache.testing.servers import ReplyError
from tests.support.ears import until
from tests.support.outage import Origin, cache_on, many, opened_cache, trusted

pytestmark = pytest.mark.expects_logs
IMPATIENT = {"operation_timeout": 0.5, "connect_timeout": 0.5}


async def assert_origin_answers(row, count=200):
    answers = await many(row, count, of=10)
    assert {type(answer) for answer in answers} == {dict}


# -- writes refused (FT6) --------------------------------------------------------------------------------------------


@pytest.mark.row("FT6", "S2.26")
async def test_a_full_server_is_read_and_invalidated(make_redis, redis_namespace):
    """
    OOM with noeviction: what is there is still hit, fills are dropped, tags, keys and patterns are CONFIRMED, and
    another process sees it.
    """
    server, origin = make_redis("maxmemory-policy noeviction"), Origin()
    async with (
        opened_cache(server.url, redis_namespace) as (cache, _),
        opened_cache(server.url, redis_namespace) as (other, _),
    ):
        row, theirs = origin.cached(cache, l1=False), origin.cached(other, l1=False)
        await many(row, 10, of=10)
        server.command("CONFIG", "SET", "maxmemory", "1mb")
        loads = origin.loads.total()
        await assert_origin_answers(row)
        assert origin.loads.total() == loads
        assert await row(77) == await row(77)  # not stored, and nobody's error
        assert origin.loads[77] == 2
        for number in range(10):
            origin.versions[number] = 1
        assert await cache.invalidate_tags("row:1") is Confirmation.CONFIRMED
        assert await row.invalidate(2) is Confirmation.CONFIRMED
        assert await cache.invalidate_pattern("row:3") is Confirmation.CONFIRMED
        assert [(await theirs(number))["version"] for number in (1, 2, 3)] == [1, 1, 1]
        assert (await theirs(4))["version"] == 0
        assert await cache.invalidate_all() is Confirmation.CONFIRMED
        assert (await theirs(4))["version"] == 1
        server.command("CONFIG", "SET", "maxmemory", 0)
        await until_stored(row, origin, 77)


async def until_stored(row, origin, number):
    """Wait until reads of *number* no longer load."""
    async with asyncio.timeout(30):
        while True:
            loads = origin.loads[number]
            await row(number)
            await row(number)
            if origin.loads[number] <= loads:
                return
            await asyncio.sleep(0.01)


@pytest.mark.row("FT6")
@pytest.mark.parametrize("refusal", ["misconf", "noreplicas"])
async def test_a_server_that_refuses_every_write_is_read(make_redis, redis_namespace, refusal):
    """
    MISCONF and NOREPLICAS: reads go on; what can't be invalidated is PENDING, not used here, and repeated until it is
    confirmed.
    """
    server, origin = make_redis("save 900 1000000", "stop-writes-on-bgsave-error yes"), Origin()
    async with opened_cache(server.url, redis_namespace) as (cache, _):
        row = origin.cached(cache, l1=False)
        await many(row, 10, of=10)
        if refusal == "misconf":
            await break_saving(server)
        else:
            server.command("CONFIG", "SET", "min-replicas-to-write", 1)
        loads = origin.loads.total()
        await assert_origin_answers(row)
        assert origin.loads.total() == loads
        origin.versions[1] = 1
        assert await row.invalidate(1) is Confirmation.PENDING
        assert (await row(1))["version"] == 1
        assert cache.health().owed == 1
        if refusal == "misconf":
            server.command("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
        else:
            server.command("CONFIG", "SET", "min-replicas-to-write", 0)
        await until(lambda: cache.health().owed == 0)
        assert (await row(1))["version"] == 1
        await until_stored(row, origin, 1)


async def break_saving(server):
    """Have a BGSAVE fail: where its file should be, there is a folder."""
    (server.folder / "dump.rdb").mkdir()
    (server.folder / "dump.rdb" / "occupied").touch()
    server.command("BGSAVE")
    await until(lambda: server.info("persistence")["rdb_last_bgsave_status"] == "err")


@pytest.mark.row("FT6", "FT16")
async def test_a_primary_that_becomes_a_replica_is_left(make_redis, redis_namespace):
    """
    READONLY: nothing is read from it any more, the reason is in health, and it is used again when it is a primary.
    """
    primary, server, origin = make_redis(), make_redis(), Origin()
    async with opened_cache(server.url, redis_namespace, delta=0.25) as (cache, _):
        row = origin.cached(cache, l1=False)
        await row(1)
        server.command("REPLICAOF", *primary.address)
        while cache.health().status != "down":
            assert await row.invalidate(1) is Confirmation.PENDING
        assert cache.health().reason in {"readonly", "loading", "masterdown"}
        await assert_origin_answers(row)
        server.command("REPLICAOF", "NO", "ONE")
        await trusted(cache)
        await until_stored(row, origin, 1)


# -- down with a reason (FT16) ---------------------------------------------------------------------------------------


async def down_with(url, namespace, reason, **more):
    """A cache on *url* is down for *reason* and answers all the same."""
    origin = Origin()
    async with opened_cache(url, namespace, wait=False, **(IMPATIENT | more)) as (cache, _):
        await until(lambda: cache.health().reason == reason)
        assert cache.health().status == "down"
        assert cache.health().to_dict()["reason"] == reason
        await assert_origin_answers(origin.cached(cache, l1=False))


@pytest.mark.row("FT16")
async def test_a_wrong_password(make_redis, redis_namespace):
    """
    `auth`, tried rarely: no storm that locks the account.
    """
    server = make_redis(password="right")
    url = server.url.replace("right", "wrong")
    await down_with(url, redis_namespace, "auth")


@pytest.mark.row("FT16")
async def test_a_rotated_password(make_redis, redis_namespace):
    """
    The password changes under a running cache: it goes on with what is open, and says `auth` once that breaks.
    """
    server, origin = make_redis(password="before"), Origin()
    async with opened_cache(server.url, redis_namespace) as (cache, _):
        row = origin.cached(cache, l1=False)
        await row(1)
        server.command("CONFIG", "SET", "requirepass", "after")
        server.password = "after"
        server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await until(lambda: cache.health().reason == "auth")
        await assert_origin_answers(row)


@pytest.mark.row("FT16")
async def test_a_user_without_the_commands(make_redis, redis_namespace):
    """
    `denied`: the ACL user may log in and nothing else.
    """
    server = make_redis()
    server.command("ACL", "SETUSER", "nobody", "on", ">secret", "+ping")
    await down_with(f"redis://nobody:secret@{server.host}:{server.port}/0", redis_namespace, "denied")


@pytest.mark.row("FT16")
async def test_tls_against_a_plain_port(make_redis, redis_namespace):
    """
    A plain server never answers a TLS greeting in a way that TLS understands.
    """
    server, origin = make_redis(), Origin()
    url = f"rediss://{server.host}:{server.port}/0"
    async with opened_cache(url, redis_namespace, wait=False, **IMPATIENT) as (cache, _):
        await until(lambda: cache.health().reason in {"tls", "timeout", "closed"})
        assert cache.health().status == "down"
        await assert_origin_answers(origin.cached(cache))


@pytest.mark.row("FT16")
async def test_plain_against_a_tls_port(make_redis, redis_namespace):
    """
    A TLS server closes on a plain greeting.
    """
    server, origin = make_redis(tls=True), Origin()
    url = server.url.replace("rediss", "redis")
    async with opened_cache(url, redis_namespace, wait=False, **IMPATIENT) as (cache, _):
        await until(lambda: cache.health().reason in {"closed", "timeout", "not_redis"})
        await assert_origin_answers(origin.cached(cache))


@pytest.mark.row("FT16")
async def test_an_untrusted_certificate(make_redis, redis_namespace):
    """
    `tls`: verification is on, and nothing was said to trust.
    """
    server = make_redis(tls=True)
    await down_with(server.url, redis_namespace, "tls", connect_timeout=1.0)


@pytest.mark.row("FT16")
async def test_a_port_that_is_not_redis(redis_namespace):
    """
    An HTTP server answers in HTTP: `not_redis`.
    """
    with HttpServer() as port:
        await down_with(f"redis://127.0.0.1:{port}/0", redis_namespace, "not_redis")


class HttpServer:
    """Answers everything with 400, as web servers do."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        return self.listener.getsockname()[1]

    def __exit__(self, *_):
        self.listener.close()

    def _serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


@pytest.mark.row("FT16")
async def test_a_host_that_nobody_knows(redis_namespace):
    """
    `dns`; or `timeout` on a machine whose name server doesn't answer at all.
    """
    origin = Origin()
    async with opened_cache("redis://cache.invalid:6379/0", redis_namespace, wait=False, **IMPATIENT) as (cache, _):
        await until(lambda: cache.health().reason in {"dns", "timeout"})
        await assert_origin_answers(origin.cached(cache))


@pytest.mark.row("FT16", "S2.99")
async def test_a_server_without_a_free_connection(make_redis, redis_namespace):
    """
    `max_clients`: down, and used as soon as somebody leaves.
    """
    server, origin = make_redis("maxclients 1"), Origin()
    wire = server.connect()
    async with opened_cache(server.url, redis_namespace, wait=False, **IMPATIENT) as (cache, _):
        row = origin.cached(cache, l1=False)
        await until(lambda: cache.health().reason == "max_clients")
        await assert_origin_answers(row)
        wire.command("CONFIG", "SET", "maxclients", 100)
        wire.close()
        await trusted(cache)


@pytest.mark.row("FT16")
async def test_a_script_that_does_not_end(make_redis, redis_namespace):
    """
    BUSY: down while it runs, back by itself after SCRIPT KILL.
    """
    server, origin = make_redis("lua-time-limit 5"), Origin()
    async with opened_cache(server.url, redis_namespace, **IMPATIENT) as (cache, _):
        row = origin.cached(cache, l1=False)
        await row(1)
        with server.connect() as wire:
            wire.send("EVAL", "while true do end", 0)
            await until(lambda: is_busy(server))
            await assert_origin_answers(row)
            await until(lambda: cache.health().reason in {"busy", "timeout"})
            await assert_origin_answers(row)
            server.command("SCRIPT", "KILL")
        await trusted(cache)


def is_busy(server):
    try:
        server.command("PING")
    except ReplyError as error:
        return "BUSY" in str(error)
    return False


@pytest.mark.row("FT16")
async def test_a_server_that_reads_its_data(make_redis, redis_namespace):
    """
    LOADING after a crash: down with that reason, and used when the data is there.
    """
    server, origin = make_redis("key-load-delay 2000", "loading-process-events-interval-bytes 1024"), Origin()
    async with opened_cache(server.url, redis_namespace) as (cache, _):
        row = origin.cached(cache, l1=False)
        with server.connect() as wire:
            for number in range(700):
                wire.command("SET", f"ballast-{number}", b"x" * 64)
            wire.command("SAVE")
        server.kill()
        server.launch()
        await until(lambda: cache.health().reason == "loading")
        await assert_origin_answers(row)
        await trusted(cache)


@pytest.mark.row("FT16")
async def test_scripts_that_the_server_forgot(redis_server, redis_url, redis_namespace):
    """
    SCRIPT FLUSH under load: each script is sent whole once, nobody notices.
    """
    origin = Origin()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        row = origin.cached(cache, l1=False)
        for _ in range(5):
            redis_server.command("SCRIPT", "FLUSH")
            await assert_origin_answers(row, 20)
            assert await cache.invalidate_tags("rows") is Confirmation.CONFIRMED
        assert cache.health().status == "healthy"


async def test_what_is_wrong_is_said_in_one_log_record(make_redis, redis_namespace, caplog):
    """
    A fault of hours is one warning with a machine-readable reason and advice, not one for each call.
    """
    server = make_redis(password="right")
    cache = cache_on(server.url.replace("right", "wrong"), redis_namespace, **IMPATIENT)
    async with cache:
        row = Origin().cached(cache)
        await until(lambda: cache.health().reason == "auth")
        await assert_origin_answers(row, 500)
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert [record.reason for record in warnings if record.event == "unavailable"] == ["auth"]
    assert len(warnings) <= 3
    assert "wrong" not in caplog.text.replace("Name or password is wrong", "")
