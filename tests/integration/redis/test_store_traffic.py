"""How commands travel: batches, scripts that the server has forgotten, large values, cancelled callers."""

from __future__ import annotations

import asyncio
import re

import pytest

from evercache.core import protocol as say
from evercache.errors import StoreOverloaded
from evercache.stores.redis import wire
from tests.support.ears import TERMS, filled, opened, until


def calls(server, command):
    """How often *server* has executed *command*."""
    line = server.info("commandstats").get(f"cmdstat_{command}", "calls=0,")
    return int(re.search(r"calls=(\d+)", line)[1])


@pytest.mark.row("S1.4", "S1.14", "W24")
async def test_a_hundred_looks_of_one_turn_are_one_mget(redis_server, redis_url, redis_namespace):
    """
    The first look leaves an idle wire at once; all others of that turn share one MGET, each key in it once.
    """
    async with opened(redis_url, redis_namespace) as (store, _):
        keys = [await filled(store, b"k%d" % number) for number in range(50)]
        before = calls(redis_server, "mget")
        looked = await asyncio.gather(*[store.execute(0, say.Look(key, ())) for key in keys * 2])
        assert all(item.record is not None for item in looked)
        assert calls(redis_server, "mget") - before == 2


async def test_a_batch_is_bounded(redis_server, redis_url, redis_namespace):
    """
    Two thousand looks of one turn are several MGETs: Redis serves nobody else during one.
    """
    async with opened(redis_url, redis_namespace) as (store, _):
        before = calls(redis_server, "mget")
        await asyncio.gather(*[store.execute(0, say.Look(say.Key(b"k%d" % n, ""), ())) for n in range(2_000)])
        assert 4 <= calls(redis_server, "mget") - before <= 6


async def test_the_queue_is_bounded_and_says_so(redis_url, redis_namespace):
    """
    More commands than the bound are refused at once with StoreOverloaded, and the store stays trusted.
    """
    async with opened(redis_url, redis_namespace, operation_timeout=30.0) as (store, ears):
        commands = [store.execute(0, say.Release(say.Key(b"k", ""), b"")) for _ in range(wire.BOUND + 100)]
        replies = await asyncio.gather(*commands, return_exceptions=True)
        refused = [reply for reply in replies if reply is not None]
        assert len(refused) >= 100
        assert all(isinstance(reply, StoreOverloaded) for reply in refused)
        assert ears.reasons() == []


@pytest.mark.row("FT16")
async def test_scripts_that_the_server_forgot_are_sent_again(redis_server, redis_url, redis_namespace):
    """
    SCRIPT FLUSH costs one more round trip per script, and nobody notices.
    """
    async with opened(redis_url, redis_namespace) as (store, _):
        await filled(store, b"k", (b"t",))
        redis_server.command("SCRIPT", "FLUSH")
        key = await filled(store, b"k", (b"t",))
        redis_server.command("SCRIPT", "FLUSH")
        await store.execute(0, say.InvalidateTag(b"t", b"c", TERMS))
        looked = await store.execute(0, say.Look(key, (b"t",)))
        assert looked.record is not None
        assert looked.record.stamps != looked.stamps


@pytest.mark.row("FT17")
async def test_a_large_value_travels_on_its_own_connection(redis_server, redis_url, redis_namespace):
    """
    After its first sight, a value above 64 KiB is read and written where nobody waits behind it.
    """
    async with opened(redis_url, redis_namespace) as (store, _):
        payload = b"x" * 3_000_000
        for _ in range(3):
            key = await filled(store, b"large", payload=payload)
            looked = await store.execute(0, say.Look(key, ()))
            assert looked.record is not None
            assert looked.record.payload == payload
        clients = redis_server.command("CLIENT", "LIST").decode()
        assert clients.count("name=evercache:") == 3  # main, large, log


@pytest.mark.row("FT14")
async def test_cancelling_one_caller_harms_no_other(redis_url, redis_namespace):
    """
    A cancelled caller's reply is read and dropped; the others get their own.
    """
    async with opened(redis_url, redis_namespace) as (store, ears):
        for number in range(20):
            await filled(store, b"k%d" % number, payload=b"%d" % number)

        async def look(number):
            looked = await store.execute(0, say.Look(say.Key(b"k%d" % number, ""), ()))
            return looked.record.payload

        for turn in range(20):
            tasks = [asyncio.create_task(look(number)) for number in range(20)]
            await asyncio.sleep(0)
            for task in tasks[turn % 3 :: 3]:
                task.cancel()
            for number, result in enumerate(await asyncio.gather(*tasks, return_exceptions=True)):
                assert result == b"%d" % number or isinstance(result, asyncio.CancelledError)
        assert ears.reasons() == []


@pytest.mark.expects_logs
async def test_bytes_that_are_no_entry_are_a_miss(redis_server, redis_url, redis_namespace):
    """
    A damaged entry is absent to Look, and Begin goes on as if it weren't there.
    """
    async with opened(redis_url, redis_namespace) as (store, _):
        key = await filled(store, b"k")
        name = f"{{{redis_namespace}.0}}:e:k"
        data = redis_server.command("GET", name)
        redis_server.command("SET", name, data[:-1] + b"!", "PX", 60_000)
        assert (await store.execute(0, say.Look(key, ()))).record is None
        begun = await store.execute(0, say.Begin(key, (), b"c", b"lock", TERMS))
        assert begun.generation is not None


async def test_nothing_is_left_without_a_life(redis_server, redis_url, redis_namespace):
    """
    Every key of the cache has a PX, logs included; only what never expires has none.
    """
    async with opened(redis_url, redis_namespace) as (store, _):
        await filled(store, b"k", (b"t",))
        await store.execute(0, say.Ban("a*", b"c", TERMS))
        await store.execute(0, say.ExpireTag(b"t", b"c", TERMS))
        await store.execute(0, say.InvalidateKey(b"k"))
        names = redis_server.command("KEYS", f"*{redis_namespace}*")
        assert len(names) >= 6
        assert all(redis_server.command("PTTL", name) > 0 for name in names)


@pytest.mark.parametrize("way", ["tls", "resp2", "unix", "password"])
@pytest.mark.row("S1.4")
async def test_every_way_to_a_server_carries_everything(make_redis, redis_namespace, way, tmp_path):
    """
    TLS, RESP2, a Unix socket, a password: the same commands, the same log.
    """
    settings = {}
    match way:
        case "tls":
            server = make_redis(tls=True)
            url, settings = server.url, {"tls_ca_file": str(server.ca_file), "connect_timeout": 5.0}
        case "unix":
            make_redis(f"unixsocket {tmp_path}/s")
            url = f"unix://{tmp_path}/s?db=0"
        case "password":
            url = make_redis(password="s3cret/#?").url
        case _:
            url, settings = make_redis().url, {"protocol": 2}
    async with opened(url, redis_namespace, **settings) as (store, ears):
        key = await filled(store, b"k", (b"t",), payload=b"x" * 1_000_000)
        await until(lambda: ears.leases)
        await store.execute(0, say.InvalidateTag(b"t", b"c", TERMS))
        await until(lambda: ("logged", 0, "t", b"t") in ears.heard)
        looked = await store.execute(0, say.Look(key, (b"t",)))
        assert len(looked.record.payload) == 1_000_000
        assert looked.record.stamps != looked.stamps
