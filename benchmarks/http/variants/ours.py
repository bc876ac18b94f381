"""evercache in each of its places: around everything, inside FastAPI's middleware, at the route; and over Redis alone."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.http.variants import App, Message, Place, Variant
from benchmarks.http.variants.plain import fastapi_model, raw
from evercache import Cache
from evercache.http import CacheMiddleware, Rule

__all__ = ["VARIANTS"]

HIT = "evercache;hit"


RULES = [Rule("/items", ttl="1h")]


def living(app: App, cache: Cache) -> App:
    """*app*, a bare callable, with the start and the end that a framework would give to *cache*."""

    async def lives(scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        await receive()
        async with cache:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    return lives


def outermost(_place: Place) -> App:
    cache = Cache(environ={})
    return CacheMiddleware(living(raw(), cache), cache=cache, rules=RULES)


def outermost_fastapi(_place: Place) -> App:
    cache = Cache(environ={})
    return CacheMiddleware(fastapi_model(lifespan=cache.lifespan), cache=cache, rules=RULES)


def inside_fastapi(_place: Place) -> Any:
    cache = Cache(environ={})
    app = fastapi_model(lifespan=cache.lifespan)
    app.add_middleware(CacheMiddleware, cache=cache, rules=RULES)
    return app


def route(_place: Place) -> Any:
    from evercache.fastapi import cached_route

    cache = Cache(environ={})
    return fastapi_model(cached_route(cache, ttl="1h"), lifespan=cache.lifespan)


def redis_alone(place: Place) -> App:
    """Every request asks Redis. The application takes 20 ms: one that is faster than Redis is not cached there."""
    answer = raw()

    async def slow(scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(0.02)
        await answer(scope, receive, send)

    cache = Cache(place.redis, namespace="bench", l1=False, environ={})
    return CacheMiddleware(living(slow, cache), cache=cache, rules=RULES)


VARIANTS = {
    "evercache": Variant(outermost, cached=HIT),
    "evercache, around FastAPI": Variant(outermost_fastapi, ("fastapi",), cached=HIT),
    "evercache, inside FastAPI's middleware": Variant(inside_fastapi, ("fastapi",), cached=HIT),
    "evercache, FastAPI route": Variant(route, ("fastapi",), cached=HIT),
    "evercache, Redis": Variant(redis_alone, ("redis",), cached=HIT),
}
