"""What stands in Redis of a call: a name that can be read, and digests that can't."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Annotated

import pytest

from evercache import Cache, Personal, cache_response

SECRET = {"CACHE_SECRET": "0123456789abcdef0123456789abcdef"}
MAIL, NAME = "ann.lee@example.org", "Ann Lee"

PROGRAM = """
import asyncio, sys
from evercache import Cache

async def main(url, namespace):
    cache = Cache(url, namespace=namespace, ttl="1h")
    runs = []

    @cache.cached(key="search", tags=["search:{query}"])
    async def search(query: str, words: frozenset[str], limit: int = 20) -> list[str]:
        runs.append(query)
        return sorted(words)[:limit]

    async with cache:
        await search("tea", frozenset({"green", "black", "white", "oolong"}))
        await search("tea", frozenset({"green", "black", "white", "oolong"}), limit=50)
    print(search.key("tea", frozenset({"oolong", "black"})), len(runs))

asyncio.run(main(*sys.argv[1:]))
"""


def everything(server, namespace):
    """All keys of *namespace*, and the log, the bans and the stamps: whatever isn't a value."""
    keys = [key for key in server.command("KEYS", "*") if namespace.encode() in key]
    told = list(keys)
    for key in keys:
        kind = server.command("TYPE", key)
        if kind == b"stream":
            told.append(json.dumps(server.command("XRANGE", key, "-", "+"), default=repr).encode())
        elif kind == b"string" and b":e:" not in key:
            told.append(server.command("GET", key))
        elif kind == b"hash":
            told.append(json.dumps(server.command("HGETALL", key), default=repr).encode())
    return keys, b"\n".join(told)


@pytest.mark.row("S2.96", "S0.32")
async def test_no_argument_can_be_read_in_redis(redis_server, redis_url, redis_namespace):
    """Function names and static keys can; who was asked for, their tags, and what was invalidated can't."""
    cache = Cache(redis_url, namespace=redis_namespace, environ=SECRET)

    @cache.cached(key="profile", tags=["user:{mail}"])
    async def profile(mail: Annotated[str, Personal], *, name: str = NAME) -> int:
        return 7

    @cache.cached(key="by_name:{name}")
    async def by_name(name: str) -> int:
        return 8

    async with cache:
        await profile(MAIL)
        await by_name(NAME)
        await cache.set(("mailbox", MAIL), 9, tags=[f"mail:{MAIL}"])
        await cache.set("tasks_list", 10)
        await profile.invalidate("another@example.org")
        await cache.invalidate_tags(f"tag:{NAME}")
        await cache.expire(("mailbox", "x@example.org"))
        keys, told = everything(redis_server, redis_namespace)
        assert await cache.get(("mailbox", MAIL)) == 9
    assert any(key.endswith(b":log") for key in keys)
    for word in (MAIL, NAME, "ann", "Lee", "example", "user:", "mail:"):
        assert word.encode() not in told
    for word in ("profile#", "mailbox#", "tasks_list", "by_name"):
        assert any(f":e:{word}".encode() in key for key in keys)


@pytest.mark.row("S2.96")
async def test_without_the_secret_nobody_can_try_out_a_guess(redis_url, redis_namespace):
    """The digest of a guess is another one for each secret."""
    names = set()
    for secret in ("0" * 32, "1" * 32):
        cache = Cache(redis_url, namespace=redis_namespace, environ={"CACHE_SECRET": secret})

        @cache.cached(key="profile")
        async def profile(mail: str) -> int:
            return 7

        names.add(profile.key(MAIL))
    assert len(names) == 2


@pytest.mark.row("W20", "W34")
async def test_three_processes_with_three_hash_seeds_share_their_entries(redis_server, redis_url, redis_namespace):
    """The first one loads, the others find: sets and texts have one order in a key, whatever the seed."""
    told = []
    for seed in ("0", "1", "4242"):
        run = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", PROGRAM, redis_url, redis_namespace],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(run.stdout.split())
    assert len({key for key, _ in told}) == 1
    assert [int(loads) for _, loads in told] == [2, 0, 0]


@pytest.mark.row("S0.25", "S0.30", "S0.32")
async def test_the_literal_decorator_shows_its_entry_with_its_expiration(redis_server, redis_url, redis_namespace):
    """`cache_response(key=..., expire=300)`: the key can be found by its name, and ends in at most 300 s."""

    @cache_response(key="listed_tasks", expire=300)
    async def tasks() -> list[int]:
        return [1, 2]

    async with Cache(redis_url, namespace=redis_namespace):
        assert await tasks() == await tasks() == [1, 2]
        (key,) = [key for key in redis_server.command("KEYS", "*listed_tasks") if redis_namespace.encode() in key]
        assert 0 < redis_server.command("TTL", key) <= 300


async def test_digests_of_keys_and_texts_never_meet(redis_url, redis_namespace):
    """A text that looks like another call's key in Redis is percent-encoded there."""
    cache = Cache(redis_url, namespace=redis_namespace)

    @cache.cached(key="profile")
    async def profile(user_id: int) -> str:
        return "secret"

    async with cache:
        await profile(7)
        assert await cache.get(profile.key(7), default="nothing") == "nothing"
