"""The life of a read that L1 could not answer at once.

L1 once more, with thought (`engine.nearby`)      stale, but good enough while a reload runs behind?
a look in L2 by the caller (`engine.straight`)    a fresh entry that simply holds needs no more
board the flight of this key, or start one (`engine.departures`); wait (`engine.arrival`)
    use its landing if the arrival rule allows, else board the next
    a load that failed, or takes too long, is covered by a stale value where the policy says so
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable
from typing import Any

from evercache.core.course import Loaded
from evercache.core.entry import Entry
from evercache.core.flight import Flight, Landing
from evercache.core.protocol import LogRecord
from evercache.engine.airfield import Airfield
from evercache.engine.arrival import await_landing, covering, spare_of
from evercache.engine.context import Context
from evercache.engine.departures import Departures
from evercache.engine.invalidation import Invalidator
from evercache.engine.loading import MISSING, uncached
from evercache.engine.memory import Memories
from evercache.engine.nearby import Nearby, tags_of
from evercache.engine.own import own
from evercache.engine.recording import current_recorder, note, recording_here
from evercache.engine.site import Arguments, CachedError, Request, Site
from evercache.engine.straight import ABSENT, Straight
from evercache.errors import CodecError, StoreUnavailable

__all__ = ["Reader"]

MAX_REFRESHES = 64
"""Background reloads of one loop at the same time; more than these wait for a later read to ask again."""


class Reader:
    """Answers reads. One for each engine."""

    def __init__(self, engine: Context, memories: Memories, invalidator: Invalidator) -> None:
        self.engine = engine
        self.memories = memories
        self.invalidator = invalidator
        self.nearby = Nearby(engine, memories)
        self.straight = Straight(engine, memories, self.nearby)
        self.departures = Departures(engine, memories, self.nearby)

    async def read(self, site: Site, key: Hashable, arguments: Arguments) -> Any:
        """The value of this call: from L1, from L2, or loaded."""
        if not self.engine.enabled:
            return await self._uncached(site, key, arguments)
        if recording_here() is not None and (entry := self._hit(site, key)) is not None:
            return site.handed_out(entry.value) if entry.mutable else entry.value
        airfield = self.engine.airfield()
        landing = self._from_l1(airfield, site, key, arguments)
        if landing is None and site.straight:
            if not (airfield.flights.joinable and (id(site.table), key) in airfield.flights.joinable):
                landing = await self.straight.look(site, key, site.request(key, arguments))
            if landing is not None and landing is not ABSENT:
                site.stats.l2_hits += 1
                self._note(site, key, arguments, landing)
                return landing.value  # decoded for this caller alone: nothing to isolate
        if landing is None or landing.source == "none":
            landing = await self._by_flight(airfield, site, key, arguments, landing)
        self._count(site, landing, key, arguments)
        return await self._handed(site, landing, key, arguments)

    async def refresh(self, site: Site, key: Hashable, arguments: Arguments) -> Any:
        """A value whose load begins after this call, whatever is cached."""
        if not self.engine.enabled:
            return await self._uncached(site, key, arguments)
        airfield = self.engine.airfield()
        site.stats.refreshes += 1
        while True:
            flight = self.departures.depart(airfield, site, key, arguments, force=True)
            await await_landing(self.engine.clock, airfield.flights, flight, site, starter=True)
            landing: Landing | None = flight.landing
            if landing is not None and landing.source != "none":
                return await self._handed(site, landing, key, arguments)

    async def peek(self, site: Site, key: Hashable, arguments: Arguments, *, counted: bool = False) -> Any:
        """The cached value, fresh or stale, or MISSING. Never loads. *counted*: this is a request, for statistics."""
        if not self.engine.enabled:
            return MISSING
        airfield = self.engine.airfield()
        landing = self.nearby.find(airfield, site, key, 1.0)
        if landing is None or landing.source == "none":
            request = site.request(key, arguments)
            self.departures.demand_store(site, request.key)
            landing, _ = await self.look(airfield, site, key, arguments, request)
            if landing.cause == "expired":  # kept for the failure of a load, not for answers
                landing = Landing(cause="expired")
        if counted:
            self._count(site, landing, key, arguments)
        if landing.source == "none" or isinstance(landing.value, CachedError):
            return MISSING
        self._note(site, key, arguments, landing)
        return site.handed_out(landing.value)

    async def put(self, site: Site, key: Hashable, arguments: Arguments, loaded: Loaded) -> bool:
        """Store a given value. False: the shared store didn't confirm that the old one is gone."""
        engine = self.engine
        airfield = engine.airfield()
        request = site.request(key, arguments)
        site.stats.puts += 1
        flight, ask, pilot = self.departures.plan(airfield, site, key, arguments, request)
        self.invalidator.doom([LogRecord("k", request.key.id)])
        confirmed, landing = True, Landing(loaded.value, source="load", extra=loaded)
        if ask.shared:
            driving = pilot.drive(airfield.course.put(flight, ask, loaded))
            storing = airfield.spawn(self._deliver(driving, request.key.id), "stores a given value")
            try:
                landing, confirmed = await asyncio.shield(storing)
            except asyncio.CancelledError:
                if not storing.cancelled():
                    raise  # we were cancelled; the value is being stored all the same
                return bool(await self.invalidator.keys([request.key.id]))
            self._replaced(flight, request)
        else:
            confirmed = not engine.shares or bool(await self.invalidator.keys([request.key.id]))
            flight.proved, flight.since = ask.alone and engine.enabled, engine.l1.counter
        if flight.proved and site.policy.l1:
            self.nearby.insert(site, key, request, flight, landing, {*flight.tags, *loaded.tags})
        return confirmed

    def _replaced(self, flight: Flight, request: Request) -> None:
        """The store has the new value. A look that was sent before may only land now: what it brings is no longer taken
        into L1, and what it has already put there leaves. The new value goes in if nothing else has touched it."""
        key, l1 = request.key, self.engine.l1
        untouched = l1.untouched(flight.since, key.id, flight.tags, lambda: key.text)
        self.invalidator.doom([LogRecord("k", key.id)])
        flight.proved = flight.proved and untouched
        flight.since = l1.counter

    async def _deliver(self, storing: Coroutine[Any, Any, Landing], key: bytes) -> tuple[Landing, bool]:
        """Store a given value, or see to it that the old one is gone; also when nobody waits for it any more."""
        try:
            return await storing, True
        except (StoreUnavailable, CodecError):
            return Landing(), bool(await self.invalidator.keys([key]))

    async def look(
        self,
        airfield: Airfield,
        site: Site,
        key: Hashable,
        arguments: Arguments,
        request: Request,
        *,
        keep: bool = True,
    ) -> tuple[Landing, bool]:
        """What the shared store has for this call, and whether it could be asked at all. *keep* it in L1."""
        flight, ask, pilot = self.departures.plan(airfield, site, key, arguments, request)
        if not ask.shared:
            return Landing(cause="bypass"), False
        landing = await pilot.drive(airfield.course.peek(flight, ask))
        if keep and landing.source == "l2":
            self.departures.keep(site, key, request, flight, landing, asked=True)
        return landing, True

    # -- one step of a read --------------------------------------------------------------------------------------

    def _from_l1(self, airfield: Airfield, site: Site, key: Hashable, arguments: Arguments) -> Landing | None:
        """What L1 has for this call; what is early or stale is loaded anew behind it."""
        if key not in site.table:
            return None
        dice = self.departures.dice()
        landing = self.nearby.find(airfield, site, key, dice)
        if landing is not None and landing.refresh:
            spare = Landing(landing.value, stale=True, tags=landing.tags)
            self.refresh_behind(airfield, site, key, arguments, spare=spare, dice=dice)
        return landing

    def refresh_behind(
        self,
        airfield: Airfield,
        site: Site,
        key: Hashable,
        arguments: Arguments,
        *,
        spare: Landing | None = None,
        dice: float = 1.0,
    ) -> None:
        """Load anew in the background, once for each key; a fleet does it once by the herd lock."""
        place = id(site.table), key
        if site.borrowed or place in airfield.refreshing or len(airfield.refreshing) >= MAX_REFRESHES:
            return
        if airfield.flights.board(place) is not None or airfield.rests(place, self.engine.clock.monotonic()):
            return
        try:
            flight = self.departures.depart(airfield, site, key, arguments, behind=True, spare=spare, dice=dice)
        except StoreUnavailable:  # outage="raise" is for those who have no answer
            return
        site.stats.refreshes += 1
        airfield.refreshing.add(place)
        waiter: asyncio.Future[None] = flight.waiter
        waiter.add_done_callback(lambda _: airfield.refreshing.discard(place))

    async def _by_flight(
        self, airfield: Airfield, site: Site, key: Hashable, arguments: Arguments, spare: Landing | None
    ) -> Landing:
        arrival = airfield.ticks.next()
        place = id(site.table), key
        absent, spare = (True, None) if spare is ABSENT else (False, spare)
        while True:
            flight = airfield.flights.board(place)
            starter = flight is None
            if flight is None:
                flight = self.departures.depart(airfield, site, key, arguments, spare=spare, absent=absent)
            else:
                site.stats.joined += 1
                flight.spare = flight.spare or spare
            if await await_landing(self.engine.clock, airfield.flights, flight, site, starter=starter):
                stale = spare_of(flight)
                if stale is not None:
                    return covering(stale, "soft timeout")
            landing: Landing | None = flight.landing
            if landing is not None and flight.serves(arrival):
                return self._settled(airfield, site, flight, landing, arguments, key)

    def _settled(
        self, airfield: Airfield, site: Site, flight: Flight, landing: Landing, arguments: Arguments, key: Hashable
    ) -> Landing:
        if landing.error is not None and (spare := spare_of(flight)) is not None:
            return covering(spare, "load failed")
        if landing.refresh:
            self.refresh_behind(airfield, site, key, arguments, dice=flight.dice)
        return landing

    # -- answers -------------------------------------------------------------------------------------------------

    def _count(self, site: Site, landing: Landing, key: Hashable, arguments: Arguments) -> None:
        """One request, counted once: by where its answer came from, or why there was none."""
        stats = site.stats
        if landing.source in ("none", "load") and not landing.stale:
            stats.missed(landing.cause or "absent")
        elif landing.stale:
            stats.stale += 1
            if self.engine.hooks.observers:
                from evercache.core.events import ServedStale

                id = site.request(key, arguments).key.id.decode()
                self.engine.hooks.emit(ServedStale(site.name, id, landing.cause or "revalidating"))
        elif landing.source == "l1":
            stats.hits += 1
        else:
            stats.l2_hits += 1

    async def _handed(self, site: Site, landing: Landing, key: Hashable, arguments: Arguments) -> Any:
        """What the caller gets. A value that can't be copied (a generator, a lock) is one caller's; the others, who
        would change or use up the same one, load for themselves."""
        self._note(site, key, arguments, landing)
        try:
            return self._given(site, landing)
        except CodecError:
            if landing.error is not None or isinstance(landing.value, CachedError):
                raise  # the loader's own
        if not landing.taken:
            landing.taken = True
            return landing.value
        return await self._uncached(site, key, arguments)

    def _given(self, site: Site, landing: Landing) -> Any:
        """The caller's own copy, or the error."""
        if landing.error is not None:
            raise own(landing.error).with_traceback(landing.trace)
        if isinstance(landing.value, CachedError):
            raise own(landing.value.error).with_traceback(None)
        return site.handed_out(landing.value)

    # -- for who records (`engine.recording`) --------------------------------------------------------------------

    def _hit(self, site: Site, key: Hashable) -> Entry | None:
        """The short path of a hit once more, for a caller who may be building something of it."""
        entry, now = site.table.get(key), self.engine.clock.monotonic()
        if entry is None or not entry.until > now < entry.lease.until or not self.engine.l1.check(entry, now):
            return None
        if now >= entry.until:  # the check has found it expired
            return None
        entry.hits += 1
        site.stats.hits += 1
        recorder = current_recorder(self.engine)
        if recorder is not None:
            recorder.note(tags_of(entry), near=() if entry.id is None else (entry.id,))
        return entry

    def _note(self, site: Site, key: Hashable, arguments: Arguments, landing: Landing) -> None:
        """Whatever is being built here depends on what *landing* depends on."""
        recorder = current_recorder(self.engine)
        if recorder is None:
            return
        said, record = landing.extra, landing.record
        stale = landing.stale or (said is not None and said.stale)
        if record is not None:  # found, or stored: it is as young as the store says
            recorder.note(record.tags, stale=stale)
            return
        request = site.request(key, arguments)
        tags = {*map(self.engine.tag_id, request.tags), *landing.tags}
        if landing.source == "l1":
            recorder.note(tags, stale=stale, near=(request.key.id,))
        elif said is None:
            recorder.note(tags, stale=stale)
        else:  # not stored: what it has of this process's memory may lag behind
            recorder.note(tags.union(said.tags), stale=stale, near=said.near)

    async def _uncached(self, site: Site, key: Hashable, arguments: Arguments) -> Any:
        if recording_here() is not None:
            note(self.engine, site.request(key, arguments).tags)
        return await uncached(site.load(*arguments), lambda names: note(self.engine, names))
