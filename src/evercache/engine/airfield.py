"""The flights and tasks of one event loop.

A cache may be used from several loops (tests, threads, reloads); futures and tasks may not. So each loop that uses a
cache has its own airfield, and the cache looks the running one up off the hit path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable
from contextvars import Context
from typing import Any

from evercache.core.course import Course
from evercache.core.flight import Flights, Ticks

__all__ = ["Airfield"]


class Airfield:
    """Owns what runs in its loop: every task started here ends by `close()`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.ticks = Ticks()
        self.flights = Flights()
        self.course = Course(self.ticks, self.flights)
        self.refreshing: set[Hashable] = set()
        self.throttled: dict[Hashable, float] = {}
        self.wakes: dict[bytes, asyncio.Event] = {}
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

    def expect(self, key: bytes) -> asyncio.Event:
        """The event that is set when *key* is filled or released elsewhere; ask before sending what may make it wait."""
        event = self.wakes.get(key)
        if event is None:
            event = self.wakes[key] = asyncio.Event()
        event.clear()
        return event

    def throttle(self, place: Hashable, until: float, now: float) -> None:
        """No load of *place* before *until*: the last one failed, and a stale value answers."""
        if len(self.throttled) >= 10_000:
            self.throttled = {p: u for p, u in self.throttled.items() if u > now}
        self.throttled[place] = until

    async def drain(self, seconds: float) -> None:
        """Give running tasks *seconds* to end by themselves."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=seconds)

    async def close(self) -> None:
        """End every task."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
