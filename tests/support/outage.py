"""A whole cache in front of a server that will misbehave, and an origin that counts what it is asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from evercache import Cache
from evercache.config import Settings
from evercache.core.events import Event
from evercache.engine.clock import SystemClock
from evercache.stores.redis.store import RedisStore
from evercache.testing.servers import RedisServer
from tests.support.ears import until

__all__ = ["Origin", "cache_on", "calls", "many", "opened_cache", "trusted"]

PATIENT = {"operation_timeout": 5.0, "connect_timeout": 5.0}


class Origin:
    """A table of numbered rows, each with a version. `loads` counts what was asked, `running` is how many at once."""

    def __init__(self) -> None:
        self.loads: Counter[int] = Counter()
        self.versions: Counter[int] = Counter()
        self.failing = False
        self.running = self.most = 0
        self.gate: asyncio.Event | None = None

    async def row(self, number: int) -> dict[str, int]:
        self.loads[number] += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            version = self.versions[number]
            await (asyncio.sleep(0) if self.gate is None else self.gate.wait())
            if self.failing:
                raise ConnectionError("the database is away")
            return {"number": number, "version": version}
        finally:
            self.running -= 1

    def cached(self, cache: Any, **options: Any) -> Any:
        """`row` as a cached function with the tag `row:{number}`."""

        @cache.cached(key="row", **({"tags": ["row:{number}", "rows"]} | options))
        async def row(number: int) -> dict[str, int]:
            return await self.row(number)

        return row


class Steady(RedisStore):
    """A busy test machine is no slow Redis: without load times to compare with, nothing is called slow."""

    def note_load(self, seconds: float) -> None:
        pass


def cache_on(
    url: str, namespace: str, *, steady: bool = True, cache: dict[str, Any] | None = None, **given: Any
) -> Cache:
    """A cache that isn't started; patient, unless a test is about patience, and *steady*, unless it is about slowness."""
    settings = Settings.resolve(url, environ={}, namespace=namespace, **(PATIENT | given))

    def make() -> RedisStore:
        return Steady(settings, clock=SystemClock())

    return Cache(settings=settings, store=make if steady else None, **cache or {})


@asynccontextmanager
async def opened_cache(
    url: str, namespace: str, *, wait: bool = True, **more: Any
) -> AsyncIterator[tuple[Cache, list[Event]]]:
    """A started cache that trusts its server (unless `wait=False`), and the events it emits."""
    cache, events = cache_on(url, namespace, **more), []
    cache.observe(events.append)
    async with cache:
        if wait:
            await trusted(cache)
        yield cache, events


async def trusted(cache: Cache) -> None:
    """Wait until the cache is healthy and L1 may answer."""
    engine = cache.engine
    leases = engine.l1.leases
    await until(
        lambda: cache.health().status == "healthy" and all(lease.until > cache.clock.monotonic() for lease in leases)
    )


def calls(server: RedisServer, command: str) -> int:
    """How often *server* has executed *command* so far."""
    line = server.info("commandstats").get(f"cmdstat_{command}", "calls=0,")
    return int(line.split("calls=", 1)[1].split(",", 1)[0])


async def many(read: Callable[[int], Awaitable[Any]], count: int, *, of: int = 1) -> list[Any]:
    """*count* reads at once, of *of* different numbers; exceptions come back as results."""
    return await asyncio.gather(*[read(number % of) for number in range(count)], return_exceptions=True)
