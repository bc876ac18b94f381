"""Who loads: at most so many at once and so many in a second, and nobody while the source is slow or others wait for it.

One crew for each warmer: what is run by hand and what runs in the background share one budget.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager

from evercache.core.events import Event, Loaded
from evercache.engine.engine import Engine
from evercache.engine.site import Site
from evercache.engine.waiting import within
from evercache.engine.warmth import Heater, Outcome, State, Warmth
from evercache.warming.budget import Budget, Pace, Pulse
from evercache.warming.call import Call
from evercache.warming.schedule import Item, lead_of

__all__ = ["Bell", "Crew"]

LONGEST_PAUSE = 3600.0
CROWDED = 0.05
"""Seconds until the next look at a gate at which live loads wait."""


class Bell:
    """Wakes whoever waits, or does not let the next one wait."""

    def __init__(self) -> None:
        self._rung = False
        self._future: asyncio.Future[None] | None = None

    def ring(self) -> None:
        self._rung = True
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    async def wait(self, engine: Engine, seconds: float) -> None:
        """Until it rings, at most *seconds*."""
        if not self._rung:
            self._future = asyncio.get_running_loop().create_future()
            await within(engine.clock, min(seconds, LONGEST_PAUSE), self._future)
        self._rung = False


class Crew:
    """Loads calls within a budget. *usual* load times are kept for each function, and are this process's own."""

    def __init__(self, engine: Engine, budget: Budget) -> None:
        self.engine = engine
        self.budget = budget
        self.heater = Heater(engine, engine.reader)
        self.loading = 0
        self._bells: set[Bell] = set()
        self._deafen: Callable[[], None] | None = None
        self.pace = Pace(budget.per_second)
        self._pulses: dict[str, Pulse] = {}
        self._busy: dict[str, int] = {}

    # -- may a load start? -------------------------------------------------------------------------------------------

    def wait(self, now: float) -> float | None:
        """Seconds until a load may start; None: not before one has ended."""
        airfield = self.engine.airfield()
        if airfield.gate.crowded:
            return CROWDED
        live = max(0, len(airfield.flights.airborne) - self.loading)
        if self.loading >= max(1, self.budget.concurrent - live):
            return None if self.loading else CROWDED
        return self.pace.wait(now)

    def rest(self, site: Site, now: float) -> float:
        """Seconds for which a function is to be left alone, because it has become slow: it is tried with single loads."""
        pulse = self._pulse(site.name)
        if pulse.slow and self._busy.get(site.name):
            return math.inf
        return pulse.wait(now)

    def is_slow(self, site: Site) -> bool:
        """Whether a function is slower than usual."""
        return self._pulse(site.name).slow

    def _pulse(self, name: str) -> Pulse:
        pulse = self._pulses.get(name)
        if pulse is None:
            pulse = self._pulses[name] = Pulse(self.budget.slowdown)
        return pulse

    def _observe(self, event: Event) -> None:
        """Every load of a function that is warmed tells about its source: those of live traffic too."""
        if isinstance(event, Loaded) and (pulse := self._pulses.get(event.function)) is not None:
            pulse.note(event.seconds, self.engine.clock.monotonic())

    @contextmanager
    def at_work(self, bell: Bell) -> Generator[None]:
        """While somebody works with this crew: *bell* rings whenever a place may be free."""
        if not self._bells:
            self._deafen = self.engine.hooks.add(self._observe)
        self._bells.add(bell)
        try:
            yield
        finally:
            self._bells.discard(bell)
            if not self._bells and self._deafen is not None:
                self._deafen()

    @property
    def slow(self) -> list[str]:
        """The functions that are left alone at present."""
        return [name for name, pulse in self._pulses.items() if pulse.slow]

    # -- loading -----------------------------------------------------------------------------------------------------

    def begin(self, call: Call, now: float) -> None:
        """A load of *call* takes its place."""
        self.loading += 1
        self._busy[call.site.name] = self._busy.get(call.site.name, 0) + 1
        self.pace.start(now)

    async def load(self, item: Item) -> Outcome:
        """Load what has begun, and give its place back."""
        call = item.call
        try:
            return await self.heater.load(call.site, call.key, call.arguments, item.warmth, self.budget.patience)
        finally:
            self.loading -= 1
            self._busy[call.site.name] -= 1
            for bell in self._bells:
                bell.ring()

    async def look(self, call: Call) -> Warmth:
        return await self.heater.look(call.site, call.key, call.arguments)

    # -- planning ----------------------------------------------------------------------------------------------------

    def due(self, item: Item, warmth: Warmth, calls: int, ahead: float) -> float:
        """When a fresh answer is to be replaced, so that *calls* of them never die."""
        if warmth.state is not State.FRESH:
            return self.engine.clock.monotonic()
        pulse = self._pulses.get(item.call.site.name)
        usual = 0.0 if pulse is None or pulse.usual is None else pulse.usual
        backlog = max(self.pace.round_of(calls), calls * usual / self.budget.concurrent)
        return warmth.until - lead_of(item.life, usual, backlog, ahead)
