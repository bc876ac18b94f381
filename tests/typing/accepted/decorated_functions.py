"""Decorated functions keep their signatures, and what they can do beside being called has the same arguments."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, assert_type

from evercache import Cache, Confirmation, KeyBy, Personal, Skip, Why, cache_response, cached
from evercache.engine.loading import Missing

cache = Cache(namespace="typing")
users = cache.named("users", ttl="5m")


class Session:
    """What a scope supplies."""


class User:
    """Somebody."""

    id: int = 0


@asynccontextmanager
async def session() -> AsyncGenerator[Session, None]:
    yield Session()


@cache.cached
async def bare(user_id: int, *, lang: str = "en") -> list[str]:
    return [f"{user_id}{lang}"]


@users.cached(ttl="1h", stale_for="1d", tags=["user:{user_id}"], negative_ttl={None: "30s", LookupError: 10})
async def profile(user_id: int, /, name: str = "", *parts: int, lang: str = "en", **more: bool) -> User:
    return User()


@cache.cached
def plain(x: int) -> str:
    return str(x)


@cached(ttl=3600, key_prefix="module:")
async def module_level(x: int) -> bytes:
    return bytes(x)


@cache_response(key="tasks_list", expire=300)
async def tasks(
    db: Annotated[Session, Skip], user: Annotated[User, KeyBy(lambda user: user.id)], mail: Annotated[str, Personal]
) -> dict[str, int]:
    return {mail: user.id}


@users.using(session, key="orders")
async def orders(db: Session, user_id: int, *, limit: int = 10) -> list[User]:
    return [User()] * limit


@cache.invalidates("user:{user_id}", "users")
async def rename(user_id: int, name: str) -> User:
    return User()


class Service:
    """Methods are typed like methods."""

    def __cache_key__(self) -> str:
        return "service"

    @cache.cached(ttl="1m")
    async def find(self, user_id: int, *, lang: str = "en") -> User:
        return User()

    @cache.cached
    def plainly(self, x: int) -> str:
        return str(x)

    @cache.cached
    async def barely(self, x: int) -> str:
        return str(x)


@profile.key_by
def _(user_id: int, /, name: str = "", *parts: int, lang: str = "en", **more: bool) -> object:
    return user_id


async def calls() -> None:
    """Called as they are written."""
    assert_type(await bare(1), list[str])
    assert_type(await bare(user_id=1, lang="de"), list[str])
    assert_type(await profile(1, "x", 2, 3, lang="de", more=True), User)
    assert_type(plain(1), str)
    assert_type(await module_level(x=1), bytes)
    assert_type(await tasks(Session(), User(), "mail"), dict[str, int])
    assert_type(await rename(1, name="x"), User)
    assert_type(bare.__name__, str)


async def handles() -> None:
    """The same arguments, in any spelling."""
    assert_type(await bare.invalidate(1, lang="de"), Confirmation)
    assert_type(await bare.expire(user_id=1), Confirmation)
    assert_type(await bare.refresh(1), list[str])
    assert_type(await bare.put(["a"], 1, lang="de"), Confirmation)
    assert_type(await bare.peek(1), list[str] | Missing)
    assert_type(await bare.why(1), Why)
    assert_type(bare.key(1), str)
    assert_type(await plain.refresh(1), str)


async def supplied() -> None:
    """What `using` supplies is gone from the signature."""
    assert_type(await orders(7), list[User])
    assert_type(await orders(user_id=7, limit=3), list[User])
    assert_type(await orders.invalidate(7), Confirmation)


async def methods() -> None:
    """Bound, `self` is gone; unbound, it is there."""
    service = Service()
    assert_type(await service.find(1, lang="de"), User)
    assert_type(await service.find.refresh(1), User)
    assert_type(await service.find.invalidate(user_id=1), Confirmation)
    assert_type(await Service.find(service, 1), User)
    assert_type(service.plainly(1), str)
    assert_type(await service.barely(1), str)
