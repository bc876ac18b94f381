"""The server's clock, estimated from what its replies say: never behind, seldom ahead by more than a round trip.

A reply says what the server's clock showed at some moment after the question was sent. So `shown - sent` is never less
than the true difference of the two clocks, and the smallest one seen lately is the best. "Lately", because clocks drift.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["ServerClock"]

_WINDOW = 30.0


class ServerClock:
    """*monotonic* and *wall* are this process's clocks, in seconds; the wall clock serves until the first sample."""

    __slots__ = ("_before", "_best", "_monotonic", "_since", "_wall")

    def __init__(self, monotonic: Callable[[], float], wall: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self.reset()

    def reset(self) -> None:
        """Another server: forget everything."""
        self._best: float | None = None
        self._before: float | None = None
        self._since = self._monotonic()

    def sample(self, sent: float, shown: int) -> None:
        """The server showed *shown* milliseconds in the reply to a question sent at *sent*."""
        offset = shown + 1 - sent * 1000  # the server cuts off its microseconds
        if sent - self._since > _WINDOW:
            self._before, self._best, self._since = self._best, offset, sent
        elif self._best is None or offset < self._best:
            self._best = offset

    def now(self) -> int:
        """Milliseconds."""
        best, before = self._best, self._before
        if best is None:
            return int(self._wall() * 1000)
        return int(self._monotonic() * 1000 + (best if before is None else min(best, before)))
