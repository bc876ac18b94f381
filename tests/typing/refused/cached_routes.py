"""Each line that ends with a mark must be refused by both checkers, and no other one."""

from __future__ import annotations

from evercache import Cache
from evercache.fastapi import cached_route

cache = Cache(namespace="typing")


@cached_route(cache, ttl="5m")
async def one(id: int, *, lang: str = "en") -> str:
    return f"{id}{lang}"


async def calls() -> None:
    await one("1")  # refused
    await one(1, language="de")  # refused
    number: int = await one(1)  # refused
    assert number


cached_route(cache, max_variants="many")  # refused
cached_route(cache, path="/one")  # refused
cached_route(cache, key_by=7)  # refused
cached_route("redis://", ttl=60)  # refused
