"""A cache that is never stale after an invalidation, never slower than no cache, and never down because Redis is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evercache.cache import Cache, NamedCache, cache_response, cached
    from evercache.config import Settings
    from evercache.core.duration import FOREVER
    from evercache.decorators.plumbing import KeyBy, Personal, Skip
    from evercache.engine.health import Health
    from evercache.engine.invalidation import Confirmation
    from evercache.engine.loading import MISSING, current
    from evercache.engine.why import Why
    from evercache.errors import EvercacheError
    from evercache.stores.redis.client import RedisClient
    from evercache.stores.redis.registry import get_redis_client
    from evercache.stores.redis.sync_client import SyncRedisClient
    from evercache.sync import SyncCache

__all__ = [
    "FOREVER",
    "MISSING",
    "Cache",
    "Confirmation",
    "EvercacheError",
    "Health",
    "KeyBy",
    "NamedCache",
    "Personal",
    "RedisClient",
    "Settings",
    "Skip",
    "SyncCache",
    "SyncRedisClient",
    "Why",
    "cache_response",
    "cached",
    "current",
    "get_redis_client",
]

_HOMES = {
    "FOREVER": "core.duration",
    "MISSING": "engine.loading",
    "Cache": "cache",
    "Confirmation": "engine.invalidation",
    "EvercacheError": "errors",
    "Health": "engine.health",
    "KeyBy": "decorators.plumbing",
    "NamedCache": "cache",
    "Personal": "decorators.plumbing",
    "RedisClient": "stores.redis.client",
    "Settings": "config",
    "Skip": "decorators.plumbing",
    "SyncCache": "sync",
    "SyncRedisClient": "stores.redis.sync_client",
    "Why": "engine.why",
    "cache_response": "cache",
    "cached": "cache",
    "current": "engine.loading",
    "get_redis_client": "stores.redis.registry",
}


def __getattr__(name: str) -> object:
    """Public names are imported when they are first used: `import evercache` costs next to nothing."""
    import importlib

    if name == "__version__":
        from importlib.metadata import version

        return version("evercache")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'evercache' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"evercache.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
