"""Somebody writes into our Redis by hand: whatever stands there, a read is a miss at worst."""

from __future__ import annotations

import pickle
import random
import zlib

import pytest

from evercache import Confirmation
from tests.support.outage import Origin, many, opened_cache

pytestmark = pytest.mark.expects_logs


def entries(server, namespace):
    """The physical names of all entries."""
    return sorted(server.command("KEYS", f"{{{namespace}.0}}:e:*"))


def mutated(data, dice):
    """*data* with a bit flipped, cut off, extended, or with a run of bytes replaced."""
    at = dice.randrange(len(data))
    match dice.randrange(4):
        case 0:
            return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at]
        case 2:
            return data[:at] + dice.randbytes(8) + data[at:]
        case _:
            return data[:at] + dice.randbytes(min(8, len(data) - at)) + data[at + 8 :]


GARBAGE = [
    b"",
    b"\x00",
    b"null",
    b"EC",
    b"EC" + b"\xff" * 200,
    b"EC\x01" + b"\x00" * 30,
    pickle.dumps({"number": 1, "version": 9}),
    zlib.compress(b'{"number": 1, "version": 9}'),
    b'{"number": 1, "version": 9}',
    b"\xff\xfe" * 1_000,
    b"x" * 1_000_000,
]


@pytest.mark.row("FT13", "W18")
async def test_hand_written_garbage_is_a_miss_and_is_replaced(redis_server, redis_url, redis_namespace):
    """
    Bytes of any origin under a real key: the value comes from the origin once, and the garbage is gone after it.
    """
    origin = Origin()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        row = origin.cached(cache, l1=False)
        await row(1)
        [name] = entries(redis_server, redis_namespace)
        for garbage in GARBAGE:
            loads = origin.loads[1]
            redis_server.command("SET", name, garbage)
            assert await row(1) == {"number": 1, "version": 0}
            assert origin.loads[1] == loads + 1
            assert redis_server.command("GET", name) != garbage
            assert await row(1) == {"number": 1, "version": 0}
            assert origin.loads[1] == loads + 1
        assert cache.health().status == "healthy"


@pytest.mark.row("FT13")
async def test_mutated_entries_are_misses_or_what_they_were(redis_server, redis_url, redis_namespace):
    """
    Two thousand mutations of a real entry: never an exception, never another row's value.
    """
    dice, origin = random.Random(20), Origin()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        row = origin.cached(cache, l1=False)
        await many(row, 20, of=20)
        with redis_server.connect() as wire:
            names = entries(redis_server, redis_namespace)
            for _ in range(100):
                for name in names:
                    data = wire.command("GET", name)
                    if data:
                        wire.command("SET", name, mutated(data, dice))
                answers = await many(row, 20, of=20)
                assert {type(answer) for answer in answers} == {dict}
        assert cache.health().status == "healthy"


@pytest.mark.row("FT13")
async def test_an_entry_under_another_key_is_nobodys_value(redis_server, redis_url, redis_namespace):
    """
    An entry that was copied to another key carries that key's tags no more than its value: a miss.
    """
    origin = Origin()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        row = origin.cached(cache, l1=False)
        await row(1)
        [first] = entries(redis_server, redis_namespace)
        await row(2)
        [second] = set(entries(redis_server, redis_namespace)) - {first}
        redis_server.command("SET", second, redis_server.command("GET", first))
        assert await row(2) == {"number": 2, "version": 0}


@pytest.mark.row("FT13")
@pytest.mark.parametrize("kind", ["e", "g", "l", "w", "t", "n", "b", "bans", "log", "wake", "contract"])
async def test_keys_of_the_wrong_type_cost_the_cache_not_the_caller(redis_server, redis_url, redis_namespace, kind):
    """
    A list where a string should be, a string where a stream should be: the callers get their values.
    """
    origin = Origin()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        row = origin.cached(cache, l1=False)
        await many(row, 3, of=3)
        redis_server.command("SET", f"{{{redis_namespace}.0}}:w:x", "1")
        prefix = f"{{{redis_namespace}.0}}:{kind}"
        names = redis_server.command("KEYS", f"{prefix}:*" if len(kind) == 1 and kind not in "nb" else prefix) or [
            prefix
        ]
        for name in names:
            redis_server.command("DEL", name)
            if kind in {"bans", "log", "wake"}:
                redis_server.command("SET", name, "not a stream")
            else:
                redis_server.command("RPUSH", name, "not", "a", "string")
        for _ in range(3):
            answers = await many(row, 9, of=3)
            assert {type(answer) for answer in answers} == {dict}
        assert await cache.invalidate_tags("rows") in set(Confirmation)
        origin.versions[1] = 1
        await row.invalidate(1)
        assert (await row(1))["version"] == 1


@pytest.mark.row("FT13")
async def test_corruption_is_counted(redis_server, redis_url, redis_namespace):
    """
    A damaged entry and bytes that never were one: misses whose cause is `corrupt`.
    """
    origin = Origin()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        row = origin.cached(cache, l1=False)
        await row(1)
        [name] = entries(redis_server, redis_namespace)
        data = redis_server.command("GET", name)
        redis_server.command("SET", name, data[:-8] + b"\xff" * 8)
        assert await row(1) == {"number": 1, "version": 0}
        assert cache.statistics()["functions"]["row"]["misses"]["corrupt"] == 1
        redis_server.command("SET", name, b"garbage")
        assert await row(1) == {"number": 1, "version": 0}
        assert cache.statistics()["functions"]["row"]["misses"]["corrupt"] == 2


@pytest.mark.row("FT13")
@pytest.mark.parametrize("garbage", [b"garbage", b"EC" + b"x" * 100])
async def test_garbage_is_deleted_also_where_nothing_takes_its_place(redis_server, redis_url, redis_namespace, garbage):
    """
    The load fails, so there is nothing to store: what nobody can read is gone all the same.
    """
    origin = Origin()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        row = origin.cached(cache, l1=False)
        await row(1)
        [name] = entries(redis_server, redis_namespace)
        redis_server.command("SET", name, garbage)
        origin.failing = True
        with pytest.raises(ConnectionError, match="the database is away"):
            await row(1)
        assert redis_server.command("EXISTS", name) == 0
