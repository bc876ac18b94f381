"""Why a call would be a hit or a miss."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

from evercache.core.freshness import Age, age_of
from evercache.engine.airfield import Airfield
from evercache.engine.context import Context
from evercache.engine.memory import Memories
from evercache.engine.reader import Reader
from evercache.engine.site import Arguments, Site

__all__ = ["Why", "explain"]


@dataclass(frozen=True, slots=True)
class Why:
    """The answer of `why()`.

    - `state`: `hit`, `stale` (answers while a reload runs) or `miss`. `level`: where the answer is: `l1`, `l2` or "".
    - `cause`: of a miss: `cold`, `expired`, `evicted`, `invalidated`, `invalidated by tag …`, `banned`,
      `schema changed`, `namespace invalidated`, or why the store can't be asked (`timeout`, `refused`, …).
    - `remaining`: seconds until it is no longer fresh, where that is known.
    """

    state: Literal["hit", "stale", "miss"]
    level: Literal["l1", "l2", ""] = ""
    cause: str = ""
    remaining: float | None = None

    def __str__(self) -> str:
        if self.state == "miss":
            return f"miss: {self.cause}"
        life = "" if self.remaining is None else f", fresh for {self.remaining:.1f} s"
        return f"{self.state} in {self.level}{life}"


async def explain(
    engine: Context, reader: Reader, memories: Memories, site: Site, key: Hashable, arguments: Arguments
) -> Why:
    """What a call would meet now. Changes nothing, loads nothing."""
    if not engine.enabled:
        return Why("miss", cause="disabled")
    found = _in_l1(engine, site, key)
    if found is not None:
        return found
    airfield: Airfield = engine.airfield()
    request = site.request(key, arguments)
    landing, asked = await reader.look(airfield, site, key, arguments, request, keep=False)
    if not asked and engine.shares and site.policy.l2:
        return Why("miss", cause=engine.refusal(engine.partition_of(request.key.id)))
    if landing.cause == "expired":
        return Why("miss", cause="expired")
    if landing.source == "l2" and landing.record is not None:
        record = landing.record
        remaining = None
        if record.fresh_until:
            remaining = (record.fresh_until - engine.now(engine.partition_of(request.key.id))) / 1000
        return Why("stale" if landing.stale else "hit", "l2", remaining=remaining)
    return Why("miss", cause=_named(engine, memories, (id(site.table), key), landing.cause, asked=asked))


def _in_l1(engine: Context, site: Site, key: Hashable) -> Why | None:
    entry = site.table.get(key)
    now = engine.clock.monotonic()
    if entry is None or now >= entry.lease.until or not engine.l1.check(entry, now):
        return None
    policy = site.policy
    age = age_of(now, entry.fresh_until, stale_for=policy.stale_for, fail_safe=policy.fail_safe)
    if age in (Age.SPARE, Age.DEAD):
        return Why("miss", cause="expired") if not engine.shares else None
    remaining = None if math.isinf(entry.fresh_until) else entry.fresh_until - now
    return Why("stale" if age is Age.STALE or entry.stale else "hit", "l1", remaining=remaining)


def _named(engine: Context, memories: Memories, place: Hashable, cause: str, *, asked: bool) -> str:
    """The cause in words: a hashed tag by its name, an absence by what is remembered of the key."""
    if cause.startswith("tag "):
        return f"invalidated by tag {engine.tag_name(cause[4:].encode())}"
    if cause == "banned":
        return "invalidated by a pattern"
    if cause in ("", "absent", "bypass") and (asked or not engine.shares):
        return memories.fate_of(place) or "cold"
    return cause
