"""`Warmer`: keeps the answers of a plan warm, by hand and in the background."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

from evercache.cache import Cache
from evercache.core.duration import Duration, parse_seconds
from evercache.errors import ConfigurationError, NotStarted
from evercache.warming.background import Background
from evercache.warming.budget import Budget
from evercache.warming.call import calls_of, demand_cache
from evercache.warming.crew import Crew
from evercache.warming.plan import Plan
from evercache.warming.results import CacheWarmingResult, Progress, Tally
from evercache.warming.schedule import Schedule
from evercache.warming.shift import Shift

__all__ = ["Warmer"]

_log = logging.getLogger("evercache")

SHORTEST_LEASE = 0.5
TELL_EVERY = 10.0
"""Seconds between two lines in the log about a run that takes long."""


class Warmer:
    """Keeps the answers of *plan* warm.

        warmer = Warmer(cache, plan, budget=Budget(concurrent=4, per_second=50))
        async with cache, warmer:                 # one process of the fleet keeps them warm from now on
            result = await warmer.run()           # or by hand, in this process, now

    - In the background, an answer is replaced before its life ends, an invalidated one right after the invalidation, and
      the sources of the plan are asked again every *rescan*. One process of all that share the Redis and the plan's name
      does it; if it dies, another one goes on after *lease* seconds.
    - `ahead`: the fraction of its life that an answer has left when it is replaced, 0.2; more if the budget needs it.
    - `background`: False leaves it out; by itself what ENABLE_BACKGROUND_WARMING says.
    - `at_start`: with `wait`, `async with` only goes on once the plan is warm, or has failed; `behind` doesn't wait.
    - `on_progress` is called with a `Progress` after each call of a run; it must return at once.

    It ends with the cache at the latest. Nothing it meets reaches anybody but through results, logs and `status`.
    """

    def __init__(
        self,
        cache: Cache,
        plan: Plan,
        *,
        budget: Budget | None = None,
        rescan: Duration = "5m",
        ahead: float = 0.2,
        lease: Duration = 3.0,
        background: bool | None = None,
        at_start: Literal["behind", "wait"] = "behind",
        on_progress: Callable[[Progress], object] | None = None,
    ) -> None:
        if not 0 < ahead <= 0.5:
            raise ConfigurationError(f"Warmer(ahead={ahead!r}): write a fraction of the life, above 0 and up to 0.5.")
        if at_start not in ("behind", "wait"):
            raise ConfigurationError(f"Warmer(at_start={at_start!r}) is not known; choose behind or wait.")
        demand_cache(plan, cache.engine)
        self.plan = plan
        self.last: CacheWarmingResult | None = None
        self._engine = cache.engine
        self._crew = Crew(cache.engine, budget or Budget())
        self._rescan = parse_seconds(rescan, "Warmer(rescan)")
        self._lease = parse_seconds(lease, "Warmer(lease)")
        if self._lease < SHORTEST_LEASE:
            raise ConfigurationError(
                f"Warmer(lease={lease!r}): a busy process may well wait that long; write at least 0.5 s."
            )
        self._ahead = ahead
        self._wanted = cache.settings.background_warming if background is None else background
        self._at_start = at_start
        self._on_progress = on_progress
        self._background: Background | None = None
        self._told_at = cache.clock.monotonic()

    # -- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to work in the background. The cache has to be started. Idempotent."""
        self._demand_started()
        if self._background is not None and self._background.alive:
            return
        await self.stop()  # what is left of a loop that has ended
        if self._at_start == "wait":
            await self.run()
        if self._wanted and self._engine.enabled:
            self._background = Background(
                self.plan,
                self._crew,
                rescan=self._rescan,
                ahead=self._ahead,
                lease=self._lease,
                told=self._told,
                ended=self._ended,
            )
            self._engine.companions.add(self._background)
            self._background.begin()

    async def stop(self) -> None:
        """End the background work and hand it over to another process. Idempotent."""
        background, self._background = self._background, None
        if background is not None:
            self._engine.companions.remove(background)
            await background.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _demand_started(self) -> None:
        if self._engine.shares and not self._engine.lives_here:
            raise NotStarted("a warmer works in the loop of its cache: `async with cache, warmer:`.")

    # -- by hand -----------------------------------------------------------------------------------------------------

    async def run(
        self,
        plan: Plan | None = None,
        *,
        anew: bool = False,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> CacheWarmingResult:
        """Warm *plan* (by itself the warmer's own) in this process, within the warmer's budget.

        - What is fresh and not about to die is left alone; *anew* loads it all the same.
        - A load that fails is tried three times, and stops nobody else's. Never raises because of one.
        - Raises NotStarted where the cache isn't started.
        """
        self._demand_started()
        plan = self.plan if plan is None else plan
        demand_cache(plan, self._engine)
        tally = Tally(plan.name, self._engine.clock)
        schedule = Schedule(await calls_of(plan, self._engine, tally.source_failed))
        tally.total = len(schedule)
        shift = Shift(
            self._crew,
            schedule,
            tally,
            may=lambda: True,
            told=lambda tally: self._told(tally, on_progress),
            ended=lambda _: None,  # told below, also for a plan without calls
            ahead=self._ahead,
            once=True,
            anew=anew,
        )
        if self._engine.enabled:
            await shift.work()
        else:
            tally.source_failed("CACHE_ENABLED", "is false, nothing is kept")
        return self._ended(tally)

    # -- telling -----------------------------------------------------------------------------------------------------

    @property
    def elected(self) -> bool:
        """Whether this process is the one that works in the background."""
        background = self._background
        return background is not None and background.alive and background.election.holds

    def status(self) -> dict[str, object]:
        """What it is doing: `background` (off, waiting or working), `calls`, `warm` of them, `slow` functions, `last`."""
        background = self._background
        now = self._engine.clock.monotonic()
        items = () if background is None or not self.elected else tuple(background.schedule)
        return {
            "plan": self.plan.name,
            "background": "off"
            if background is None or not background.alive
            else "working"
            if self.elected
            else "waiting",
            "calls": len(items),
            "warm": sum(item.warmth.until > now for item in items),
            "slow": self._crew.slow,
            "last": None if self.last is None else self.last.to_dict(),
        }

    def _told(self, tally: Tally, on_progress: Callable[[Progress], object] | None = None) -> None:
        now = self._engine.clock.monotonic()
        for listener in (self._on_progress, on_progress):
            if listener is not None:
                try:
                    listener(tally.progress())
                except Exception:  # noqa: BLE001 - whatever it raises is its own
                    _log.exception("a progress callback failed; warming goes on")
        if now - max(self._told_at, tally.began) >= TELL_EVERY:
            self._told_at = now
            _log.info("%s", tally.progress(), extra={"event": "cache.warming", "plan": self.plan.name})

    def _ended(self, tally: Tally) -> CacheWarmingResult:
        result = tally.result()
        self.last = result
        level = logging.INFO if result.success else logging.WARNING
        told = f"{result.items_warmed} warmed, {result.items_fresh} were fresh, {result.items_failed} failed"
        _log.log(
            level,
            "%s: %s, in %.1f s%s",
            result.operation_type,
            told,
            result.duration_seconds,
            "" if not result.errors else "; " + ", ".join(result.errors),
            extra={"event": "cache.warmed", "plan": result.operation_type},
        )
        hooks = self._engine.hooks
        if hooks.observers:
            from evercache.core.events import Warmed

            hooks.emit(
                Warmed(
                    result.operation_type,
                    result.items_warmed,
                    result.items_fresh,
                    result.items_failed,
                    result.duration_seconds,
                )
            )
        return result
