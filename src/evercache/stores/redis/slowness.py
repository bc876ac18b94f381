"""Is the shared store slower than doing without it? A window of latencies and one comparison.

A cache that takes longer than the load it saves is worse than none. So: if 95 of 100 answers of the store take longer
than half of the loads do (and than 20 ms, below which nobody cares), reads and fills go around it until probes say that
it is over. Fewer than 20 samples prove nothing.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Slowness"]

_ENOUGH = 20
_NOBODY_CARES = 0.020


class Slowness:
    """`answered()` and `loaded()` take seconds; `is_slow` is the verdict; `recovered()` that of the probes."""

    def __init__(self, window: int = 64) -> None:
        self._answers: deque[float] = deque(maxlen=window)
        self._loads: deque[float] = deque(maxlen=window)
        self.is_slow = False

    def answered(self, seconds: float) -> bool:
        """One answer of the store; whether the verdict has just become "slow"."""
        self._answers.append(seconds)
        if self.is_slow or seconds <= _NOBODY_CARES:
            return False
        self.is_slow = len(self._answers) >= _ENOUGH and self._p95() > self.limit
        return self.is_slow

    def loaded(self, seconds: float) -> None:
        """One load from the origin."""
        self._loads.append(seconds)

    @property
    def limit(self) -> float:
        """How slow the store may be: as slow as the median load, and never less than 20 ms."""
        loads = sorted(self._loads)
        return max(_NOBODY_CARES, loads[len(loads) // 2]) if loads else float("inf")

    def recovered(self, probes: list[float]) -> bool:
        """Whether these answers to probes, the last ones in a row, say that it is over."""
        if len(probes) < 8 or max(probes[-8:]) > self.limit:
            return False
        self._answers.clear()
        self.is_slow = False
        return True

    def _p95(self) -> float:
        answers = sorted(self._answers)
        return answers[int(len(answers) * 0.95)]
