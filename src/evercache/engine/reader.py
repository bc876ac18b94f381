"""The life of a read that L1 could not answer at once.

L1 once more, with thought: survived all invalidations? stale, but good enough while a reload runs behind?
board the flight of this key, or start one; wait; use its landing if the arrival rule allows, else board the next
a load that failed, or takes too long, is covered by a stale value where the policy says so
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Hashable, Iterable
from typing import Any

from evercache.codecs.immutable import is_immutable
from evercache.core.course import Ask, Loaded
from evercache.core.entry import Entry, Lease
from evercache.core.events import FillRejected, Missed, ServedStale
from evercache.core.flight import Flight, Landing
from evercache.core.freshness import Age, age_of, early_moment, load_time_of, thinking_moment
from evercache.core.protocol import Key, LogRecord
from evercache.core.record import NEVER_DIES, Record
from evercache.engine.airfield import Airfield
from evercache.engine.context import Context
from evercache.engine.gate import lent
from evercache.engine.invalidation import Invalidator
from evercache.engine.loading import MISSING, uncached
from evercache.engine.memory import Memories
from evercache.engine.pilot import Pilot
from evercache.engine.site import Arguments, CachedError, Request, Site
from evercache.engine.straight import ABSENT, Straight
from evercache.engine.waiting import within
from evercache.errors import CodecError, LoadTimeout, StoreUnavailable

__all__ = ["Reader"]

_log = logging.getLogger("evercache")

THROTTLE = 30.0
"""After a failed load that a stale value covered, the source is left alone for this many seconds."""

SLACK = 0.005
"""Seconds by which two readings of one moment may differ."""

MAX_REFRESHES = 64
"""Background reloads of one loop at the same time; more than these wait for a later read to ask again."""


class Reader:
    """Answers reads. One for each engine."""

    def __init__(self, engine: Context, memories: Memories, invalidator: Invalidator) -> None:
        self.engine = engine
        self.memories = memories
        self.invalidator = invalidator
        self.straight = Straight(engine, memories)

    async def read(self, site: Site, key: Hashable, arguments: Arguments) -> Any:
        """The value of this call: from L1, from L2, or loaded."""
        if not self.engine.enabled:
            return await uncached(site.load(*arguments))
        airfield = self.engine.airfield()
        landing = self._from_l1(airfield, site, key, arguments)
        if landing is None and site.straight:
            landing = await self._straight_on(airfield, site, key, arguments)
        if landing is None or landing.source == "none":
            landing = await self._by_flight(airfield, site, key, arguments, landing)
        self._count(site, landing, key, arguments)
        return self._given(site, landing)

    async def refresh(self, site: Site, key: Hashable, arguments: Arguments) -> Any:
        """A value whose load begins after this call, whatever is cached."""
        if not self.engine.enabled:
            return await uncached(site.load(*arguments))
        airfield = self.engine.airfield()
        site.stats.refreshes += 1
        while True:
            flight = self._depart(airfield, site, key, arguments, force=True)
            await self._arrival(airfield, flight, site, starter=True)
            landing: Landing | None = flight.landing
            if landing is not None and landing.source != "none":
                return self._given(site, landing)

    async def peek(self, site: Site, key: Hashable, arguments: Arguments, *, counted: bool = False) -> Any:
        """The cached value, fresh or stale, or MISSING. Never loads. *counted*: this is a request, for statistics."""
        if not self.engine.enabled:
            return MISSING
        airfield = self.engine.airfield()
        landing = self._from_l1(airfield, site, key, arguments, quiet=True)
        if landing is None or landing.source == "none":
            request = site.request(key, arguments)
            self._demand_store(site, request.key)
            landing, _ = await self.look(airfield, site, key, arguments, request)
            if landing.cause == "expired":  # kept for the failure of a load, not for answers
                landing = Landing(cause="expired")
        if counted:
            self._count(site, landing, key, arguments)
        if landing.source == "none" or isinstance(landing.value, CachedError):
            return MISSING
        return site.handed_out(landing.value)

    async def put(self, site: Site, key: Hashable, arguments: Arguments, loaded: Loaded) -> bool:
        """Store a given value. False: the shared store didn't confirm that the old one is gone."""
        engine = self.engine
        airfield = engine.airfield()
        request = site.request(key, arguments)
        site.stats.puts += 1
        flight, ask, pilot = self._plan(airfield, site, key, arguments, request)
        self.invalidator.doom([LogRecord("k", request.key.id)])
        confirmed, landing = True, Landing(loaded.value, source="load", extra=loaded)
        if ask.shared:
            storing = airfield.spawn(pilot.drive(airfield.course.put(flight, ask, loaded)), "stores a given value")
            try:
                landing = await asyncio.shield(storing)
            except (StoreUnavailable, CodecError):
                return bool(await self.invalidator.keys([request.key.id]))
            except asyncio.CancelledError:
                if not storing.cancelled():
                    raise  # we were cancelled; the value is being stored all the same
                return bool(await self.invalidator.keys([request.key.id]))
        else:
            confirmed = not engine.shares or bool(await self.invalidator.keys([request.key.id]))
            flight.proved, flight.since = ask.alone and engine.enabled, engine.l1.counter
        if flight.proved and site.policy.l1:
            self._insert(site, key, request, flight, landing, {*flight.tags, *loaded.tags})
        return confirmed

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
        flight, ask, pilot = self._plan(airfield, site, key, arguments, request)
        if not ask.shared:
            return Landing(cause="bypass"), False
        landing = await pilot.drive(airfield.course.peek(flight, ask))
        if keep and landing.source == "l2":
            self._keep(site, key, request, flight, landing, asked=True)
        return landing, True

    # -- L1, with thought ----------------------------------------------------------------------------------------

    def _from_l1(
        self, airfield: Airfield, site: Site, key: Hashable, arguments: Arguments, *, quiet: bool = False
    ) -> Landing | None:
        """What L1 has for this call. A landing with the source `none` is a spare: to be used if the load fails."""
        entry = site.table.get(key)
        if entry is None:
            return None
        policy, now = site.policy, self.engine.clock.monotonic()
        leased = now < entry.lease.until or self._may_serve_lapsed(entry, now)
        if (not leased and not policy.fail_safe) or not self.engine.l1.check(entry, now):
            return None
        dice = self._dice()
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
            return Landing(entry.value, source="l1")
        if not quiet:
            self._refresh_behind(airfield, site, key, arguments, spare=self._old(entry, "none", ""), dice=dice)
        return Landing(entry.value, source="l1", stale=age is Age.STALE)

    def _old(self, entry: Entry, source: str, cause: str) -> Landing:
        """An entry that is not simply fresh, with the tags that a load which finds nothing new has to repeat."""
        tags = tuple([cell.name for cell in entry.tags])
        return Landing(entry.value, source=source, stale=True, cause=cause, tags=tags)

    def _dice(self) -> float:
        return 1.0 - self.engine.random.random()  # above 0: there is a logarithm of it

    def _may_serve_lapsed(self, entry: Entry, now: float) -> bool:
        """The lease is over: by default L1 is silent; two outage modes let it answer on, for a while."""
        engine = self.engine
        if engine.outage == "l1":
            return now < entry.lease.until + engine.degraded_ttl
        return engine.outage == "stale"

    def _refresh_behind(
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
            flight = self._depart(airfield, site, key, arguments, behind=True, spare=spare, dice=dice)
        except StoreUnavailable:  # outage="raise" is for those who have no answer
            return
        site.stats.refreshes += 1
        airfield.refreshing.add(place)
        flight.waiter.add_done_callback(lambda _: airfield.refreshing.discard(place))

    # -- flights -------------------------------------------------------------------------------------------------

    async def _straight_on(self, airfield: Airfield, site: Site, key: Hashable, arguments: Arguments) -> Landing | None:
        """What L2 has, if that needs no thought and nobody is loading it already; ABSENT, if there is nothing."""
        if (id(site.table), key) in airfield.flights.joinable:
            return None
        engine = self.engine
        request = site.request(key, arguments)
        partition = engine.partition_of(request.key.id)
        if not engine.reachable(partition):
            return None
        since = engine.l1.counter
        landing = await self.straight.look(site, request, partition)
        if landing is not None and landing is not ABSENT and site.policy.l1:
            flight = Flight(None, since=since)
            record = landing.record
            self._insert(site, key, request, flight, landing, () if record is None else record.tags)
        return landing

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
                flight = self._depart(airfield, site, key, arguments, spare=spare, absent=absent)
            else:
                site.stats.joined += 1
                flight.spare = flight.spare or spare
            if await self._arrival(airfield, flight, site, starter=starter):
                covering = _spare(flight)
                if covering is not None:
                    return _covering(covering, "soft timeout")
            landing: Landing | None = flight.landing
            if landing is not None and flight.serves(arrival):
                return self._settled(airfield, site, flight, landing, arguments, key)

    def _depart(
        self,
        airfield: Airfield,
        site: Site,
        key: Hashable,
        arguments: Arguments,
        *,
        spare: Landing | None = None,
        force: bool = False,
        behind: bool = False,
        dice: float | None = None,
        absent: bool = False,
    ) -> Flight:
        """A new flight in the air. A forced one is not boarded: its caller wants it for itself."""
        request = site.request(key, arguments)
        self._demand_store(site, request.key)
        flight, ask, pilot = self._plan(airfield, site, key, arguments, request, force=force, behind=behind, dice=dice)
        ask.absent = absent
        flight.waiter = airfield.loop.create_future()
        flight.spare = spare
        if force:
            # A load that began before may end after this one, and would bring the older value back.
            for field in self.engine.airfields():
                field.flights.overtake(flight.key)
            airfield.flights.airborne.add(flight)
        else:
            airfield.flights.depart(flight)
        task = airfield.spawn(self._fly(airfield, flight, ask, pilot, site, key, request), "flight")
        if site.borrowed:
            # Landed, or left by its starter: in both cases there is nothing more to do in the task.
            flight.waiter.add_done_callback(lambda _: task.cancel())
        return flight

    def _demand_store(self, site: Site, key: Key) -> None:
        """Raise, if the store is away and that is what was asked for."""
        engine = self.engine
        if engine.outage != "raise" or not engine.shares or not site.policy.l2:
            return
        if not engine.reachable(engine.partition_of(key.id)):
            raise StoreUnavailable(
                f"{site.name}: the shared store doesn't answer, and outage='raise' was chosen; see health for the reason.",
                reason="outage",
            )

    async def _fly(
        self, airfield: Airfield, flight: Flight, ask: Ask, pilot: Pilot, site: Site, key: Hashable, request: Request
    ) -> None:
        landing = Landing(cause="abandoned")
        try:
            landing = await pilot.drive(airfield.course.fly(flight, ask))
            self._arrive(airfield, flight, ask, site, key, request, landing)
        except Exception as error:  # noqa: BLE001 - logged, and the waiting callers' to see
            # Ours, not the loader's. Whoever waits gets it; nobody hangs, and what was loaded is served all the same.
            if landing.source == "none":
                landing = Landing(error=error, source="load", trace=error.__traceback__)
            _log.exception("%s: a flight failed in the cache itself", site.name)
        finally:
            airfield.flights.land(flight, landing)
            if not flight.waiter.done():
                flight.waiter.set_result(None)

    def _arrive(
        self,
        airfield: Airfield,
        flight: Flight,
        ask: Ask,
        site: Site,
        key: Hashable,
        request: Request,
        landing: Landing,
    ) -> None:
        """Keep what a flight has brought; let the source rest, if it failed and something else can answer."""
        if landing.error is not None:
            landing.trace = landing.error.__traceback__
            if not ask.patient or flight.spare is not None:
                now = self.engine.clock.monotonic()
                airfield.throttle(flight.key, now + min(THROTTLE, site.policy.ttl), now)
        self._keep(site, key, request, flight, landing, asked=ask.patient and not ask.force)

    def _plan(
        self,
        airfield: Airfield,
        site: Site,
        key: Hashable,
        arguments: Arguments,
        request: Request,
        *,
        force: bool = False,
        behind: bool = False,
        dice: float | None = None,
    ) -> tuple[Flight, Ask, Pilot]:
        engine = self.engine
        store_key = request.key
        partition = engine.partition_of(store_key.id)
        declared = tuple(sorted({engine.tag_id(name) for name in request.tags}))
        place = id(site.table), key
        flight = Flight(place, declared, store_key, dice=self._dice() if dice is None else dice)
        lock = secrets.token_hex(8).encode()
        shared = site.policy.l2 and engine.reachable(partition)
        resting = not behind and airfield.rests(place, engine.clock.monotonic())
        remembered = self.memories.tags_of(store_key.id)
        ask = Ask(
            key=store_key,
            schema=site.packer.schema,
            lock=lock,
            terms=engine.terms,
            age=lambda record: _used(self._age(site, partition, record, flight.dice), behind=behind, resting=resting),
            expired=_used(
                age_of(0.0, 0.0, stale_for=site.policy.stale_for, fail_safe=site.policy.fail_safe),
                behind=behind,
                resting=resting,
            ),
            counter=lambda: engine.l1.counter,
            candidate=lambda: secrets.token_hex(8).encode(),
            quarantined=lambda tags: engine.journal.quarantines(partition, store_key.id, tags, lambda: store_key.text),
            untouched=lambda since, tags: engine.l1.untouched(since, store_key.id, tags, lambda: store_key.text),
            declared=declared,
            remembered=tuple(tag for tag in remembered if tag not in declared),
            shared=shared,
            alone=self._is_alone(site, shared=shared),
            force=force,
            rotate=force,
            patient=not behind,
        )
        return flight, ask, Pilot(engine, airfield, site, arguments, store_key, lock)

    def _is_alone(self, site: Site, *, shared: bool) -> bool:
        """Whether this process's own invalidations are all that counts for this value."""
        engine = self.engine
        if not engine.shares or not site.policy.l2:
            return True
        return not shared and (engine.outage == "l1" or engine.unstarted)

    def _age(self, site: Site, partition: int, record: Record, dice: float) -> Age:
        """The age of a stored record now."""
        if record.fresh_until == NEVER_DIES:
            return Age.FRESH
        policy = site.policy
        fresh_until = record.fresh_until / 1000
        early_at = math.inf
        if policy.beta and record.load_ms:
            # The slack: L1 has the same moment from another reading of the server's clock.
            early_at = early_moment(fresh_until, record.load_ms / 1000, policy.beta, dice) - SLACK
        now = self.engine.now(partition) / 1000
        return age_of(now, fresh_until, stale_for=policy.stale_for, fail_safe=policy.fail_safe, early_at=early_at)

    # -- arrival -------------------------------------------------------------------------------------------------

    async def _arrival(self, airfield: Airfield, flight: Flight, site: Site, *, starter: bool) -> bool:
        """Wait for the landing. True: the soft timeout came first and a stale value is at hand."""
        try:
            async with lent():
                if site.policy.soft_timeout is None and site.policy.hard_timeout is None:
                    await asyncio.shield(flight.waiter)
                    return False
                return await self._timed_arrival(airfield, flight, site)
        finally:
            if starter and site.borrowed and not flight.waiter.done():
                # What it has borrowed is gone with its caller: the next one who waits leads with its own.
                airfield.flights.close(flight)
                flight.waiter.set_result(None)

    async def _timed_arrival(self, airfield: Airfield, flight: Flight, site: Site) -> bool:
        soft, hard = site.policy.soft_timeout, site.policy.hard_timeout
        clock = self.engine.clock
        if soft is not None:
            if await within(clock, soft, flight.waiter):
                return False
            if _spare(flight) is not None:
                return True
        if hard is not None:
            if await within(clock, hard - (soft or 0.0), flight.waiter):
                return False
            if _spare(flight) is not None:
                return True
            airfield.flights.close(flight)  # nobody else waits for it; it goes on, and fills the cache when it ends
            raise LoadTimeout(
                f"{site.name} did not load within hard_timeout={hard:g} s; it goes on in the background. Raise the "
                "timeout, or keep a stale value with fail_safe."
            )
        await asyncio.shield(flight.waiter)
        return False

    def _settled(
        self, airfield: Airfield, site: Site, flight: Flight, landing: Landing, arguments: Arguments, key: Hashable
    ) -> Landing:
        if landing.error is not None and (spare := _spare(flight)) is not None:
            return _covering(spare, "load failed")
        if landing.refresh:
            self._refresh_behind(airfield, site, key, arguments, dice=flight.dice)
        return landing

    # -- after the landing ---------------------------------------------------------------------------------------

    def _keep(
        self, site: Site, key: Hashable, request: Request, flight: Flight, landing: Landing, *, asked: bool
    ) -> None:
        """Into L1, if the landing proved its value; and what observers want to know. *asked*: somebody waited for it."""
        stats = site.stats
        if asked and landing.source == "load" and self.engine.hooks.observers:
            self.engine.hooks.emit(Missed(site.name, request.key.id.decode(), landing.cause or "absent"))
        if landing.rejected:
            stats.rejected += 1
            if self.engine.hooks.observers:
                self.engine.hooks.emit(FillRejected(site.name, request.key.id.decode()))
        if landing.error is not None or landing.source == "none":
            return
        record = landing.record
        tags: Iterable[bytes] = record.tags if record is not None else flight.tags
        if landing.extra is not None and record is None:
            tags = tuple(sorted({*flight.tags, *landing.extra.tags}))
        if record is not None and len(record.tags) > len(flight.tags):
            self.memories.remember_tags(request.key.id, record.tags)
        if flight.proved and landing.source == "load":
            stats.fills += 1
        if flight.proved and not flight.doomed:
            self._insert(site, key, request, flight, landing, tags)

    def _insert(
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
        if not policy.l1:
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
            value = site.handed_out(value)
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

    # -- answers -------------------------------------------------------------------------------------------------

    def _count(self, site: Site, landing: Landing, key: Hashable, arguments: Arguments) -> None:
        """One request, counted once: by where its answer came from, or why there was none."""
        stats = site.stats
        if landing.source in ("none", "load") and not landing.stale:
            stats.missed(landing.cause or "absent")
        elif landing.stale:
            stats.stale += 1
            if self.engine.hooks.observers:
                id = site.request(key, arguments).key.id.decode()
                self.engine.hooks.emit(ServedStale(site.name, id, landing.cause or "revalidating"))
        elif landing.source == "l1":
            stats.hits += 1
        else:
            stats.l2_hits += 1

    def _given(self, site: Site, landing: Landing) -> Any:
        """What the caller gets."""
        if landing.error is not None:
            raise landing.error.with_traceback(landing.trace)
        if isinstance(landing.value, CachedError):
            raise landing.value.error.with_traceback(None)
        return site.handed_out(landing.value)


def _used(age: Age, *, behind: bool, resting: bool) -> Age:
    """For a reload behind an answer, what is early or stale is no longer good. While the source rests after a failure,
    a spare has to do."""
    if behind and age in (Age.EARLY, Age.STALE):
        return Age.SPARE
    return Age.STALE if resting and age is Age.SPARE else age


def _spare(flight: Flight) -> Landing | None:
    """The stale value that may answer instead of the load; an old error may not."""
    spare = flight.spare
    return None if spare is None or isinstance(spare.value, CachedError) else spare


def _covering(spare: Landing, why: str) -> Landing:
    """A stale value instead of an error or of waiting."""
    return Landing(spare.value, source="l1", stale=True, cause=why)


def _at(now: float, moment: int, behind: int) -> float:
    """A moment of the server's clock (milliseconds) on ours; *behind* is the server's now."""
    return math.inf if moment == NEVER_DIES else now + (moment - behind) / 1000
