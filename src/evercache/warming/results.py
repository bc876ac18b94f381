"""What a warm-up has done, and how far it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from evercache.core.clock import Clock

__all__ = ["CacheWarmingResult", "Progress", "Tally"]

MOST_ERRORS = 20
"""Kinds of errors that a result names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheWarmingResult:
    """What became of a plan.

    - `operation_type`: the name of the plan. `success`: nothing failed, and everything was tried.
    - `items_warmed`: calls that were loaded now; `items_fresh`: those that were warm already and were left alone;
      `items_failed`: those that are cold, after all attempts; `items_left`: those that were not tried.
    - `duration_seconds`, and `timestamp`: when it ended (UTC).
    - `errors`: function, class of the error, and how often, also where a later attempt succeeded. Without arguments or
      messages, which may be personal.
    """

    operation_type: str
    success: bool
    items_warmed: int
    items_failed: int
    duration_seconds: float
    timestamp: datetime
    errors: tuple[str, ...] = ()
    items_fresh: int = 0
    items_left: int = 0

    def to_dict(self) -> dict[str, Any]:  # Any: numbers, texts, a list
        """As JSON would have it: the time in ISO 8601, errors in a list."""
        return asdict(self) | {"timestamp": self.timestamp.isoformat(), "errors": list(self.errors)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a plan is: `done` of `total` calls, `failed` among them. `seconds_left` is an estimate, None at first."""

    operation_type: str
    done: int
    total: int
    failed: int
    seconds: float
    seconds_left: float | None

    def __str__(self) -> str:
        left = "" if self.seconds_left is None else f", about {self.seconds_left:.0f} s left"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.operation_type}: {self.done} of {self.total}{failed} after {self.seconds:.0f} s{left}"


class Tally:
    """Counts while a plan is worked off."""

    def __init__(self, operation: str, clock: Clock) -> None:
        self._operation = operation
        self._clock = clock
        self.began = clock.monotonic()
        self._errors: Counter[str] = Counter()
        self.total = self.warmed = self.fresh = self.failed = 0
        self.broken = False  # a source gave no arguments, so nobody knows what is missing

    @property
    def done(self) -> int:
        return self.warmed + self.fresh + self.failed

    def error(self, function: str, error: BaseException | str) -> None:
        """Something went wrong with *function*."""
        self._errors[f"{function}: {error if isinstance(error, str) else type(error).__name__}"] += 1

    def source_failed(self, function: str, error: BaseException | str) -> None:
        """The source of a function's arguments, or the arguments themselves, can't be used."""
        self.broken = True
        self.error(function, error)

    def progress(self) -> Progress:
        seconds = self._clock.monotonic() - self.began
        left = seconds / self.done * (self.total - self.done) if self.done else None
        return Progress(
            operation_type=self._operation,
            done=self.done,
            total=self.total,
            failed=self.failed,
            seconds=seconds,
            seconds_left=left,
        )

    def result(self) -> CacheWarmingResult:
        named = [f"{what} (x{n})" if n > 1 else what for what, n in self._errors.most_common(MOST_ERRORS)]
        return CacheWarmingResult(
            operation_type=self._operation,
            success=not self.broken and not self.failed and self.done == self.total,
            items_warmed=self.warmed,
            items_failed=self.failed,
            duration_seconds=self._clock.monotonic() - self.began,
            timestamp=datetime.fromtimestamp(self._clock.wall(), UTC),
            errors=tuple(named),
            items_fresh=self.fresh,
            items_left=self.total - self.done,
        )
