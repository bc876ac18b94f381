"""The flights and tasks of one event loop.

A cache may be used from several loops (tests, threads, reloads); futures and tasks may not. So each loop that uses a
cache has its own airfield, and the cache looks the running one up off the hit path.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Hashable
from contextvars import Context
from typing import Any

from evercache.core.course import Course
from evercache.core.flight import Flights, Ticks
from evercache.engine.gate import Gate

__all__ = ["Airfield"]

MAX_RESTING = 10_000
"""Places whose source is left alone; of more, the older half is forgotten, which costs each of them one load."""


class Airfield:
    """Owns what runs in its loop: every task started here ends by `close()`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_loads: int | None = None) -> None:
        self.loop = loop
        self.ticks = Ticks()
        self.flights = Flights()
        self.course = Course(self.ticks, self.flights)
        self.gate = Gate(max_loads)
        self.refreshing: set[Hashable] = set()
        self.throttled: dict[Hashable, float] = {}
        self._wakes: dict[bytes, set[asyncio.Future[None]]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run *work* in a task of this airfield, in an empty context: nothing of the caller's request leaks in."""
        task = self.loop.create_task(work, name=f"evercache {name}", context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def busy(self) -> int:
        """How many tasks are running."""
        return len(self._tasks)

    def expect(self, key: bytes) -> asyncio.Future[None]:
        """Done when *key* is filled or released elsewhere; ask before sending what may make it wait, and `forget` it."""
        future: asyncio.Future[None] = self.loop.create_future()
        self._wakes.setdefault(key, set()).add(future)
        return future

    def forget(self, key: bytes, future: asyncio.Future[None]) -> None:
        waiting = self._wakes.get(key)
        if waiting is not None:
            waiting.discard(future)
            if not waiting:
                del self._wakes[key]

    def wake(self, key: bytes) -> None:
        """*key* was filled or released elsewhere."""
        for future in self._wakes.pop(key, ()):
            if not future.done():
                future.set_result(None)

    def rests(self, place: Hashable, now: float) -> bool:
        """Whether the source of *place* is left alone at present."""
        return now < self.throttled.get(place, -math.inf)

    def throttle(self, place: Hashable, until: float, now: float) -> None:
        """No load of *place* before *until*: the last one failed, and a stale value answers."""
        self.throttled.pop(place, None)  # the newest stand last
        if len(self.throttled) >= MAX_RESTING:
            resting = [(p, u) for p, u in self.throttled.items() if u > now]
            self.throttled = dict(resting[-MAX_RESTING // 2 :])
        self.throttled[place] = until

    async def drain(self, seconds: float) -> None:
        """Give running tasks *seconds* to end by themselves."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=seconds)

    async def close(self) -> None:
        """End every task. A loader that doesn't let itself be ended is left behind after a second."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
