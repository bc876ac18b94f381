"""Each line that ends with a mark must be refused by both checkers, and no other one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from evercache import Cache, SyncCache, cache_response, cached

cache = Cache(namespace="typing")
sync = SyncCache(namespace="typing")


@asynccontextmanager
async def session() -> AsyncGenerator[bytes, None]:
    yield b""


@cache.cached(ttl="1h")
async def profile(user_id: int, *, lang: str = "en") -> str:
    return f"{user_id}{lang}"


@cached(ttl=3600, key_prefix="x")
async def module_level(x: int) -> int:
    return x


@cache_response(key="tasks_list", expire=300)
async def tasks(limit: int) -> int:
    return limit


@cache.using(session)
async def orders(db: bytes, user_id: int) -> str:
    return f"{db!r}{user_id}"


@cache.invalidates("user:{user_id}")
async def rename(user_id: int, name: str) -> str:
    return f"{user_id}{name}"


@sync.cached()
def square(x: int) -> int:
    return x * x


class Service:
    """Methods are typed like methods."""

    @cache.cached(ttl="1m")
    async def find(self, user_id: int) -> str:
        return str(user_id)


async def calls(service: Service) -> None:
    """Wrong arguments, everywhere."""
    await profile("7")  # refused
    await profile(7, "de")  # refused
    await profile(7, language="de")  # refused
    await profile()  # refused
    await profile.invalidate("7")  # refused
    await profile.refresh(7, 8)  # refused
    await profile.put(7, 7)  # refused
    await profile.put("text")  # refused
    profile.key(lang="de")  # refused
    await profile.peek(7, lang=1)  # refused
    number: int = await profile(7)  # refused
    assert number
    await module_level("1")  # refused
    await tasks("1")  # refused
    await orders(b"", 7)  # refused
    await orders.invalidate(b"", 7)  # refused
    await rename("7", "x")  # refused
    await service.find(service, 7)  # refused
    await service.find.invalidate("7")  # refused
    await service.find("7")  # refused
    square("3")  # refused
    square.invalidate("3")  # refused


async def options() -> None:
    """Options that don't exist, or are of another type."""
    cache.cached(tll="1h")  # refused
    cache.cached(ttl=[1])  # refused
    cache.cached(tags="users", when=3)  # refused
    cached(key=1)  # refused
    cache.named("x", max_age=3)  # refused
    await cache.set(7, 1)  # refused
    await cache.set("key", 1, expire=3)  # refused
    await cache.get_or_load("key", 7)  # refused
    await cache.invalidate_tags(7)  # refused
