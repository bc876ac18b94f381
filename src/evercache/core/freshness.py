"""The ages of an entry: one function, one table. Any unit of time, as long as it is the same everywhere.

                 born            fresh_until        + stale_for        + fail_safe
    ─────────────┼─────────────────┼──────────────────┼──────────────────┼───────────►
      FRESH … EARLY (by chance)  │  STALE             │  SPARE            │  DEAD
      answer    answer, refresh   │  answer, refresh   │  load; answers    │  load
                behind            │  behind            │  only an error    │

`stale_for` and `fail_safe` both count from `fresh_until`.

EARLY is probabilistic early expiration (XFetch; Vattani, Chierichetti, Lowenstein: "Optimal Probabilistic Cache
Stampede Prevention", VLDB 2015): each read refreshes with a chance that grows as the end comes near, and the sooner the
longer the load takes, so that many readers rarely refresh at once and an expensive value is rarely awaited.
"""

from __future__ import annotations

import math
from enum import Enum

__all__ = ["Age", "age_of", "early_moment", "load_time_of", "thinking_moment"]


class Age(Enum):
    FRESH = "fresh"
    EARLY = "early"
    STALE = "stale"
    SPARE = "spare"
    DEAD = "dead"


def age_of(now: float, fresh_until: float, *, stale_for: float, fail_safe: float, early_at: float = math.inf) -> Age:
    """The age at *now*. Equal to `fresh_until` is no longer fresh: nothing outlives its ttl."""
    if now < fresh_until:
        return Age.EARLY if now >= early_at else Age.FRESH
    past = now - fresh_until
    if past < stale_for:
        return Age.STALE
    return Age.SPARE if past < fail_safe else Age.DEAD


def early_moment(fresh_until: float, load_time: float, beta: float, dice: float) -> float:
    """When a read that threw *dice* (0 < dice <= 1) refreshes early: `fresh_until + load_time * beta * ln(dice)`."""
    return fresh_until + load_time * beta * math.log(dice)


def thinking_moment(fresh_until: float, load_time: float, beta: float) -> float:
    """The moment before which no dice can make an entry early (but for one throw in 20,000)."""
    return fresh_until - 10.0 * load_time * beta


def load_time_of(thinking: float, fresh_until: float, beta: float) -> float:
    """The load time that `thinking_moment` was asked with; 0.0 where it is not known."""
    return (fresh_until - thinking) / (10.0 * beta) if beta and -math.inf < thinking < fresh_until < math.inf else 0.0
