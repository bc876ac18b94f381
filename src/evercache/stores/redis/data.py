"""A Redis for data and not for cache: sessions, limits, conversations. One script at a time, on the server of its slot.

    data = RedisData("redis://localhost:6379/1", namespace="shop")
    await data.run("limit", [b"{shop:rl:7f}:login"], [0, "id", "take"])

What is behind it is the pool of the plain client: a guard that knows at once that a server is away, a bounded queue,
budgets. It has no memory of its own and no log, for nothing of it may be lost or invalidated. Which server this is, is
the application's choice: in production another one than the cache's, which may evict.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from types import TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary

from evercache.config import Settings
from evercache.errors import ConfigurationError, StoreUnavailable
from evercache.stores.redis.pooled import Pooled

__all__ = ["RedisData"]

Part = bytes | str | int


class RedisData:
    """Scripts on a Redis, Sentinel or Cluster. Made without I/O; each event loop has connections of its own.

    - *budget*: seconds that one script may take. `run` raises StoreUnavailable (StoreOverloaded, WritesRefused) when the
      server doesn't answer or doesn't want to; after the first time-out at once, until it is back.
    - All keys of one call lie in one slot: give them one hash tag.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        namespace: str | None = None,
        settings: Settings | None = None,
        budget: float = 0.05,
    ) -> None:
        if settings is None:
            settings = Settings.resolve(url) if namespace is None else Settings.resolve(url, namespace=namespace)
        if settings.url is None:
            raise ConfigurationError("RedisData needs the URL of a Redis; give one, or set REDIS_URL.")
        self.settings = settings
        self.namespace = settings.namespace
        self.budget = budget
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, Pooled] = WeakKeyDictionary()

    async def run(self, name: str, keys: Sequence[bytes], arguments: Sequence[Part]) -> Any:  # Any: the script's reply
        """The reply of the script `lua/<name>.lua`; its first key says where it runs."""
        source, sha = _script(name)
        pool = self._pool()
        try:
            return await pool.run(keys[0], "EVALSHA", sha, len(keys), *keys, *arguments, budget=self.budget)
        except StoreUnavailable as error:
            if error.reason != "noscript":
                raise
            # A server that doesn't know the script, and has executed nothing.
            return await pool.run(keys[0], "EVAL", source, len(keys), *keys, *arguments, budget=self.budget)

    @property
    def answers(self) -> bool:
        """Whether no server of this loop is known to be away."""
        return not self._pool().open_guards

    async def close(self) -> None:
        """End the connections of this loop. A closed one opens again with the next call."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            await pool.close()

    async def __aenter__(self) -> Self:
        self._pool().start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _pool(self) -> Pooled:
        loop = asyncio.get_running_loop()
        found = self._pools.get(loop)
        if found is None:
            found = self._pools[loop] = Pooled(self.settings)
        return found


@cache
def _script(name: str) -> tuple[bytes, str]:
    source = (files("evercache.stores.redis") / "lua" / f"{name}.lua").read_bytes()
    return source, sha1(source, usedforsecurity=False).hexdigest()
