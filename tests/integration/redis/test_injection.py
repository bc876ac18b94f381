"""Names full of quotes, globs, braces, line ends and zero bytes: each means itself and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from evercache import Cache, Confirmation
from evercache.errors import ConfigurationError
from tests.support.outage import opened_cache

NASTY = [
    "'", '"', "\\", "*", "?", "[a-z]", "[^x]", "{", "}", "{other}", "{tag}:e:", "a\r\nFLUSHALL\r\n", "a\nb", "\x00", "a\x00b",
    "'; redis.call('FLUSHALL') --", "]]", "]==]", "%s %d", "$(id)", "../..", "ключ", "🔑", " ", "\ud800",
]  # fmt: skip


@pytest.mark.row("FT13")
async def test_arguments_and_keys_mean_themselves(redis_server, redis_url, redis_namespace):
    """
    Each name is a key of its own, stays in our part of the server, and is invalidated alone.
    """
    redis_server.command("SET", "somebody-else", "1")
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        loads = []

        @cache.cached(key="echo", tags=["name:{name}"], l1=False)
        async def echo(name: str) -> int:
            loads.append(name)
            return len(loads)

        first = [await echo(name) for name in NASTY]
        assert len(set(first)) == len(NASTY)
        assert [await echo(name) for name in NASTY] == first
        for place, name in enumerate(NASTY):
            assert await cache.invalidate_tags(f"name:{name}") is Confirmation.CONFIRMED
            before = len(loads)
            first[place] = await echo(name)
            assert len(loads) == before + 1
            assert [await echo(other) for other in NASTY] == first
        prefix = f"{{{redis_namespace}.0}}:".encode()
        keys = redis_server.command("KEYS", "*")
        assert [key for key in keys if not key.startswith(prefix) and redis_namespace.encode() in key] == []
    assert redis_server.command("GET", "somebody-else") == b"1"


@pytest.mark.row("FT13")
async def test_prefixes_are_no_patterns(redis_url, redis_namespace):
    """
    invalidate_prefix with glob characters drops what begins with exactly that text, and nothing else.
    """
    texts = [text for text in NASTY if text != "\ud800"]
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        for prefix in texts:
            for text in texts:
                await cache.set(f"{text}~end", text)
            assert await cache.invalidate_prefix(f"{prefix}~") is Confirmation.CONFIRMED
            left = [text for text in texts if await cache.get(f"{text}~end", default=None) == text]
            assert left == [text for text in texts if not f"{text}~end".startswith(f"{prefix}~")], prefix


@pytest.mark.parametrize("namespace", ["a{b}", "a b", "a\r\n", "a*", "a'", "", "a\x00", "ä", "x" * 65])
def test_namespaces_are_plain_words(namespace):
    """
    What would choose a slot, split a command or widen a pattern is refused when the cache is declared.
    """
    with pytest.raises(ConfigurationError):
        Cache("redis://localhost", namespace=namespace, environ={"CACHE_NAMESPACE": namespace})


async def test_crafted_integers_dont_collide():
    """
    Numbers that Python's hash maps to one place are as many keys as they are numbers, and found at once: the tables are
    keyed by something else, so their comparisons can be counted.
    """

    class Counting(int):
        compared = 0

        def __eq__(self, other):
            Counting.compared += 1
            return int(self) == other

        __hash__ = int.__hash__

    step = 2**61 - 1
    numbers = [Counting(1 + number * step) for number in range(2_000)]
    assert len({hash(number) for number in numbers}) == 1
    async with Cache(environ={}) as cache:

        @cache.cached(key="crafted")
        async def crafted(number: int) -> int:
            return number % 1_000

        plain = [int(number) for number in numbers]
        await asyncio.gather(*map(crafted, plain))
        tables = [site.table for site in cache.engine.sites.values() if site.name == "crafted"]
        keys = list(tables[0])
        assert len(keys) == 2_000
        assert len({hash(key) for key in keys}) > 1_990
