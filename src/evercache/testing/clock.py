"""A clock that only moves when it is told to.

Give it to whatever takes a `Clock`, and a test that is about an hour takes a millisecond and has one outcome:

    clock = ManualClock()
    task = asyncio.create_task(refresher(clock))
    await clock.tick(3600)

`advance` moves the time in one leap and wakes who is due; `tick` walks from one due moment to the next and lets the
woken tasks work at each, so a heartbeat of one second beats ten times in `tick(10)` and once in `advance(10)`.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading

__all__ = ["ManualClock"]

_START = 1_000_000.0  # never 0: code that takes 0 for "not set" has to fail here, not in production
_WALL = 1_700_000_000.0


class ManualClock:
    """`evercache.core.clock.Clock` in the hands of a test.

    - Time stands still between two calls of `advance` or `tick`.
    - Sleepers wake in the order of their due times; equal times wake in the order in which they lay down.
    - A cancelled sleeper is forgotten at once.
    - May be read and advanced from any thread; each sleeper wakes in the loop it sleeps in.
    """

    def __init__(self, *, monotonic: float = _START, wall: float = _WALL) -> None:
        self._now = monotonic
        self._wall_ahead = wall - monotonic
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<ManualClock at {self._now:.6f}, {self.sleepers} asleep>"

    def monotonic(self) -> float:
        """The moment, in seconds; starts at a number that means nothing."""
        return self._now

    def wall(self) -> float:
        """The moment as seconds since 1970; moves along with `monotonic`, except for `jump_wall`."""
        return self._now + self._wall_ahead

    async def sleep(self, seconds: float, /) -> None:
        """Return when the time has moved by *seconds*; nothing to wait for is still one turn of the loop."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            sleeper = (self._now + seconds, next(self._order), future)
            heapq.heappush(self._sleepers, sleeper)
        try:
            await future
        finally:
            self._forget(sleeper)

    @property
    def sleepers(self) -> int:
        """How many tasks wait for this clock now."""
        return len(self._sleepers)

    @property
    def next_due(self) -> float | None:
        """The moment at which the first sleeper wakes, or None if nobody sleeps."""
        with self._lock:
            return self._sleepers[0][0] if self._sleepers else None

    def advance(self, seconds: float) -> None:
        """Move the time by *seconds* at once and wake who is due. They run when the caller gives up the loop."""
        if seconds < 0:
            raise ValueError(
                f"monotonic time never goes back: advance({seconds!r}); to set the wall back, use jump_wall()"
            )
        with self._lock:
            self._now += seconds
            due: list[asyncio.Future[None]] = []
            while self._sleepers and self._sleepers[0][0] <= self._now:
                due.append(heapq.heappop(self._sleepers)[2])
        for future in due:
            _wake(future)

    async def tick(self, seconds: float, *, turns: int = 50) -> None:
        """Let *seconds* go by: stop at every due moment on the way and let everybody work before going on.

        *turns* bounds how often the loop is given away at each stop. Work that waits for threads or sockets doesn't
        end by turns alone: wait for its result instead.
        """
        end = self._now + seconds
        await settle(turns)
        while (due := self.next_due) is not None and due <= end:
            self._advance_to(due)
            await settle(turns)
        self._advance_to(end)
        await settle(turns)

    async def until_asleep(self, count: int = 1, *, turns: int = 10_000) -> None:
        """Return as soon as at least *count* tasks sleep; raises TimeoutError after *turns* turns of the loop."""
        for _ in range(turns):
            if self.sleepers >= count:
                return
            await asyncio.sleep(0)
        raise TimeoutError(f"{self.sleepers} of {count} expected sleepers after {turns} turns of the loop")

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator or NTP does. `monotonic` doesn't notice."""
        self._wall_ahead += seconds

    def _advance_to(self, moment: float) -> None:
        with self._lock:
            # A sum of floats may miss the due moment by one rounding; the moment itself can't.
            self.advance(max(0.0, moment - self._now))
            self._now = max(self._now, moment)
            self.advance(0.0)

    def _forget(self, sleeper: tuple[float, int, asyncio.Future[None]]) -> None:
        with self._lock:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)


async def settle(turns: int = 50) -> None:
    """Give the loop away *turns* times, which is enough for tasks that only wait for each other."""
    for _ in range(turns):
        await asyncio.sleep(0)


def _wake(future: asyncio.Future[None]) -> None:
    loop = future.get_loop()
    if _running_loop() is loop:
        _finish(future)
    elif not loop.is_closed():
        loop.call_soon_threadsafe(_finish, future)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
