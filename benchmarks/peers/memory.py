"""Decorated functions over memory: what each library calls its cache in this process, at its best documented setting."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

__all__ = ["DECORATORS"]

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
CAPACITY = 4096
TTL = 300


def evercache() -> Decorator:
    from evercache import Cache

    return Cache(l1=CAPACITY * 1_000).cached(ttl=TTL)


def cachebox() -> Decorator:
    import cachebox

    return cachebox.cached(cachebox.TTLCache(CAPACITY, TTL))


def async_lru() -> Decorator:
    from async_lru import alru_cache

    return alru_cache(maxsize=CAPACITY, ttl=TTL)


def theine() -> Decorator:
    from datetime import timedelta

    from theine import Memoize

    return Memoize(CAPACITY, timedelta(seconds=TTL))


def aiocache() -> Decorator:
    from aiocache import cached

    return cached(ttl=TTL)


def cashews() -> Decorator:
    from cashews import Cache

    cache = Cache()
    cache.setup(f"mem://?size={CAPACITY}&check_interval=0")
    return cache(ttl=TTL)


def fastapi_cache() -> Decorator:
    from fastapi_cache import FastAPICache
    from fastapi_cache.backends.inmemory import InMemoryBackend
    from fastapi_cache.decorator import cache

    FastAPICache.init(InMemoryBackend(), prefix="bench")
    return cache(expire=TTL)


_ALL: dict[str, tuple[str, Callable[[], Decorator]]] = {
    "evercache": ("evercache", evercache),
    "cachebox": ("cachebox", cachebox),
    "async-lru": ("async_lru", async_lru),
    "theine": ("theine", theine),
    "fastapi-cache2": ("fastapi_cache", fastapi_cache),
    "aiocache": ("aiocache", aiocache),
    "cashews": ("cashews", cashews),
}
DECORATORS = {name: make for name, (module, make) in _ALL.items() if find_spec(module) is not None}
