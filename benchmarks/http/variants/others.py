"""Other caches, set up as their documentation does it, around the same route or the same callable."""

from __future__ import annotations

from typing import Any

from benchmarks.http.variants import App, Place, Variant
from benchmarks.http.variants.plain import fastapi_model, raw

__all__ = ["VARIANTS"]

HOUR = 3600
FRESH = (b"cache-control", b"public, max-age=3600")


def cashews(url: str) -> Any:
    from cashews import Cache

    cache = Cache()
    cache.setup(url)
    return fastapi_model(cache(ttl="1h", key="items"))


def fastapi_cache2(backend: Any) -> Any:
    from fastapi_cache import FastAPICache
    from fastapi_cache.decorator import cache

    FastAPICache.init(backend, prefix="fastapi-cache2")
    return fastapi_model(cache(expire=HOUR))


def fastapi_cache2_memory(_place: Place) -> Any:
    from fastapi_cache.backends.inmemory import InMemoryBackend

    return fastapi_cache2(InMemoryBackend())


def fastapi_cache2_redis(place: Place) -> Any:
    from fastapi_cache.backends.redis import RedisBackend
    from redis.asyncio import Redis

    return fastapi_cache2(RedisBackend(Redis.from_url(place.redis)))


def cachex(backend: Any) -> Any:
    from fastapi_cachex import BackendProxy, cache

    BackendProxy.set(backend)
    return fastapi_model(cache(ttl=HOUR))


def cachex_memory(_place: Place) -> Any:
    from fastapi_cachex.backends import MemoryBackend

    return cachex(MemoryBackend())


def cachex_redis(place: Place) -> Any:
    from fastapi_cachex.backends import AsyncRedisCacheBackend

    host, port = place.redis.removeprefix("redis://").split("/")[0].split(":")
    return cachex(AsyncRedisCacheBackend(host=host, port=int(port)))


def hishel_redis(place: Place) -> App:
    from hishel import AsyncRedisStorage
    from hishel.asgi import ASGICacheMiddleware
    from redis.asyncio import Redis

    return ASGICacheMiddleware(raw(FRESH), AsyncRedisStorage(Redis.from_url(place.redis)))


def hishel_sqlite(place: Place) -> App:
    from hishel import AsyncSqliteStorage
    from hishel.asgi import ASGICacheMiddleware

    return ASGICacheMiddleware(raw(FRESH), AsyncSqliteStorage(database_path=f"{place.folder}/hishel.db"))


def starlette_caches(_place: Place) -> App:
    from aiocache import Cache
    from starlette_caches.middleware import CacheMiddleware

    return CacheMiddleware(fastapi_model(), cache=Cache(ttl=HOUR))


VARIANTS = {
    "starlette-caches, memory (older)": Variant(starlette_caches, older=True),
    "cashews, memory": Variant(lambda _: cashews("mem://"), ("cashews", "fastapi")),
    "cashews, Redis": Variant(lambda place: cashews(place.redis), ("cashews", "redis", "fastapi")),
    "fastapi-cachex, memory": Variant(cachex_memory, ("fastapi_cachex",)),
    "fastapi-cachex, Redis": Variant(cachex_redis, ("fastapi_cachex", "orjson", "redis")),
    "fastapi-cache2, memory": Variant(fastapi_cache2_memory, ("fastapi_cache", "jinja2")),
    "fastapi-cache2, Redis": Variant(fastapi_cache2_redis, ("fastapi_cache", "jinja2", "redis")),
    "hishel, Redis": Variant(hishel_redis, ("hishel", "redis")),
    "hishel, SQLite": Variant(hishel_sqlite, ("hishel", "anysqlite")),
}
