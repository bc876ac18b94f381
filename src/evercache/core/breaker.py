"""A circuit breaker as a value: it never waits, never reads a clock, never changes.

    breaker = breaker.after("transient", now)      # the next value
    if breaker.allows(now): ...                    # may a request go to the server?
    if breaker.probe_due(now): ...                 # is it time for the background to try?

    closed ──failure──▶ open ──probe due──▶ half-open (a probe is under way)
      ▲                  ▲                     │  │
      └─────────────── probe succeeded ────────┘  │
                         └────── probe failed ────┘   (twice as long to the next one, at most `longest`)

Two things differ from the textbook. *The first failure opens it*: the first probe is due at once, so that a single lost
packet costs one round trip of bypassing, while a hung server costs exactly one time-out. And *requests never probe*:
half-open lets nobody through but the background, so no caller ever pays for finding out.

Outcomes of calls that began before the last change are ignored: the hundred time-outs of one hang arrive together, some
of them after a probe has already found the server well again. (Nygard, "Release It!", 2nd ed., section 5.2)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Breaker", "Outcome", "State"]

State = Literal["closed", "open", "half-open"]
Outcome = Literal["ok", "transient", "permanent"]


@dataclass(frozen=True, slots=True)
class Breaker:
    """`closed`: requests pass. Times are monotonic seconds.

    - `shortest`, `longest`: first and last pause between two probes of a transient fault.
    - `misconfigured`: pause after a permanent fault (wrong password, not Redis): rare, against lock-outs.
    - `since`: when the state last changed; `failures`: outcomes in a row that were no success.
    """

    state: State = "closed"
    since: float = -math.inf
    failures: int = 0
    probe_at: float = math.inf
    shortest: float = 0.05
    longest: float = 0.5
    misconfigured: float = 10.0

    def allows(self, now: float) -> bool:
        """May a request go to the server?"""
        return self.state == "closed"

    def probe_due(self, now: float) -> bool:
        """Should the background try now?"""
        return self.state == "open" and now >= self.probe_at

    def probing(self, now: float) -> Breaker:
        """The value while a probe is under way. A no-op unless one is due."""
        return replace(self, state="half-open", since=now) if self.probe_due(now) else self

    def after(self, outcome: Outcome, now: float, *, began: float = math.inf, spread: float = 0.0) -> Breaker:
        """The value after a call or a probe ended with *outcome*.

        *began* is when that call began. *spread* in [0, 1) shortens the pause by up to a half, so that many processes
        don't probe in step.
        """
        if began < self.since or (self.state == "open" and outcome != "ok"):
            return self
        if outcome == "ok":
            healthy = self.state == "closed" and self.failures == 0
            return self if healthy else replace(self, state="closed", since=now, failures=0, probe_at=math.inf)
        pause = 0.0 if self.state == "closed" and outcome == "transient" else self._pause(outcome) * (1 - spread / 2)
        return replace(self, state="open", since=now, failures=self.failures + 1, probe_at=now + pause)

    def _pause(self, outcome: Outcome) -> float:
        if outcome == "permanent":
            return self.misconfigured
        return min(self.longest, self.shortest * 2.0 ** min(self.failures - 1, 30))
