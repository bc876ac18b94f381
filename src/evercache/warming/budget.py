"""How much of the source a warm-up may use: loads at once, loads per second, and nothing while the source is slow.

Warming that goes on while its source is overloaded makes the overload last (Bronson et al., "Metastable Failures in
Distributed Systems", HotOS 2021). So each function's load time is held against its own usual one: the idea of TCP
Vegas (Brakmo and Peterson, 1995), delay as the sign that a queue is growing. Values and decisions; the time is passed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from evercache.errors import ConfigurationError

__all__ = ["Budget", "Pace", "Pulse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a warmer may cost.

    - `concurrent`: loads at once, 4. Loads of live traffic in the same event loop take these places first; one is left.
    - `per_second`: loads started in a second; None: as many as `concurrent` allows.
    - `slowdown`: a function is left alone as soon as its loads take this many times their usual time, 3.0, and is tried
      with single loads until it is well. None: never.
    - `patience`: seconds after which a load no longer holds its place, 30; it goes on, and counts as failed.
    """

    concurrent: int = 4
    per_second: float | None = None
    slowdown: float | None = 3.0
    patience: float = 30.0

    def __post_init__(self) -> None:
        if self.concurrent < 1:
            raise ConfigurationError(f"Budget(concurrent={self.concurrent!r}): at least one load at a time is needed.")
        if self.per_second is not None and not 0 < self.per_second < math.inf:
            raise ConfigurationError(
                f"Budget(per_second={self.per_second!r}): write loads per second, or leave it out."
            )
        if self.slowdown is not None and not self.slowdown > 1:
            raise ConfigurationError(f"Budget(slowdown={self.slowdown!r}): write a factor above 1, or None for never.")
        if not 0 < self.patience < math.inf:
            raise ConfigurationError(f"Budget(patience={self.patience!r}): write seconds.")


class Pace:
    """Spaces the starts of loads: in any *t* seconds at most `per_second * (t + SLACK) + 1`."""

    SLACK = 0.05
    """Seconds that may be caught up on: a loop wakes up late now and then."""

    def __init__(self, per_second: float | None) -> None:
        self._gap = 0.0 if per_second is None else 1.0 / per_second
        self._next = -math.inf

    def wait(self, now: float) -> float:
        """Seconds until the next load may start; 0.0: now."""
        return max(0.0, self._next - now)

    def start(self, now: float) -> None:
        """A load starts."""
        self._next = max(self._next, now - self.SLACK) + self._gap

    def round_of(self, count: int) -> float:
        """Seconds that *count* loads take at least."""
        return count * self._gap


class Pulse:
    """The load time of one function against its own usual one.

    The usual time falls quickly and rises slowly, so a slow hour doesn't become usual, and a table that has grown does.
    """

    FLOOR = 0.010
    """Seconds of difference that are no sign of anything."""
    FIRST, LONGEST = 1.0, 30.0
    """Seconds of rest; they double while single loads are still slow."""

    def __init__(self, slowdown: float | None) -> None:
        self._slowdown = math.inf if slowdown is None else slowdown
        self._until = -math.inf
        self._pause = self.FIRST
        self.usual: float | None = None
        self.recent = 0.0
        self.slow = False

    def note(self, seconds: float, now: float) -> None:
        """A load took *seconds*."""
        if self.usual is None:
            self.usual = self.recent = seconds
            return
        self.recent += 0.5 * (seconds - self.recent)
        self.usual += (0.3 if seconds < self.usual else 0.02) * (seconds - self.usual)
        slow = self._slowdown < math.inf and self.recent > self.usual * self._slowdown + self.FLOOR
        if not slow:
            self.slow, self._pause, self._until = False, self.FIRST, -math.inf
        elif not self.slow or now >= self._until:  # loads that began before the rest don't prolong it
            self.slow, self._until = True, now + self._pause
            self._pause = min(self.LONGEST, self._pause * 2)

    def wait(self, now: float) -> float:
        """Seconds for which the function is to be left alone; 0.0: it may be loaded, one at a time if `slow`."""
        return max(0.0, self._until - now) if self.slow else 0.0
