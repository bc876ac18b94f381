"""What a cached function can do beside being called; `decorators.typed` says it to people and type checkers."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from evercache.core.course import Loaded
from evercache.engine.invalidation import Confirmation
from evercache.engine.site import Arguments

if TYPE_CHECKING:
    from evercache.decorators.cached import Cached
    from evercache.engine.why import Why

__all__ = ["HANDLES", "Handles"]

HANDLES = ("invalidate", "expire", "refresh", "put", "peek", "why", "key", "key_by")


class Handles:
    """The attributes of one stand-in. The arguments are those of a call, in any spelling; where only the key counts,
    plumbing may be left out."""

    def __init__(self, cached: Cached) -> None:
        self._cached = cached

    async def invalidate(self, /, *args: Any, **kwargs: Any) -> Confirmation:
        return await self._invalidate(args, kwargs, soft=False)

    async def expire(self, /, *args: Any, **kwargs: Any) -> Confirmation:
        return await self._invalidate(args, kwargs, soft=True)

    async def _invalidate(self, args: Any, kwargs: Any, *, soft: bool) -> Confirmation:
        cached = self._cached
        key, arguments = cached.bind(*args, **kwargs)
        site = cached.prepared()
        site.stats.invalidations += 1
        cached.engine.forget(site.table, key, soft=soft)
        return await cached.engine.invalidator.keys([_id(cached, key, arguments)], soft=soft)

    async def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        cached = self._cached
        key, arguments = cached.bind_all(*args, **kwargs)
        return await cached.engine.reader.refresh(cached.prepared(), key, arguments)

    async def put(self, value: Any, /, *args: Any, **kwargs: Any) -> Confirmation:
        cached = self._cached
        key, arguments = cached.bind(*args, **kwargs)
        stored = await cached.engine.reader.put(cached.prepared(), key, arguments, Loaded(value))
        return Confirmation.CONFIRMED if stored else Confirmation.PENDING

    async def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        cached = self._cached
        key, arguments = cached.bind(*args, **kwargs)
        return await cached.engine.reader.peek(cached.prepared(), key, arguments)

    async def why(self, /, *args: Any, **kwargs: Any) -> Why:
        from evercache.engine.why import explain

        cached = self._cached
        key, arguments = cached.bind(*args, **kwargs)
        engine = cached.engine
        return await explain(engine, engine.reader, engine.memories, cached.prepared(), key, arguments)

    def key(self, /, *args: Any, **kwargs: Any) -> str:
        cached = self._cached
        key, arguments = cached.bind(*args, **kwargs)
        return _id(cached, key, arguments).decode()

    def key_by(self, maker: Callable[..., object]) -> Callable[..., object]:
        self._cached.choose_key(maker)
        return maker


def _id(cached: Cached, key: Hashable, arguments: Arguments) -> bytes:
    return cached.prepared().request(key, arguments).key.id
