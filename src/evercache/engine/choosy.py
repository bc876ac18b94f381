"""Reads for who judges by itself whether a value is good enough: HTTP, where the request and the response decide that.

`Reader` knows one policy for all values of a function. Here a caller gets what is there, of whatever age, and says then
what it wants: use it, use it and have it refreshed behind, or go and load. What an invalidation has made of a value is
not its business: nothing that was invalidated is handed out.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from evercache.core.entry import Entry
from evercache.core.flight import Flight, Landing
from evercache.core.record import NEVER_DIES
from evercache.engine.engine import Engine
from evercache.engine.loading import MISSING
from evercache.engine.site import Arguments, Site
from evercache.engine.solo import Solo
from evercache.engine.straight import ABSENT

__all__ = ["Choosy", "Found"]


@dataclass(frozen=True, slots=True)
class Found:
    """A value, the seconds that its ttl has left (negative: over for so long), its tags, and where it was.

    *joined*: somebody else was waiting for it already. *asked*: the shared store was asked, and had nothing.
    """

    value: Any = MISSING
    left: float = 0.0
    tags: tuple[bytes, ...] = ()
    source: str = "none"
    joined: bool = False
    asked: bool = False


class Choosy:
    """The reads of one engine for callers with a judgement of their own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.reader = engine.reader

    def held(self, site: Site, key: Hashable) -> Found | None:
        """What this process's memory has, if it may answer from it at all."""
        entry = site.table.get(key)
        if entry is None:
            return None
        now = self.engine.clock.monotonic()
        if not self.reader.nearby.may_answer(entry, now) or not self.engine.l1.check(entry, now):
            return None
        entry.hits += 1
        return Found(entry.value, entry.fresh_until - now, tags_of(entry), "l1")

    async def find(self, site: Site, key: Hashable, arguments: Arguments) -> Found:
        """What the shared store has; from now on this process's memory has it too."""
        engine = self.engine
        if not engine.shares or not engine.enabled:
            return Found()
        request = site.request(key, arguments)
        landing = await self.reader.straight.look(site, key, request)
        if landing is ABSENT:
            return Found(asked=True)
        if landing is None:
            landing, _ = await self.reader.look(engine.airfield(), site, key, arguments, request)
        return self._found(landing, request.key.id)

    def arrive(self) -> int:
        """The number of a reader that comes now: what it may use of flights depends on it (`core.flight`)."""
        return self.engine.airfield().ticks.next()

    def depart(
        self,
        site: Site,
        key: Hashable,
        arguments: Arguments,
        *,
        spare: Found | None = None,
        absent: bool = False,
        force: bool = False,
    ) -> Flight:
        """A new flight to load *key*, for a caller that has found none to join. *absent*: the store has nothing; *force*:
        whatever is stored isn't good enough. Raises StoreUnavailable with `outage="raise"` and the store away."""
        landing, airfield = _spare_of(spare), self.engine.airfield()
        return self.reader.departures.depart(
            airfield, site, key, arguments, spare=landing, absent=absent and landing is None, force=force
        )

    def joinable(self, site: Site, key: Hashable) -> Flight | None:
        """The flight that loads *key* already, boarded."""
        flight = self.engine.airfield().flights.board((id(site.table), key))
        site.stats.joined += flight is not None
        return flight

    def solo(
        self, site: Site, key: Hashable, arguments: Arguments, *, spare: Found | None = None, force: bool = False
    ) -> Solo | None:
        """A flight of the caller's own, who has found none to join; None where a shared store has to be asked."""
        engine, departures = self.engine, self.reader.departures
        if engine.shares:
            partition = engine.partition_of(site.request(key, arguments).key.id)
            if not departures.is_alone(site, shared=engine.reachable(partition)):
                return None
        return Solo(departures, site, key, arguments, spare=_spare_of(spare), force=force)

    def landed(self, flight: Flight, *, joined: bool = False) -> Found:
        """What a flight has brought, of which nobody but the caller decides whether it may use it."""
        landing: Landing | None = flight.landing
        if landing is None or landing.source == "none" or flight.store_key is None:
            return Found()
        return self._found(landing, flight.store_key.id, joined=joined)

    def refresh(self, site: Site, key: Hashable, arguments: Arguments, spare: Found) -> None:
        """Load anew in the background, once for each key and fleet."""
        self.reader.refresh_behind(self.engine.airfield(), site, key, arguments, spare=_spare_of(spare))

    def _found(self, landing: Landing, key: bytes, *, joined: bool = False) -> Found:
        if landing.source == "none" or landing.error is not None:
            return Found()
        record = landing.record
        if record is None:
            ttl = None if landing.extra is None else landing.extra.ttl
            return Found(landing.value, 0.0 if ttl is None else ttl, landing.tags, landing.source, joined)
        if record.fresh_until == NEVER_DIES:
            left = float("inf")
        else:
            left = (record.fresh_until - self.engine.now(self.engine.partition_of(key))) / 1000
        return Found(landing.value, min(left, 0.0) if landing.stale else left, record.tags, landing.source, joined)


def _spare_of(found: Found | None) -> Landing | None:
    return None if found is None else Landing(found.value, source="l1", stale=True, tags=found.tags)


def tags_of(entry: Entry) -> tuple[bytes, ...]:
    """The tags of an entry of L1."""
    return tuple([cell.name for cell in entry.tags])
