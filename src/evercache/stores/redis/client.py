"""`RedisClient`: Redis as a dictionary that can't hurt its caller.

    redis_client = RedisClient("redis://localhost:6379")      # no I/O: may stand at module level

    async with redis_client:                                  # or connect() … disconnect(); or neither
        await redis_client.set("task:7", {"title": "…"}, ttl=300)
        await redis_client.get("task:7")

It stores what it is told under the key it is told and promises nothing about who invalidates it; the promises of this
library belong to `Cache`. What it does promise: *a fault of Redis is not the caller's*. While Redis is away `get` gives
None and `set` gives False, at once after the first time-out; the log says so once, `stats` counts it, and a background
probe notices when Redis is back. Wrong arguments do raise.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar
from weakref import WeakKeyDictionary

from evercache.config import Settings
from evercache.core.duration import FOREVER, Duration, Forever, parse_duration
from evercache.core.url import safe_url
from evercache.errors import CodecError, ConfigurationError, StoreOverloaded, StoreUnavailable, WritesRefused
from evercache.stores.redis import values
from evercache.stores.redis.client_calls import call_key
from evercache.stores.redis.client_health import Health, report
from evercache.stores.redis.client_stats import ClientStats
from evercache.stores.redis.faults import ADVICE, classify
from evercache.stores.redis.pooled import STORE_ERRORS, Pooled

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.connection import BlockingConnectionPool

__all__ = ["RedisClient"]

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("evercache.redis")
_BYTES_PER_SECOND = 50e6  # a large value may take longer than a small one before Redis counts as hung
_SAY_AGAIN = 60.0
_NO_ANSWER = object()


class RedisClient:
    """Raw keys in Redis, with a pool, budgets, a breaker and counts.

    - First argument: the URL, also by the names *url* and *redis_url*; without one REDIS_URL, or redis://localhost:6379.
    - *default_ttl*: life of values for which `set` names none; without it they don't expire.
    - Any other setting by its name: `max_connections=20`, `operation_timeout="50ms"` (reference/settings).
    - Making one does no I/O. `connect`, `disconnect` and their other names may be called any number of times, in any
      order, and never raise because Redis is away. A closed client opens again with the next call.
    - One client serves several event loops and survives a fork: each loop has connections of its own.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        redis_url: str | None = None,
        default_ttl: Duration | None = None,
        settings: Settings | None = None,
        **options: Any,  # Any: what users write for a setting; the table parses it
    ) -> None:
        if url is not None and redis_url is not None and url != redis_url:
            raise ConfigurationError("url and redis_url name two servers; give one of them.")
        address = url if url is not None else redis_url
        if settings is None:
            settings = Settings.resolve(address, **options)
        elif address is not None or options:
            raise ConfigurationError("settings are complete; give either settings or url and single settings.")
        self.settings = settings
        self.url = safe_url(settings.url or "redis://localhost:6379")
        self.default_ttl = None if default_ttl is None else parse_duration(default_ttl, "default_ttl")
        self.stats = ClientStats()
        self._process = os.getpid()
        self._links: WeakKeyDictionary[asyncio.AbstractEventLoop, Pooled] = WeakKeyDictionary()
        self._unbound: Pooled | None = None
        self._client: Redis | None = None
        self._said: dict[tuple[str, str], float] = {}
        self._writes_refused = ""
        self._answered = False

    def __repr__(self) -> str:
        return f"<RedisClient {self.url}>"

    # ── life ────────────────────────────────────────────────────────────────────────────────────────

    async def connect(self) -> bool:
        """Open a connection and start the periodic check. True if Redis answers; it is tried again if not."""
        link = self._link()
        link.start()
        began = time.perf_counter()
        if not await self.ping():
            _log.warning("Redis at %s does not answer yet.", self.url, extra={"code": "redis_connect_failed"})
            return False
        milliseconds = round((time.perf_counter() - began) * 1000, 3)
        _log.info("Connected to Redis at %s.", self.url, extra={"code": "redis_connected", "ms": milliseconds})
        return True

    async def disconnect(self) -> None:
        """Close every connection and end every task of this event loop."""
        link = self._links.pop(asyncio.get_running_loop(), None)
        link, self._unbound = link or self._unbound, None
        self._client = None
        if link is not None:
            await link.close()
            _log.info("Disconnected from Redis at %s.", self.url, extra={"code": "redis_disconnected"})

    async def initialize(self) -> bool:
        """Another name of `connect`."""
        return await self.connect()

    async def close(self) -> None:
        """Another name of `disconnect`."""
        await self.disconnect()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()

    @property
    def pool(self) -> BlockingConnectionPool:
        """redis-py's pool, for whatever this class has no word for. Bounded, waiting, decoding."""
        return self._link().pool()

    @property
    def client(self) -> Redis:
        """redis-py's client over `pool`. Its errors and time-outs (5 s) are its own: nothing here guards it."""
        from redis.asyncio import Redis  # costs 50 ms, and most never ask for it

        if self._client is None or self._client.connection_pool is not self.pool:
            self._client = Redis(connection_pool=self.pool)
        return self._client

    # ── values ──────────────────────────────────────────────────────────────────────────────────────

    async def get(self, key: str, default: Any = None, *, cache_type: str = "default") -> Any:  # Any: the user's values
        """The value under *key*; *default* if there is none, or Redis is away. A stored None is None: ask `exists`."""
        found, value = await self._read(_checked(key), cache_type)
        return value if found else default

    async def set(
        self,
        key: str,
        value: Any,  # Any: the user's value
        expire: Duration | None = None,
        *,
        ttl: Duration | None = None,
        cache_type: str = "default",
    ) -> bool:
        """Store *value* for *ttl* (also called *expire*; seconds, "5m", FOREVER). True if Redis has it.

        Without either, `default_ttl`. False, with one line in the log, if the value can't be encoded or is larger than
        `max_value`, or if Redis is away or full.
        """
        name, life = _checked(key), self._life(expire, ttl)
        if not self.settings.enabled:
            return False
        data = self._encoded(value)
        if data is None:
            self.stats.count("errors", cache_type)
            return False
        expiry = () if life is FOREVER else ("PX", max(1, round(life * 1000)))
        budget = self.settings.operation_timeout + len(data) / _BYTES_PER_SECOND
        stored = await self._ask("set", None, name, "SET", name, data, *expiry, budget=budget, cache_type=cache_type)
        if stored is None:
            return False
        self._writes_refused = ""
        self.stats.count("sets", cache_type)
        return True

    async def delete(self, key: str, *, cache_type: str = "default") -> bool:
        """Remove *key*; True if it was there. Also with `CACHE_ENABLED=false`."""
        name = _checked(key)
        deleted = await self._ask("delete", 0, name, "UNLINK", name, cache_type=cache_type)
        if deleted:
            self.stats.count("deletes", cache_type)
        return bool(deleted)

    async def exists(self, key: str) -> bool:
        """Is there a value under *key*, even None?"""
        name = _checked(key)
        return self.settings.enabled and bool(await self._ask("exists", 0, name, "EXISTS", name))

    async def get_ttl(self, key: str) -> int | None:
        """Seconds left, as Redis says it: -1 never expires, -2 is not there. None: no answer."""
        name = _checked(key)
        left: int | None = await self._ask("get_ttl", None, name, "TTL", name)
        return left

    async def expire(self, key: str, ttl: Duration) -> bool:
        """Give *key* a new life from now; FOREVER takes its end away. True if it was there."""
        name, life = _checked(key), parse_duration(ttl, "ttl")
        if life is FOREVER:
            await self._ask("expire", 0, name, "PERSIST", name)
            return bool(await self._ask("expire", 0, name, "EXISTS", name))
        return bool(await self._ask("expire", 0, name, "PEXPIRE", name, max(1, round(life * 1000))))

    async def invalidate_pattern(self, pattern: str, *, cache_type: str = "default") -> int:
        """Remove every key that matches the glob *pattern* ("user:7:*"); how many there were.

        - Walks with SCAN, 1000 keys at a time, and frees memory in the background (UNLINK): other commands pass between.
        - Takes time in proportion to all keys of the server. Tags of `Cache` don't; prefer them.
        - Not a snapshot: keys written meanwhile may stay. Ends early, with what it has done, if Redis goes away.
        """
        name, removed = _checked(pattern), 0
        try:
            async for address, names in self._link().matching(name):
                count: int = await self._link().run_at(address, "UNLINK", *names, budget=self.settings.socket_timeout)
                removed += count
        except STORE_ERRORS as error:
            self._swallow("invalidate_pattern", error, cache_type)
        for _ in range(removed):
            self.stats.count("deletes", cache_type)
        return removed

    def cache_result(
        self, cache_type: str = "default", ttl: Duration | None = None
    ) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
        """A decorator for `async def`: what it returned for the same arguments within *ttl* is not computed again.

        Types matter (1 is not "1"), spelling does not (positional or by name). A result that can't be stored is
        returned all the same. `Cache.cached` does more: one load for many callers, tags, staleness, L1.
        """
        life = self._life(None, ttl)

        def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
            key_of = call_key(function, self.settings.namespace, cache_type, self.settings.secret.encode())

            @wraps(function)
            async def cached(*args: P.args, **kwargs: P.kwargs) -> R:
                key = key_of(*args, **kwargs)
                found, value = await self._read(key.encode(), cache_type)
                if found:
                    stored: R = value
                    return stored
                result = await function(*args, **kwargs)
                await self.set(key, result, ttl=life, cache_type=cache_type)
                return result

            return cached

        return decorate

    # ── health ──────────────────────────────────────────────────────────────────────────────────────

    async def ping(self) -> bool:
        """Does every primary answer? Never waits for one that is known to be away."""
        try:
            for address in await self._link().primaries():
                await self._link().run_at(address, "PING")
        except STORE_ERRORS as error:
            self._swallow("ping", error)
            return False
        self._answered = True
        return True

    async def health_check(self) -> Health:
        """One PING and everything known, for a health endpoint: `status` is healthy, degraded, unhealthy or unknown.

        degraded: answers, but refuses writes, or a part of a Cluster is away. unknown: this loop has not asked yet
        and caching is switched off.
        """
        began = time.perf_counter()
        alive = await self.ping() if self.settings.enabled or self._answered else None
        return report(self, self._link(), alive, time.perf_counter() - began, self._writes_refused)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────

    def _link(self) -> Pooled:
        """The connections of the running loop. Those of a parent process are the parent's: they are only forgotten."""
        if self._process != os.getpid():
            self._process, self._unbound, self._client = os.getpid(), None, None
            self._links = WeakKeyDictionary()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # `pool` or `client` was asked for at import
            self._unbound = self._unbound or Pooled(self.settings)
            return self._unbound
        link = self._links.get(loop)
        if link is None:
            link, self._unbound = self._unbound or Pooled(self.settings), None
            self._links[loop] = link
        return link

    async def _read(self, name: bytes, cache_type: str) -> tuple[bool, Any]:
        if not self.settings.enabled:
            return False, None
        data = await self._ask("get", _NO_ANSWER, name, "GET", name, cache_type=cache_type)
        if data is _NO_ANSWER:
            return False, None
        if data is None:
            self.stats.count("misses", cache_type)
            return False, None
        try:
            value = values.decode(data)
        except CodecError as error:
            self._unusable("value_unreadable", str(error))
            self.stats.count("misses", cache_type)
            self.stats.count("errors", cache_type)
            return False, None
        self.stats.count("hits", cache_type)
        return True, value

    async def _ask(
        self,
        operation: str,
        otherwise: Any,
        name: bytes,
        *command: str | bytes | int,
        budget: float | None = None,
        cache_type: str = "default",
    ) -> Any:  # Any: the server's reply
        """The reply to *command*, or *otherwise*."""
        try:
            reply = await self._link().run(name, *command, budget=budget)
        except STORE_ERRORS as error:
            self._swallow(operation, error, cache_type)
            return otherwise
        self._answered = True
        return reply

    def _life(self, expire: Duration | None, ttl: Duration | None) -> float | Forever:
        if expire is not None and ttl is not None:
            raise ConfigurationError("ttl and expire mean the same; give one of them.")
        given = ttl if ttl is not None else expire
        if given is not None:
            return parse_duration(given, "ttl" if ttl is not None else "expire")
        return FOREVER if self.default_ttl is None else self.default_ttl

    def _encoded(self, value: Any) -> bytes | None:
        try:
            data = values.encode(value)
        except CodecError as error:
            self._unusable("value_not_stored", str(error))
            return None
        if len(data) > self.settings.max_value:
            self._unusable("value_too_large", f"{len(data)} bytes are more than max_value={self.settings.max_value}.")
            return None
        return data

    def _unusable(self, code: str, why: str) -> None:
        self.stats.remember("encode", code, why)
        self._say(code, why, "A value can't be cached: %s", why)

    def _swallow(self, operation: str, error: Exception, cache_type: str = "default") -> None:
        """Count a fault of Redis and go on. The guards log outages; here the rest is, once a minute at most."""
        self.stats.count("errors", cache_type)
        reason = error.reason if isinstance(error, StoreUnavailable) else classify(error).reason
        if error.__cause__ is None and type(error) is StoreUnavailable:
            return  # answered at once, by a guard that has spoken before
        self.stats.remember(operation, reason, str(error))
        if isinstance(error, WritesRefused):
            self._writes_refused = reason
        if isinstance(error, (WritesRefused, StoreOverloaded)) or reason not in ADVICE:
            self._say(f"redis_{reason}", operation, "Redis at %s: %s failed: %s", self.url, operation, error)

    def _say(self, code: str, about: str, message: str, *args: object) -> None:
        now = time.monotonic()
        if now - self._said.get((code, about), -_SAY_AGAIN) >= _SAY_AGAIN:
            self._said[code, about] = now
            _log.warning(message, *args, extra={"code": code})


def _checked(key: object) -> bytes:
    if not isinstance(key, str) or not key:
        raise ConfigurationError(f"A key is a non-empty text, not {type(key).__name__}; write for example 'user:7'.")
    return key.encode("utf-8", "surrogatepass")
