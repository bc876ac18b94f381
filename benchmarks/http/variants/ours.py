"""evercache in each of its places: around everything, inside FastAPI's middleware, at the route; and over Redis alone."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.http.variants import App, Message, Place, Variant
from benchmarks.http.variants.plain import fastapi_model, raw
from evercache import Cache

__all__ = ["VARIANTS", "around"]

HIT = "evercache; hit"


def around(app: App, cache: Cache) -> App:
    """*app* with the cache outermost, for an hour."""
    from evercache.http import CacheMiddleware, Rule

    return CacheMiddleware(app, cache=cache, rules=[Rule("/items", ttl="1h")])


def outermost(_place: Place) -> App:
    return around(raw(), Cache(environ={}))


def outermost_fastapi(_place: Place) -> App:
    return around(fastapi_model(), Cache(environ={}))


def inside_fastapi(_place: Place) -> Any:
    from evercache.http import CacheMiddleware, Rule

    app = fastapi_model()
    app.add_middleware(CacheMiddleware, cache=Cache(environ={}), rules=[Rule("/items", ttl="1h")])
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

    return around(slow, Cache(place.redis, namespace="bench", l1=False, environ={}))


VARIANTS = {
    "evercache": Variant(outermost, cached=HIT),
    "evercache, around FastAPI": Variant(outermost_fastapi, ("fastapi",), cached=HIT),
    "evercache, inside FastAPI's middleware": Variant(inside_fastapi, ("fastapi",), cached=HIT),
    "evercache, FastAPI route": Variant(route, ("fastapi",), cached=HIT),
    "evercache, Redis": Variant(redis_alone, ("redis",), cached=HIT),
}
