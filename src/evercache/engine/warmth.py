"""How warm the answer to one call is, and making it warm, without asking for its value.

A read through the cache can't keep anything warm: while the entry lives it does nothing, and once it is dead it is too
late. So there are two steps here. `look` says until when the answer is fresh; it costs one place in the MGET of its
tick. `load` replaces it, whatever its age, as gently as its age allows:

    there is a flight in the air        join it: somebody else pays for this load
    absent                              a flight as any reader's: others may join it, one process of the fleet loads
    stale                               a reload behind the answer: given up if another process is at it
    fresh                               a forced load; the old answer stays until the new one is stored
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from enum import Enum
from typing import NamedTuple

from evercache.core.clock import Clock
from evercache.core.flight import Landing
from evercache.core.record import NEVER_DIES, Record
from evercache.engine.context import Context
from evercache.engine.nearby import tags_of
from evercache.engine.reader import Reader
from evercache.engine.site import Arguments, Site
from evercache.engine.waiting import within
from evercache.errors import LoadTimeout, StoreUnavailable

__all__ = ["COLD", "Heater", "Outcome", "State", "Warmth"]


class State(Enum):
    FRESH = "fresh"
    STALE = "stale"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Warmth(NamedTuple):
    """What is known of an answer: fresh until *until* (monotonic seconds; `-inf` if it isn't), made of *tags*."""

    state: State
    until: float = -math.inf
    tags: tuple[bytes, ...] = ()


COLD = Warmth(State.ABSENT)
UNKNOWN = Warmth(State.UNKNOWN)


class Outcome(NamedTuple):
    """What became of a load: *seconds* it took (None: somebody else's), *error* if it failed, and the warmth now.

    Without an error and without warmth, it was not stored: overtaken by an invalidation (*rejected*), held by another
    process, or refused by the function's own options.
    """

    warmth: Warmth = COLD
    seconds: float | None = None
    error: BaseException | None = None
    rejected: bool = False


class Heater:
    """Looks and loads for one engine, in the loop it was started in."""

    def __init__(self, engine: Context, reader: Reader) -> None:
        self.engine = engine
        self.reader = reader

    @property
    def clock(self) -> Clock:
        return self.engine.clock

    def reachable(self, site: Site, id: bytes) -> bool:
        """Whether what is loaded now could be stored where it belongs."""
        return self._alone(site) or self.engine.reachable(self.engine.partition_of(id))

    async def look(self, site: Site, key: Hashable, arguments: Arguments) -> Warmth:
        """How warm it is. Nothing is loaded, counted or kept."""
        if self._alone(site):
            return self._nearby(site, key)
        request = site.request(key, arguments)
        try:
            landing, asked = await self.reader.look(self.engine.airfield(), site, key, arguments, request, keep=False)
        except StoreUnavailable:
            return UNKNOWN
        if not asked or not self.reachable(site, request.key.id):
            return UNKNOWN
        if landing.record is None or landing.source != "l2":
            return COLD
        return self._by_record(request.key.id, landing, landing.record)

    async def load(self, site: Site, key: Hashable, arguments: Arguments, before: Warmth, patience: float) -> Outcome:
        """Load it anew; *before* is what the last look said. After *patience* seconds, a load goes on without us."""
        if not self.reachable(site, site.request(key, arguments).key.id):
            return Outcome(UNKNOWN)
        airfield = self.engine.airfield()
        flight = airfield.flights.board((id(site.table), key))
        ours = flight is None
        if flight is None:
            force = before.state is State.FRESH
            site.stats.refreshes += force
            try:
                flight = self.reader.departures.depart(
                    airfield, site, key, arguments, force=force, behind=before.state is State.STALE
                )
            except StoreUnavailable as error:
                return Outcome(error=error)
        if not await within(self.clock, patience, flight.waiter):
            return Outcome(error=LoadTimeout(f"{site.name} took longer than {patience:g} s; it goes on."))
        landing: Landing | None = flight.landing
        if landing is None:
            return Outcome()
        if landing.error is not None:
            return Outcome(error=landing.error)
        seconds = landing.extra.seconds if ours and landing.source == "load" and landing.extra is not None else None
        return Outcome(self._after(site, key, arguments, landing), seconds, rejected=landing.rejected)

    def _after(self, site: Site, key: Hashable, arguments: Arguments, landing: Landing) -> Warmth:
        if self._alone(site):
            return self._nearby(site, key)
        if landing.record is None:
            return COLD
        return self._by_record(site.request(key, arguments).key.id, landing, landing.record)

    def _alone(self, site: Site) -> bool:
        return not self.engine.shares or not site.policy.l2

    def _nearby(self, site: Site, key: Hashable) -> Warmth:
        """In this process's memory, where that is all there is."""
        entry, now = site.table.get(key), self.clock.monotonic()
        if entry is None or not self.engine.l1.check(entry, now):
            return COLD
        fresh = now < entry.fresh_until
        return Warmth(State.FRESH if fresh else State.STALE, entry.fresh_until if fresh else -math.inf, tags_of(entry))

    def _by_record(self, id: bytes, landing: Landing, record: Record) -> Warmth:
        if landing.stale:  # also softly expired: its own time says nothing any more
            return Warmth(State.STALE, tags=record.tags)
        until = math.inf
        if record.fresh_until != NEVER_DIES:
            behind = self.engine.now(self.engine.partition_of(id))
            until = self.clock.monotonic() + (record.fresh_until - behind) / 1000
        return Warmth(State.FRESH, until, record.tags)
