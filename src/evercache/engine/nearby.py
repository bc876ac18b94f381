"""L1, with thought: what the short path of a hit leaves open.

Survived all invalidations? Early, stale, or only a spare? May it answer while the lease is over? And the other way
round: how long a value that was loaded or found may live here, and under which lease.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable

from evercache.codecs.immutable import is_immutable
from evercache.core.entry import Entry, Lease
from evercache.core.flight import Flight, Landing
from evercache.core.freshness import Age, age_of, early_moment, load_time_of, thinking_moment
from evercache.core.record import NEVER_DIES
from evercache.engine.airfield import Airfield
from evercache.engine.context import Context
from evercache.engine.memory import Memories
from evercache.engine.recording import recording_here
from evercache.engine.site import CachedError, Request, Site
from evercache.errors import CodecError

__all__ = ["Nearby", "tags_of"]


class Nearby:
    """The process cache as readers use it. One for each engine."""

    def __init__(self, engine: Context, memories: Memories) -> None:
        self.engine = engine
        self.memories = memories

    def find(self, airfield: Airfield, site: Site, key: Hashable, dice: float) -> Landing | None:
        """What L1 has for a key. A landing with the source `none` is a spare: to be used if the load fails. One with
        `refresh` should be loaded anew behind the answer; *dice* (above 0, at most 1) decides what is early."""
        entry = site.table.get(key)
        if entry is None:
            return None
        policy, now = site.policy, self.engine.clock.monotonic()
        leased = self.may_answer(entry, now)
        if (not leased and not policy.fail_safe) or not self.engine.l1.check(entry, now):
            return None
        early_at = math.inf
        if policy.beta and (seconds := load_time_of(entry.until, entry.fresh_until, policy.beta)):
            early_at = early_moment(entry.fresh_until, seconds, policy.beta, dice)
        age = age_of(now, entry.fresh_until, stale_for=policy.stale_for, fail_safe=policy.fail_safe, early_at=early_at)
        if age is Age.DEAD or (isinstance(entry.value, CachedError) and age not in (Age.FRESH, Age.EARLY)):
            self.engine.l1.drop(entry)
            self.memories.met((id(site.table), key), "expired")
            return None
        if age is Age.SPARE or not leased:
            resting = airfield.rests((id(site.table), key), now)
            return self._old(entry, "l1" if resting else "none", "load failed" if resting else "expired")
        entry.hits += 1
        if age is Age.FRESH:
            return Landing(entry.value, source="l1", tags=() if recording_here() is None else tags_of(entry))
        landing = self._old(entry, "l1", "")
        landing.stale, landing.refresh = age is Age.STALE, True
        return landing

    def _old(self, entry: Entry, source: str, cause: str) -> Landing:
        """An entry that is not simply fresh, with the tags that a load which finds nothing new has to repeat."""
        return Landing(entry.value, source=source, stale=True, cause=cause, tags=tags_of(entry))

    def may_answer(self, entry: Entry, now: float) -> bool:
        """While its lease lasts. Over, L1 is silent by default; two outage modes let it answer on, for a while."""
        if now < entry.lease.until:
            return True
        engine = self.engine
        if engine.outage == "l1":
            return now < entry.lease.until + engine.degraded_ttl
        return engine.outage == "stale"

    def insert(
        self,
        site: Site,
        key: Hashable,
        request: Request,
        flight: Flight,
        landing: Landing,
        tags: Iterable[bytes],
    ) -> bool:
        """Put the value into L1, if the policy and every invalidation since its proof allow it."""
        engine, policy = self.engine, site.policy
        if not policy.l1 or engine.l1.off:
            return False
        now = engine.clock.monotonic()
        record = landing.record
        partition = engine.partition_of(request.key.id)
        lease: Lease = engine.lease_of(partition)
        if record is not None:
            behind = engine.now(partition)
            fresh_until = _at(now, record.fresh_until, behind)
            seconds = record.load_ms / 1000
        else:
            extra = landing.extra
            ttl = policy.life(policy.ttl if extra.ttl is None else extra.ttl, engine.random.random())
            if engine.shares and policy.l2:
                lease, ttl = engine.degraded, min(ttl, engine.degraded_ttl)
            fresh_until, seconds = now + ttl, extra.seconds
        if landing.stale:
            fresh_until = min(fresh_until, now)  # expired softly: its own ttl says nothing any more
        value = landing.value
        mutable = site.copy is not None and not isinstance(value, CachedError) and not is_immutable(value)
        if mutable:
            try:
                value = site.handed_out(value)
            except CodecError as error:
                site.complain(error, engine.hooks)
                return False
        weight = self.memories.weigh(value)
        entry = Entry(site.table, key, value, fresh_until=fresh_until, weight=weight, lease=lease, mutable=mutable)
        if isinstance(value, CachedError) or landing.stale:
            entry.until = -math.inf  # never on the short path: somebody has to think about it
        elif policy.beta:
            entry.until = thinking_moment(fresh_until, seconds, policy.beta)
        entry.stale = landing.stale
        identity = request.key.id if engine.shares or site.indexed else None
        inserted = engine.l1.insert(entry, since=flight.since, id=identity, tags=tags, text=lambda: request.key.text)
        if not inserted:
            self.memories.met((id(site.table), key), "invalidated")
        return inserted


def tags_of(entry: Entry) -> tuple[bytes, ...]:
    """The tags of an entry of L1."""
    return tuple([cell.name for cell in entry.tags])


def _at(now: float, moment: int, behind: int) -> float:
    """A moment of the server's clock (milliseconds) on ours; *behind* is the server's now."""
    return math.inf if moment == NEVER_DIES else now + (moment - behind) / 1000
