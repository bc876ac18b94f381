"""Keeping a plan warm for as long as the cache lives: elected, at work, deposed, and from the start again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from evercache.core.protocol import LogRecord
from evercache.engine.waiting import settle
from evercache.warming.call import calls_of
from evercache.warming.crew import Bell, Crew
from evercache.warming.election import Election
from evercache.warming.plan import Plan
from evercache.warming.results import Tally
from evercache.warming.schedule import Item, Schedule
from evercache.warming.shift import Shift

__all__ = ["Background"]

_log = logging.getLogger("evercache")

SETTLE = 0.05
"""Seconds between an invalidation and the look that follows: a burst is looked at once, and live readers come first."""


class Background:
    """The background work of one warmer, a companion of the engine. *rescan*: seconds between two times that the sources are asked."""

    def __init__(
        self,
        plan: Plan,
        crew: Crew,
        *,
        rescan: float,
        ahead: float,
        lease: float,
        told: Callable[[Tally], None],
        ended: Callable[[Tally], object],
    ) -> None:
        self._plan = plan
        self._crew = crew
        self._rescan = rescan
        self._ahead = ahead
        self._told = told
        self._ended = ended
        self._bell = Bell()
        self.election = Election(crew.engine, plan.name, lease, self._bell.ring)
        self.schedule = Schedule()
        self._shift: Shift | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """Start to work."""
        self._tasks = (
            asyncio.create_task(self.election.run(), name="evercache stands for election"),
            asyncio.create_task(self._serve(), name="evercache keeps warm"),
        )

    @property
    def alive(self) -> bool:
        """Whether it has begun, and neither was closed nor ended with its loop."""
        return any(not task.done() for task in self._tasks)

    async def close(self) -> None:
        """Stop, and leave the office to another process."""
        tasks, self._tasks = self._tasks, ()
        if _running_loop() is not self._loop:  # the cache has moved to another loop; ours is its own business
            with suppress(RuntimeError):
                for task in tasks:
                    self._loop.call_soon_threadsafe(task.cancel)
            return
        for task in tasks:
            await settle(task)
        if tasks:
            await self.election.resign()

    # -- terms of office ---------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        engine = self._crew.engine
        while True:
            if not self.election.holds:
                await self._bell.wait(engine, 1.0)
                continue
            try:
                await self._term(self.election.terms)
            except Exception:  # noqa: BLE001 - ours, and it must not be the end of all warming
                _log.exception(
                    "%s: warming in the background failed in the cache itself; it begins anew", self._plan.name
                )
                await engine.clock.sleep(1.0)

    async def _term(self, number: int) -> None:
        """From an election to the end of the lease. What the term before has known may no longer be so."""
        engine = self._crew.engine
        self.schedule = Schedule()
        self._shift = shift = Shift(
            self._crew,
            self.schedule,
            Tally(self._plan.name, engine.clock),
            may=lambda: self.election.holds and self.election.terms == number,
            told=self._told,
            ended=self._ended,
            ahead=self._ahead,
        )
        _log.info(
            "%s: this process keeps it warm", self._plan.name, extra={"event": "cache.elected", "plan": self._plan.name}
        )
        scanning = asyncio.create_task(self._scan(shift), name="evercache asks who is to be warm")
        try:
            await shift.work()
        finally:
            self._shift = None
            await settle(scanning)

    async def _scan(self, shift: Shift) -> None:
        engine = self._crew.engine
        while True:
            await self._scan_once(shift)
            await engine.clock.sleep(self._rescan)

    async def _scan_once(self, shift: Shift) -> None:
        try:
            tally = Tally(self._plan.name, self._crew.engine.clock)
            calls = await calls_of(self._plan, self._crew.engine, tally.source_failed)
            for call in calls:
                self.schedule.add(call)
            if not tally.broken:
                self.schedule.keep_only({call.id for call in calls})
            shift.round(tally)
        except Exception:  # noqa: BLE001 - ours; what is known is kept warm all the same
            _log.exception("%s: asking who is to be warm failed in the cache itself", self._plan.name)

    # -- what is heard -----------------------------------------------------------------------------------------------

    def invalidated(self, records: Sequence[LogRecord]) -> None:
        """Look again at what these concern. From any thread."""
        self._here(lambda: self._hasten(item for record in records for item in self.schedule.concerned(record)))

    def flushed(self) -> None:
        """Look again at everything."""
        self._here(lambda: self._hasten(self.schedule))

    def _hasten(self, items: Iterable[Item]) -> None:
        due = self._crew.engine.clock.monotonic() + SETTLE
        for item in items:
            self.schedule.hasten(item, due)
        if self._shift is not None:
            self._shift.bell.ring()

    def _here(self, work: Callable[[], None]) -> None:
        if _running_loop() is self._loop:
            work()
        else:
            with suppress(RuntimeError):  # its loop has just been closed
                self._loop.call_soon_threadsafe(work)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
