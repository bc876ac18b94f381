"""Working a schedule off: look at what is due, load what is wanted, put it back, wait."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable

from evercache.engine.warmth import Outcome, State, Warmth
from evercache.warming.crew import Bell, Crew
from evercache.warming.results import Tally
from evercache.warming.schedule import Item, Schedule

__all__ = ["BACK_OFF", "Shift"]

_log = logging.getLogger("evercache")

LOOKS = 32
"""Looks that leave together, as one MGET: a few milliseconds of the loop, so that live readers don't notice."""
STARTS, LATE = 4, 0.005
"""Loads that start in one turn of the loop, and how many seconds a turn may take before we give way."""
TRIES = 3
"""Attempts after which a call counts as failed, in a round or a run; an overtaken load is nothing to complain of."""
AWAY = "the shared store does not answer"
AGAIN = 1.0
"""Seconds until the next look where nothing could be known, or another process is at it."""
BACK_OFF = 0.5
LONGEST_BACK_OFF = 60.0
"""Seconds until the next attempt after a failed load; they double with each."""


class Shift:
    """Works until it is `over`. *once*: each call is done when it is warm, or has failed.

    - *may*: asked before every load; False ends the shift.
    - *anew*: load also what is fresh.
    - *told*: called with the tally after each call; *ended* when all calls of a `round` are counted.
    """

    def __init__(
        self,
        crew: Crew,
        schedule: Schedule,
        tally: Tally,
        *,
        may: Callable[[], bool],
        told: Callable[[Tally], None],
        ended: Callable[[Tally], object],
        ahead: float,
        once: bool = False,
        anew: bool = False,
    ) -> None:
        self.crew = crew
        self.schedule = schedule
        self.tally = tally
        self.bell = Bell()
        self._may = may
        self._told = told
        self._ended = ended
        self._ahead = ahead
        self._once = once
        self._anew = anew
        self._open = False  # a round whose end was not told yet
        self._tasks: set[asyncio.Task[None]] = set()
        self._parked: dict[str, list[Item]] = {}  # wanted calls of functions that are left alone

    def round(self, tally: Tally) -> None:
        """A new round begins: every call is looked at, and counted once."""
        self.tally, self._open = tally, True
        tally.total = len(self.schedule)
        now = self._now()
        for item in self.schedule:
            item.counted = False
            self.schedule.hasten(item, now)
        self._check_end()
        self.bell.ring()

    async def work(self) -> None:
        try:
            with self.crew.at_work(self.bell):
                await self._work()
        finally:
            for task in tuple(self._tasks):
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _work(self) -> None:
        while self._may() and not self._is_over():
            await self._look()
            pause = self._load()
            if self._is_over():
                return
            await self._give_way()
            if self.schedule.next_due > self._now():
                await self.bell.wait(self.crew.engine, min(pause, self.schedule.next_due - self._now()))

    async def _give_way(self) -> None:
        """Leave the loop to others for as long as its last turn took, if that was long: they come late because of us."""
        began = self._now()
        await asyncio.sleep(0)
        late = self._now() - began
        if late > LATE:
            await self.crew.engine.clock.sleep(late)

    def _is_over(self) -> bool:
        return self._once and self.tally.done >= self.tally.total

    # -- looking -----------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        began = self._now()
        items = self.schedule.due(began, LOOKS)
        if not items:
            return
        seen = await asyncio.gather(*(self.crew.look(item.call) for item in items))
        for item, warmth in zip(items, seen, strict=True):
            self._judge(item, warmth)
        # Half of the time is for others: thousands of looks in a row would make everybody's answers late.
        await self.crew.engine.clock.sleep(self._now() - began)

    def _judge(self, item: Item, warmth: Warmth) -> None:
        now = self._now()
        if warmth.state is State.UNKNOWN:
            self._failed(item, AWAY, AGAIN)
            return
        self.schedule.saw(item, warmth)
        due = self.crew.due(item, warmth, len(self.schedule), self._ahead)
        if warmth.state is State.FRESH and due > now and not (self._anew and not item.counted):
            if not item.counted:
                item.counted = True
                self.tally.fresh += 1
                self._check_end()
            self._put_back(item, due)
        else:
            self.schedule.want(item)

    def _put_back(self, item: Item, due: float) -> None:
        self.schedule.watch(item, math.inf if self._once and item.counted else due)

    # -- loading -----------------------------------------------------------------------------------------------------

    def _load(self) -> float:
        """Start what may start; seconds until more may."""
        pause, started = self._unpark(), 0
        while self.schedule.wanting and self._may():
            if started >= STARTS:
                return 0.0
            now = self._now()
            wait = self.crew.wait(now)
            if wait is None or wait > 0:
                return pause if wait is None else min(pause, wait)
            item = self.schedule.take()
            if item is None:
                break
            rest = self.crew.rest(item.call.site, now)
            if rest > 0:
                self._parked.setdefault(item.call.site.name, []).append(item)
                pause = min(pause, rest)
                continue
            self.crew.begin(item.call, now)
            started += 1
            task = asyncio.create_task(self._one(item), name="evercache warms")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return pause

    def _unpark(self) -> float:
        """Let those go on whose function is well, and one of those whose function is to be tried; seconds until more may."""
        pause = math.inf
        for name, items in tuple(self._parked.items()):
            site = items[0].call.site
            rest = self.crew.rest(site, self._now())
            if rest > 0:
                pause = min(pause, rest)
                continue
            go = 1 if self.crew.is_slow(site) else len(items)
            self._parked[name] = items[go:]
            if not self._parked[name]:
                del self._parked[name]
            for item in items[:go]:
                self.schedule.want(item)
        return pause

    async def _one(self, item: Item) -> None:
        try:
            self._after(item, await self.crew.load(item))
        except Exception as error:  # noqa: BLE001 - ours; the others go on
            _log.exception("%s: warming failed in the cache itself", item.call.site.name)
            self._failed(item, error)
        finally:
            self.bell.ring()

    def _after(self, item: Item, outcome: Outcome) -> None:
        if outcome.error is None and outcome.warmth.state is not State.UNKNOWN:
            self.schedule.saw(item, outcome.warmth)
        if outcome.error is not None:
            self._failed(item, outcome.error)
        elif outcome.warmth.state is State.FRESH:
            item.failures = 0
            if outcome.seconds is not None:
                item.life = outcome.warmth.until - self._now()
            if not item.counted:
                item.counted = True
                self.tally.warmed += 1
                self._check_end()
            self._put_back(item, self.crew.due(item, outcome.warmth, len(self.schedule), self._ahead))
        elif outcome.warmth.state is State.UNKNOWN:
            self._failed(item, AWAY, AGAIN)
        elif outcome.rejected:
            self._failed(item, "overtaken by an invalidation", BACK_OFF)
        elif outcome.seconds is None:
            self._put_back(item, self._now() + AGAIN)  # held by another process, which may have been quicker
        else:
            self._failed(item, "not stored")

    def _failed(self, item: Item, error: BaseException | str, again: float | None = None) -> None:
        """It is cold. *again*: seconds until the next attempt; by itself they double."""
        item.failures += 1
        self.tally.error(item.call.site.name, error)
        if not item.counted and item.failures >= TRIES:
            item.counted = True
            self.tally.failed += 1
            self._check_end()
        if again is None:
            again = min(LONGEST_BACK_OFF, BACK_OFF * 2.0 ** min(item.failures - 1, 16))
        self._put_back(item, self._now() + again)

    # -- telling -----------------------------------------------------------------------------------------------------

    def _check_end(self) -> None:
        self._told(self.tally)
        if self._open and self.tally.done >= self.tally.total:
            self._open = False
            self._ended(self.tally)

    def _now(self) -> float:
        return self.crew.engine.clock.monotonic()
