"""`SyncCache`: the same words, from threads.

One implementation, asynchronous; this is a facade over an event loop in a thread of its own, for scripts, workers and
plain `def` endpoints. About 0.1 ms a call; answers from this process's memory take no detour.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, Unpack, cast

from evercache.cache import Cache
from evercache.decorators.direct import KeyLike
from evercache.decorators.typed import ThreadDecorator
from evercache.engine.invalidation import Confirmation
from evercache.engine.loading import MISSING
from evercache.engine.loops import LoopThread, Portal
from evercache.engine.threads import in_thread
from evercache.errors import ConfigurationError, NotStarted

if TYPE_CHECKING:
    from evercache.core.keywords import CacheOptions
    from evercache.engine.health import Health

__all__ = ["SyncCache"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
K = TypeVar("K")

WAITING = ("invalidate", "expire", "refresh", "put", "peek", "why")
"""What a cached function can do beside being called, and has to be waited for."""


class SyncCache:
    """A `Cache` for code without an event loop. Takes the same arguments.

    Use it as a context manager, or call `start()` and `stop()`. Safe to use from many threads at once.
    """

    def __init__(self, url: str | None = None, /, **arguments: Any) -> None:
        self.cache = Cache(url, **arguments)
        self._thread: LoopThread | None = None

    # -- life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, and follow the invalidations of other processes. Idempotent."""
        if self._thread is None:
            self._thread = LoopThread("evercache")
            try:
                self._run(self.cache.start())
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Drain, close everything, end the thread. Idempotent."""
        thread, self._thread = self._thread, None
        if thread is not None:
            try:
                Portal(thread.loop).run(self.cache.stop())
            finally:
                thread.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._thread is None:
            work.close()
            raise NotStarted("SyncCache is not started; use `with SyncCache(...) as cache:` or cache.start().")
        return Portal(self._thread.loop).run(work)

    # -- words ---------------------------------------------------------------------------------------------------

    def cached(
        self,
        *,
        key: str | None = None,
        key_by: Callable[..., object] | None = None,
        **options: Unpack[CacheOptions],
    ) -> ThreadDecorator:
        """Cache a plain function or method, by its arguments; see `Cache.cached`. What the function can do beside being
        called (`invalidate`, `refresh`, …) waits too."""

        def decorate(function: Callable[P, R]) -> Any:
            if inspect.iscoroutinefunction(function):
                raise ConfigurationError(
                    f"{function.__module__}.{function.__qualname__} is a coroutine function; cache it with a Cache."
                )
            made: Any = self.cache.cached(key=key, key_by=key_by, **options)(function)
            stand_in = made._cached.stand_in
            for handle in WAITING:
                setattr(stand_in, handle, self._waiting(getattr(stand_in, handle)))
            return made

        return cast("ThreadDecorator", decorate)

    def _waiting(self, ask: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        @functools.wraps(ask)
        def wait(*args: Any, **kwargs: Any) -> Any:
            return self.cache.engine.portal().run(ask(*args, **kwargs))

        return wait

    def get(self, key: KeyLike, *, type: Any = None, default: Any = MISSING) -> Any:
        """The cached value of *key*, or *default*. A cached None is a value. Never loads."""
        return self._run(self.cache.get(key, type=type, default=default))

    def set(self, key: KeyLike, value: Any, *, type: Any = None, **options: Unpack[CacheOptions]) -> Confirmation:
        """Store *value*; see `Cache.set`."""
        return self._run(self.cache.set(key, value, type=type, **options))

    def get_or_load(
        self, key: KeyLike, load: Callable[[], T], *, type: Any = None, **options: Unpack[CacheOptions]
    ) -> T:
        """The value of *key*: cached, or what the plain function *load* returns in a thread."""
        return self._run(self.cache.get_or_load(key, _in_thread(load), type=type, **options))

    def get_many_or_load(
        self,
        name: str,
        ids: Iterable[K],
        load_many: Callable[[list[K]], Mapping[K, T]],
        *,
        type: Any = None,
        **options: Unpack[CacheOptions],
    ) -> dict[K, T]:
        """The values of many keys; what is missing is loaded by one call of the plain function *load_many*."""

        async def load(ids: list[K]) -> Mapping[K, T]:
            return await _in_thread(lambda: load_many(ids))()

        return self._run(self.cache.get_many_or_load(name, ids, load, type=type, **options))

    def delete(self, *keys: KeyLike) -> Confirmation:
        """Drop these keys everywhere."""
        return self._run(self.cache.delete(*keys))

    def expire(self, *keys: KeyLike) -> Confirmation:
        """Make these keys stale."""
        return self._run(self.cache.expire(*keys))

    def invalidate_tags(self, *tags: str, wait: str = "") -> Confirmation:
        """Drop everything that carries one of these tags."""
        return self._run(self.cache.invalidate_tags(*tags, wait=wait))

    def invalidate_prefix(self, text: str) -> Confirmation:
        """Drop every key whose readable text begins with *text*."""
        return self._run(self.cache.invalidate_prefix(text))

    def invalidate_pattern(self, pattern: str) -> Confirmation:
        """Drop every key whose readable text matches the glob."""
        return self._run(self.cache.invalidate_pattern(pattern))

    def invalidate_all(self) -> Confirmation:
        """Drop the whole namespace."""
        return self._run(self.cache.invalidate_all())

    def health(self) -> Health:
        """How the cache is now."""
        return self.cache.health()

    def statistics(self) -> dict[str, Any]:
        """The counters of this process."""
        return self.cache.statistics()


def _in_thread(load: Callable[[], T]) -> Callable[[], Awaitable[T]]:
    async def run() -> T:
        return await in_thread(load)

    return run
