"""`cached` and `cache_response` without naming a cache: they use the application's.

The one exception to "no globals": the cache that was started last in this process is the default one, and what was
decorated before it existed moves over to it. Without any, a memory cache is made at the first call. Whoever has several
caches says which one: `cache.cached(...)`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

from evercache.core.duration import Duration
from evercache.core.options import NegativeTtl, Options, TagTemplate
from evercache.decorators.cached import Cached
from evercache.decorators.keyed import key_template
from evercache.decorators.target import demand_function
from evercache.decorators.typed import Decorator
from evercache.decorators.workshop import Names, Workshop
from evercache.errors import ConfigurationError, NotStarted

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DEFAULT", "DefaultCache", "cache_response", "cached"]


class DefaultCache:
    """Which cache the functions of this module use. *make* gives one when there is none (`evercache.cache` sets it)."""

    def __init__(self) -> None:
        self.make: Callable[[], Workshop] | None = None
        self._current: Workshop | None = None
        self._names = Names()
        self._functions: WeakSet[Cached] = WeakSet()
        self._lock = threading.Lock()  # functions take their own lock before this one, never after it

    def become(self, workshop: Workshop) -> None:
        """*workshop*'s cache has started: it is the default one from now on."""
        with self._lock:
            self._current = workshop
            functions = list(self._functions)
        for function in functions:
            function.belong(workshop)

    def leave(self, workshop: Workshop) -> None:
        """*workshop*'s cache has stopped. Its functions stay with it, on memory, until another one starts."""
        with self._lock:
            if self._current is workshop:
                self._current = None

    def add(self, function: Cached) -> None:
        """*function* uses the default cache, now and later. Its name must be its own."""
        with self._lock:
            self._names.claim(function.name, function, function.where)
            self._functions.add(function)
            current = self._current
        if current is not None:
            function.belong(current)
        else:
            function.belong_later(self._found)

    def _found(self) -> Workshop:
        with self._lock:
            if self._current is None:
                if self.make is None:
                    raise NotStarted("no cache is known; import evercache.cache, or use the decorators of a Cache.")
                self._current = self.make()
            return self._current


DEFAULT = DefaultCache()


def cached(
    ttl: Duration | None = None,
    key_prefix: str = "",
    *,
    key_by: Callable[..., object] | None = None,
    stale_for: Duration | None = None,
    fail_safe: Duration | None = None,
    early: float | bool | None = None,
    negative_ttl: NegativeTtl | None = None,
    tags: Sequence[TagTemplate] | None = None,
) -> Decorator:
    """Cache a function in the application's cache: `@cached(ttl=3600, key_prefix="profile:")`.

    The key is the prefix, the function's module and name, and its arguments. For the other options use
    `cache.cached(...)`. A ttl that isn't given is CACHE_DEFAULT_TTL (300 s).
    """
    if callable(ttl):
        raise ConfigurationError("cached needs its parentheses: write @cached().")
    options = Options(
        ttl=ttl, stale_for=stale_for, fail_safe=fail_safe, early=early, negative_ttl=negative_ttl, tags=tags
    )
    return _decorator(None, options, key_prefix, key_by)


def cache_response(
    key: str | Callable[..., object] | None = None,
    expire: Duration | None = None,
    *,
    ttl: Duration | None = None,
    tags: Sequence[TagTemplate] | None = None,
    stale_for: Duration | None = None,
    fail_safe: Duration | None = None,
) -> Decorator:
    """Cache what a route handler or a data function returns: `@cache_response(key="tasks_list", expire=300)`.

    *key* is a name; the arguments that the answer depends on, the signed-in user included, are always appended to it.
    With fields ("task:{user.id}") it says what of an argument counts, and where a reader sees it. *expire* and *ttl* are the same. Below the route's own decorator.
    """
    if expire is not None and ttl is not None:
        raise ConfigurationError("expire and ttl are the same option; give one of them.")
    options = Options(ttl=expire if ttl is None else ttl, tags=tags, stale_for=stale_for, fail_safe=fail_safe)
    return _decorator(key, options, "", None)


def _decorator(key: object, options: Options, prefix: str, key_by: Callable[..., object] | None) -> Decorator:
    def decorate(function: Callable[..., Any]) -> Any:
        name, chosen = key_template(demand_function(function), key, key_by)
        made = Cached(function, name=prefix + name, options=options, key_by=chosen)
        DEFAULT.add(made)
        return made.handle()

    return cast("Decorator", decorate)
