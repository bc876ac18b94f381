"""`Cache`: the one class. Declared at import, without I/O; bound to the running application by `async with`.

cache = Cache("redis://localhost:6379/0", namespace="shop", l1="64MiB")
users = cache.named("users", ttl="5m")

@users.cached(tags=["user:{user_id}"])
async def profile(user_id: int) -> Profile: ...

async with cache:                       # or lifespan=cache.lifespan, or await cache.start()
    await profile(7)
    await cache.invalidate_tags("user:7")
"""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, Unpack, cast, overload

from evercache.codecs.compress import Compressor
from evercache.config import Settings
from evercache.core.clock import Clock
from evercache.core.options import Options, TagTemplate
from evercache.core.patterns import prefix
from evercache.decorators.cached import Cached
from evercache.decorators.defaults import DEFAULT, cache_response, cached
from evercache.decorators.direct import Direct, KeyLike
from evercache.decorators.invalidates import InvalidatesDecorator, invalidates
from evercache.decorators.keyed import key_template
from evercache.decorators.target import demand_function
from evercache.decorators.typed import CachedFunction, CachedSyncFunction, Decorator, UsingDecorator
from evercache.decorators.workshop import Workshop
from evercache.engine.adviser import Adviser
from evercache.engine.clock import SystemClock
from evercache.engine.engine import Engine
from evercache.engine.hooks import Observer
from evercache.engine.invalidation import Confirmation
from evercache.engine.loading import MISSING, Missing
from evercache.errors import ConfigurationError

if TYPE_CHECKING:
    from evercache.codecs.sealed import KeyRing
    from evercache.core.keywords import CacheOptions, DefaultOptions
    from evercache.engine.advisor import Advice
    from evercache.engine.health import Health
    from evercache.stores.base import Store

__all__ = ["Cache", "NamedCache", "cache_response", "cached"]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")
D = TypeVar("D")
K = TypeVar("K")

_log = logging.getLogger("evercache")

_ALONE = (
    "namespace", "l1", "l1_items", "settings", "store", "clock", "keyring", "compressor", "on_pending", "max_loads",
    "random", "environ",
)  # fmt: skip
"""What `Cache` takes beside options, for the error about a misspelled one."""


class _Face:
    """What a cache and a named cache have in common: decorators and direct calls, under one name and its options."""

    def __init__(self, workshop: Workshop, name: str, options: Options) -> None:
        self._workshop = workshop
        self._engine = workshop.engine
        self._name = name
        self._options = options
        self._direct = Direct(workshop, name, options)

    # -- decorators ----------------------------------------------------------------------------------------------

    @overload
    def cached(self, function: Callable[P, Awaitable[R]], /) -> CachedFunction[P, R]: ...  # type: ignore[overload-overlap]  # an awaitable is a plain result too: first match wins

    @overload
    def cached(self, function: Callable[P, R], /) -> CachedSyncFunction[P, R]: ...

    @overload
    def cached(
        self,
        function: None = None,
        /,
        *,
        key: str | None = None,
        key_by: Callable[..., object] | None = None,
        **options: Unpack[CacheOptions],
    ) -> Decorator: ...

    def cached(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        key: str | None = None,
        key_by: Callable[..., object] | None = None,
        **options: Unpack[CacheOptions],
    ) -> Any:
        """Cache what a function returns, by its arguments.

        *key* is the function's name in keys (module and name by default); its fields ("task:{user.id}") say what of an
        argument counts. *key_by* makes the key from the arguments. The options are those of `Options`; what isn't given
        comes from the named cache and the cache. Raises ConfigurationError at once for whatever can be known now.
        """
        decorate = functools.partial(
            self._decorate, key=key, key_by=key_by, options=Options.said(options, "cached", "key", "key_by")
        )
        return decorate if function is None else decorate(function)

    def using(
        self,
        scope: Callable[[], AbstractAsyncContextManager[S]],
        *,
        key: str | None = None,
        key_by: Callable[..., object] | None = None,
        **options: Unpack[CacheOptions],
    ) -> UsingDecorator[S]:
        """Cache a function whose first parameter is opened for each load by *scope*, also in the background.

        The parameter is not part of the key, and callers don't pass it: `@cache.using(session_scope)`.
        """
        if not callable(scope):
            raise ConfigurationError(f"using({scope!r}): give it a function whose result is opened with `async with`.")
        return cast(
            "UsingDecorator[S]",
            functools.partial(
                self._decorate,
                key=key,
                key_by=key_by,
                options=Options.said(options, "using", "key", "key_by"),
                scope=scope,
            ),
        )

    def _decorate(
        self,
        function: Callable[..., Any],
        *,
        key: str | None,
        key_by: Callable[..., object] | None,
        options: Options,
        scope: Callable[[], AbstractAsyncContextManager[Any]] | None = None,
    ) -> Any:
        name, chosen = key_template(demand_function(function), key, key_by)
        made = Cached(
            function, name=self._named(name), options=options, inherited=self._options, key_by=chosen, scope=scope
        )
        made.belong(self._workshop)
        return made.handle()

    def invalidates(self, *tags: TagTemplate, on_pending: str = "pending") -> InvalidatesDecorator:
        """Invalidate *tags* after the decorated function has succeeded, never before and never after an error.

        Templates may use the parameters and `{result}`: "user:{user_id}", "task:{result.id}". With
        `on_pending="raise"`, an invalidation that can't be confirmed raises InvalidationPending.
        """
        return invalidates(self, tags, on_pending=on_pending)

    def _named(self, name: str) -> str:
        return f"{self._name}:{name}" if self._name else name

    # -- direct calls --------------------------------------------------------------------------------------------

    @overload
    async def get(self, key: KeyLike) -> Any: ...

    @overload
    async def get(self, key: KeyLike, *, type: type[T]) -> T | Missing: ...

    @overload
    async def get(self, key: KeyLike, *, type: type[T], default: D) -> T | D: ...

    @overload
    async def get(self, key: KeyLike, *, default: D) -> Any | D: ...

    async def get(self, key: KeyLike, *, type: Any = None, default: Any = MISSING) -> Any:
        """The cached value of *key*, or *default*. A cached None is a value. Never loads."""
        found = await self._direct.get(key, type)
        return default if found is MISSING else found

    async def get_or_load(
        self, key: KeyLike, load: Callable[[], Awaitable[T]], *, type: Any = None, **options: Unpack[CacheOptions]
    ) -> T:
        """The value of *key*: cached, or what *load* returns, stored. Concurrent callers share one load."""
        return cast("T", await self._direct.get_or_load(key, load, Options.said(options, "get_or_load", "type"), type))

    async def get_many_or_load(
        self,
        name: str,
        ids: Iterable[K],
        load_many: Callable[[list[K]], Awaitable[Mapping[K, T]]],
        *,
        type: Any = None,
        **options: Unpack[CacheOptions],
    ) -> dict[K, T]:
        """The values of many keys `(name, id)`: what is missing is loaded by one call of *load_many* with those ids.

        An id that *load_many* leaves out is left out of the result, and not cached. Each id is a key of its own: single
        flight, invalidation by `invalidate((name, id))`.
        """
        return await self._direct.get_many_or_load(
            name, ids, load_many, Options.said(options, "get_many_or_load", "type"), type
        )

    async def set(self, key: KeyLike, value: Any, *, type: Any = None, **options: Unpack[CacheOptions]) -> Confirmation:
        """Store *value*. CONFIRMED: no later read gets an older one. A value that can't be encoded is not stored."""
        return await self._direct.set(key, value, Options.said(options, "set", "type"), type)

    async def delete(self, *keys: KeyLike, wait: str = "") -> Confirmation:
        """Drop these keys everywhere; the same as `invalidate`."""
        return await self._confirmed(self._direct.drop(keys), wait)

    async def invalidate(self, *keys: KeyLike, wait: str = "") -> Confirmation:
        """Drop these keys everywhere; loads that began before can't bring them back.

        `wait="everyone"` returns only when no process can answer from its memory any more (Δ after the commit).
        """
        return await self._confirmed(self._direct.drop(keys), wait)

    async def expire(self, *keys: KeyLike) -> Confirmation:
        """Make these keys stale: `stale_for` and `fail_safe` may still use them."""
        return await self._direct.drop(keys, soft=True)

    async def _confirmed(self, sending: Coroutine[Any, Any, Confirmation], wait: str) -> Confirmation:
        if wait not in ("", "everyone"):
            sending.close()
            raise ConfigurationError(f"wait={wait!r} is not known; write wait='everyone' or leave it out.")
        confirmation = await sending
        if wait and confirmation is Confirmation.CONFIRMED and self._engine.shares:
            await self._engine.clock.sleep(self._engine.delta)
        return confirmation


class NamedCache(_Face):
    """A part of a cache with a name and options of its own. Its keys begin with the name; tags are common to all."""

    @property
    def name(self) -> str:
        """What its keys begin with."""
        return self._name

    async def invalidate_all(self) -> Confirmation:
        """Drop every key of this named cache, in O(1)."""
        return await self._engine.invalidator.pattern(prefix(f"{self._name}:"))

    def __repr__(self) -> str:
        return f"<NamedCache {self._name!r}>"


class Cache(_Face):
    """A cache: this process's memory, and a Redis that all processes share, if a URL is given.

    - *url*: `redis://`, `rediss://`, `unix://`, `redis+sentinel://`, `redis+cluster://`; None keeps everything in this
      process. Use `Cache.from_env()` to take REDIS_URL and the rest from the environment.
    - *namespace*: what all keys in Redis begin with. *l1*: how much this process may hold ("64MiB", False for nothing).
    - *settings*: a ready `Settings` instead of url and namespace; *store*: another shared store (for tests).
    - *keyring* seals values; *compressor* chooses how they are compressed.
    - *max_loads*: most loaders that run at once in an event loop; further ones wait in line. What the source behind the
      cache can bear when the cache is suddenly empty; leave it out for no limit.
    - *on_pending*: `pending` returns Confirmation.PENDING for what can't be confirmed, `raise` raises. *random*: where
      jitter and early refreshes come from (for tests).
    - everything else: the options every function starts with (`ttl`, `jitter`, …; ttl is CACHE_DEFAULT_TTL if not given).

    Nothing is connected before `start()`; decorated functions work from the first moment, in this process's memory.
    """

    def __init__(
        self,
        url: str | None = None,
        /,
        *,
        namespace: str | None = None,
        l1: str | int | bool | None = True,
        l1_items: int | None = None,
        settings: Settings | None = None,
        store: Callable[[], Store] | None = None,
        clock: Clock | None = None,
        keyring: KeyRing | None = None,
        compressor: Compressor | None = None,
        on_pending: str = "pending",
        max_loads: int | None = None,
        random: Random | None = None,
        environ: Mapping[str, str] | None = None,
        **options: Unpack[DefaultOptions],
    ) -> None:
        if on_pending not in ("pending", "raise"):
            raise ConfigurationError(f"on_pending={on_pending!r} is not known; choose pending or raise.")
        if max_loads is not None and max_loads < 1:
            raise ConfigurationError(
                f"max_loads={max_loads!r} lets nothing load; write a number from 1, or leave it out."
            )
        self.settings = settings = settings or _settings(url, namespace, l1, environ)
        self.clock: Clock = clock or SystemClock()
        secret = settings.secret.encode()[:64]
        engine = Engine(
            clock=self.clock,
            store=store or _store(settings, self.clock),
            l1_items=l1_items,
            l1_bytes=0 if settings.l1 is None else settings.l1,
            secret=secret,
            outage=settings.outage,
            degraded_ttl=settings.degraded_ttl,
            delta=settings.delta,
            random=random,
            raise_pending=on_pending == "raise",
            max_loads=max_loads,
            enabled=settings.enabled,
        )
        engine.adviser = Adviser(
            engine.sites.values, max_memory=settings.max_memory, max_connections=settings.max_connections
        )
        defaults = Options(ttl=settings.default_ttl) | Options.said(options, "Cache", *_ALONE)
        defaults.decide("Cache")
        workshop = Workshop(
            engine,
            namespace=settings.namespace,
            secret=secret,
            max_bytes=min(settings.max_value, 1 << 20),
            compressor=compressor,
            keyring=keyring,
            defaults=defaults,
        )
        self._joined: list[bool] = []  # for each `async with` that is open: whether the cache had been started already
        super().__init__(workshop, "", defaults)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **arguments: Any) -> Self:
        """A cache from REDIS_URL, CACHE_NAMESPACE and the other variables (see the settings page)."""
        return cls(settings=Settings.from_env(environ), **arguments)

    def named(self, name: str, **options: Unpack[CacheOptions]) -> NamedCache:
        """A part of this cache with a name and options of its own."""
        if not name or not all(char.isalnum() or char in "_.-" for char in name):
            raise ConfigurationError(f"{name!r} is no name for a cache; use letters, digits, '_', '.' and '-'.")
        merged = self._options | Options.said(options, "named")
        merged.decide(f"named({name!r})")
        return NamedCache(self._workshop, self._named(name), merged)

    # -- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect and follow the invalidations of other processes. Never fails because Redis is away: it says so and
        goes on. Idempotent."""
        await self._engine.start()
        try:
            DEFAULT.become(self._workshop)
        except BaseException:  # a function that can't belong to this cache; nobody would stop what runs already
            await self.stop()
            raise
        health = self.health()
        _log.info("cache started: %s", health.status, extra={"event": "cache.started", **health.to_dict()})

    async def stop(self) -> None:
        """Drain background loads and unconfirmed invalidations (at most 5 s), close every connection and task."""
        DEFAULT.leave(self._workshop)
        await self._engine.stop()
        _log.info("cache stopped", extra={"event": "cache.stopped"})

    async def __aenter__(self) -> Self:
        self._joined.append(self._engine.lives_here)
        try:
            await self.start()
        except BaseException:
            self._joined.pop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A block within another one (a mounted application, a test within a lifespan) leaves the end to the outer one.
        if not self._joined.pop():
            await self.stop()

    @property
    def lifespan(self) -> Callable[[Any], AbstractAsyncContextManager[None]]:
        """For `FastAPI(lifespan=cache.lifespan)`; `cache.lifespan_with(own)` joins it to the application's own."""
        return self.lifespan_with(None)

    def lifespan_with(
        self, own: Callable[[Any], AbstractAsyncContextManager[Any]] | None
    ) -> Callable[[Any], AbstractAsyncContextManager[Any]]:
        """A lifespan that starts this cache, then runs *own*, and stops the cache after it, whatever happens."""

        @asynccontextmanager
        async def lifespan(app: Any) -> AsyncGenerator[Any, None]:
            async with self:
                state = getattr(app, "state", None)
                if state is not None:
                    state.evercache = self
                if own is None:
                    yield
                else:
                    async with own(app) as yielded:
                        yield yielded

        return lifespan

    # -- invalidation --------------------------------------------------------------------------------------------

    async def invalidate_tags(self, *tags: str, wait: str = "") -> Confirmation:
        """Drop everything that carries one of these tags, in every process; one round trip, whatever the number.

        `wait="everyone"` returns only when no process can answer from its memory any more (Δ after the commit).
        """
        ids = [self._engine.tag_id(_text(tag, "a tag")) for tag in tags]
        return await self._confirmed(self._engine.invalidator.tags(ids), wait)

    async def expire_tags(self, *tags: str) -> Confirmation:
        """Make everything that carries one of these tags stale."""
        ids = [self._engine.tag_id(_text(tag, "a tag")) for tag in tags]
        return await self._engine.invalidator.tags(ids, soft=True)

    async def invalidate_pattern(self, pattern: str, *, wait: str = "") -> Confirmation:
        """Drop every key whose readable text matches the glob (`users:*:en`); O(1), nothing is scanned.

        The pattern itself stands readable in Redis until the longest ttl has passed.
        """
        return await self._confirmed(self._engine.invalidator.pattern(_text(pattern, "a pattern")), wait)

    async def invalidate_prefix(self, text: str, *, wait: str = "") -> Confirmation:
        """Drop every key whose readable text begins with *text*."""
        return await self._confirmed(self._engine.invalidator.pattern(prefix(_text(text, "a prefix"))), wait)

    async def invalidate_all(self, *, wait: str = "") -> Confirmation:
        """Drop the whole namespace, in O(1)."""
        return await self._confirmed(self._engine.invalidator.everything(), wait)

    # -- seeing --------------------------------------------------------------------------------------------------

    def health(self) -> Health:
        """healthy, degraded (why, since when), down, or memory; O(1), no I/O."""
        return self._engine.health()

    def advice(self) -> tuple[Advice, ...]:
        """What is worth knowing about the server and the options in use; it is asked for once after the start, in the
        background, and logged with its codes. Empty until then, and where there is nothing to say."""
        adviser = self._engine.adviser
        return () if adviser is None else adviser.given

    def statistics(self) -> dict[str, Any]:
        """The counters of this process, per function and cause."""
        l1 = self._engine.l1
        memory = {"items": l1.policy.items, "bytes_estimated": l1.policy.weight, "evictions": l1.policy.evictions}
        return self._engine.statistics.to_dict() | {"l1": memory, "health": self.health().to_dict()}

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Call *observer* with every event off the hit path; the result takes it away again."""
        return self._engine.hooks.add(observer)

    @property
    def engine(self) -> Engine:
        """The engine, for the rooms of this library."""
        return self._engine

    @property
    def workshop(self) -> Workshop:
        """What its sites are made with, for the rooms of this library."""
        return self._workshop

    def __repr__(self) -> str:
        return f"<Cache {self.settings.namespace!r} {self.health().status}>"


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{what} is a text that isn't empty; not {value!r}.")
    return value


def _settings(url: str | None, namespace: str | None, l1: object, environ: Mapping[str, str] | None) -> Settings:
    """Settings from the arguments and, but for the URL, the environment: `Cache()` never connects by surprise."""
    given: dict[str, Any] = {}
    if namespace is not None:
        given["namespace"] = namespace
    if l1 is not True:
        given["l1"] = l1
    settings = Settings.resolve(url, environ=environ, **given)
    return settings if url is not None or settings.url is None else settings.changed(url=None)


def _store(settings: Settings, clock: Clock) -> Callable[[], Store] | None:
    if settings.url is None:
        return None

    def make() -> Store:
        from evercache.stores.redis.store import RedisStore

        return RedisStore(settings, clock=clock)

    _demand_redis()
    return make


def _demand_redis() -> None:
    from importlib.util import find_spec

    if find_spec("redis") is None:
        raise ConfigurationError(
            "a Redis URL is given and the redis package is missing; pip install 'evercache[redis]'."
        )


def _in_memory() -> Workshop:
    """The cache of an application that has none: this process's memory."""
    return Cache()._workshop


DEFAULT.make = _in_memory
