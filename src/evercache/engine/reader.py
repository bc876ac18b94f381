"""The life of a read that L1 could not answer at once.

L1 once more, with thought: survived all invalidations? stale, but good enough while a reload runs behind?
board the flight of this key, or start one; wait; use its landing if the arrival rule allows, else board the next
a load that failed, or takes too long, is covered by a stale value where the policy says so
"""

from __future__ import annotations

import asyncio
import math
import random
import secrets
from collections.abc import Hashable, Iterable
from typing import Any

from evercache.core.course import Ask, Loaded
from evercache.core.entry import Entry, Lease
from evercache.core.events import FillRejected, Missed, ServedStale
from evercache.core.flight import Flight, Landing
from evercache.core.freshness import Age, age_of, early_moment, thinking_moment
from evercache.core.protocol import LogRecord
from evercache.core.record import NEVER_DIES, Record
from evercache.engine.airfield import Airfield
from evercache.engine.context import Context
from evercache.engine.invalidation import Invalidator
from evercache.engine.loading import MISSING
from evercache.engine.memory import Memories
from evercache.engine.pilot import Pilot
from evercache.engine.site import Arguments, CachedError, Request, Site
from evercache.engine.waiting import within
from evercache.errors import CodecError, LoadTimeout, StoreUnavailable

__all__ = ["Reader"]

THROTTLE = 30.0
"""After a failed load that a stale value covered, the source is left alone for this many seconds."""

MAX_REFRESHES = 64
"""Background reloads of one loop at the same time; more than these wait for a later read to ask again."""


class Reader:
    """Answers reads. One for each engine."""

    def __init__(self, engine: Context, memories: Memories, invalidator: Invalidator) -> None:
        self.engine = engine
        self.memories = memories
        self.invalidator = invalidator

    async def read(self, site: Site, key: Hashable, arguments: Arguments) -> Any:
        """The value of this call: from L1, from L2, or loaded."""
        if not self.engine.enabled:
            return await site.load(*arguments)
        airfield = self.engine.airfield()
        landing = self._from_l1(airfield, site, key, arguments)
        if landing is None or landing.source == "none":
            landing = await self._by_flight(airfield, site, key, arguments, landing)
        return self._answer(site, landing)

    async def refresh(self, site: Site, key: Hashable, arguments: Arguments) -> Any:
        """A value whose load begins after this call, whatever is cached."""
        airfield = self.engine.airfield()
        flight = self._depart(airfield, site, key, arguments, force=True)
        site.stats.refreshes += 1
        await self._arrival(airfield, flight, site, starter=True)
        return self._answer(site, self._landed(flight))

    async def peek(self, site: Site, key: Hashable, arguments: Arguments) -> Any:
        """The cached value, fresh or stale, or MISSING. Never loads."""
        airfield = self.engine.airfield()
        landing = self._from_l1(airfield, site, key, arguments, quiet=True)
        if landing is None:
            landing, _ = await self.look(airfield, site, key, arguments, site.request(key, arguments))
        if landing.source == "none" or isinstance(landing.value, CachedError):
            return MISSING
        return site.handed_out(landing.value)

    async def put(self, site: Site, key: Hashable, arguments: Arguments, loaded: Loaded) -> bool:
        """Store a given value. False: the shared store didn't confirm that the old one is gone."""
        engine = self.engine
        airfield = engine.airfield()
        request = site.request(key, arguments)
        flight, ask, pilot = self._plan(airfield, site, key, arguments, request)
        record = LogRecord("k", request.key.id)
        self.invalidator.doom([record])
        site.stats.puts += 1
        if ask.shared:
            storing = airfield.spawn(pilot.drive(airfield.course.put(flight, ask, loaded)), "stores a given value")
            try:
                landing = await asyncio.shield(storing)
            except (StoreUnavailable, CodecError):
                return bool(await self.invalidator.keys([request.key.id]))
        elif ask.alone:
            landing = Landing(loaded.value, source="load", extra=loaded)
            flight.proved, flight.since = True, engine.l1.counter
        else:
            return bool(await self.invalidator.keys([request.key.id]))
        if flight.proved:
            self._insert(site, key, request, flight, landing, {*flight.tags, *loaded.tags})
        return ask.shared or not engine.shares

    async def look(
        self, airfield: Airfield, site: Site, key: Hashable, arguments: Arguments, request: Request
    ) -> tuple[Landing, bool]:
        """What the shared store has for this call, and whether it could be asked at all."""
        flight, ask, pilot = self._plan(airfield, site, key, arguments, request)
        if not ask.shared:
            return Landing(cause="bypass"), False
        landing = await pilot.drive(airfield.course.peek(flight, ask))
        if landing.source == "l2":
            self._keep(site, key, request, flight, landing)
        return landing, True

    # -- L1, with thought ----------------------------------------------------------------------------------------

    def _from_l1(
        self, airfield: Airfield, site: Site, key: Hashable, arguments: Arguments, *, quiet: bool = False
    ) -> Landing | None:
        """What L1 has for this call. A landing with the source `none` is a spare: to be used if the load fails."""
        entry = site.table.get(key)
        if entry is None:
            return None
        now = self.engine.clock.monotonic()
        if now >= entry.lease.until and not self._may_serve_lapsed(entry, now):
            return None
        if not self.engine.l1.check(entry, now):
            return None
        policy = site.policy
        early_at = math.inf
        if policy.beta and entry.load_seconds:
            dice = 1.0 - random.random()  # noqa: S311 - chance, not a secret
            early_at = early_moment(entry.fresh_until, entry.load_seconds, policy.beta, dice)
        age = age_of(now, entry.fresh_until, stale_for=policy.stale_for, fail_safe=policy.fail_safe, early_at=early_at)
        if age is Age.DEAD or (isinstance(entry.value, CachedError) and age not in (Age.FRESH, Age.EARLY)):
            self.engine.l1.drop(entry)
            self.memories.met((id(site.table), key), "expired")
            return None
        stale = age in (Age.STALE, Age.SPARE) or entry.stale
        if age is Age.SPARE:
            until = airfield.throttled.get((id(site.table), key), -math.inf)
            return Landing(entry.value, source="l1" if now < until else "none", stale=True, cause="expired")
        entry.hits += 1
        if not quiet and age is not Age.FRESH:
            self._refresh_behind(airfield, site, key, arguments)
        return Landing(entry.value, source="l1", stale=stale)

    def _may_serve_lapsed(self, entry: Entry, now: float) -> bool:
        """The lease is over: by default L1 is silent; two outage modes let it answer on, for a while."""
        engine = self.engine
        if engine.outage == "l1":
            return now < entry.lease.until + engine.degraded_ttl
        return engine.outage == "stale"

    def _refresh_behind(self, airfield: Airfield, site: Site, key: Hashable, arguments: Arguments) -> None:
        """Load anew in the background, once for each key; a fleet does it once by the herd lock."""
        place = id(site.table), key
        if place in airfield.refreshing or len(airfield.refreshing) >= MAX_REFRESHES or site.borrowed:
            return
        if airfield.throttled.get(place, -math.inf) > self.engine.clock.monotonic():
            return
        airfield.refreshing.add(place)
        site.stats.refreshes += 1
        flight = self._depart(airfield, site, key, arguments, behind=True)
        flight.waiter.add_done_callback(lambda _: airfield.refreshing.discard(place))

    # -- flights -------------------------------------------------------------------------------------------------

    async def _by_flight(
        self, airfield: Airfield, site: Site, key: Hashable, arguments: Arguments, spare: Landing | None
    ) -> Landing:
        arrival = airfield.ticks.next()
        place = id(site.table), key
        while True:
            flight = airfield.flights.board(place)
            starter = flight is None
            if flight is None:
                flight = self._depart(airfield, site, key, arguments, spare=spare)
            else:
                site.stats.joined += 1
            if await self._arrival(airfield, flight, site, starter=starter):
                return self._covered(airfield, site, place, flight, "soft timeout")
            if flight.serves(arrival):
                return self._settled(airfield, site, place, flight, arguments, key)

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
    ) -> Flight:
        """A new flight in the air. Those that only refresh are not boarded: who reads meanwhile has an answer."""
        request = site.request(key, arguments)
        flight, ask, pilot = self._plan(airfield, site, key, arguments, request, force=force, behind=behind)
        flight.waiter = airfield.loop.create_future()
        flight.spare = spare
        if force or behind:
            airfield.flights.airborne.add(flight)
        else:
            airfield.flights.depart(flight)
        task = airfield.spawn(self._fly(airfield, flight, ask, pilot, site, key, request), "flight")
        if site.borrowed:
            flight.waiter.add_done_callback(lambda done: task.cancel() if done.cancelled() else None)
        return flight

    async def _fly(
        self, airfield: Airfield, flight: Flight, ask: Ask, pilot: Pilot, site: Site, key: Hashable, request: Request
    ) -> None:
        landing = Landing(cause="abandoned")
        try:
            landing = await pilot.drive(airfield.course.fly(flight, ask))
            self._keep(site, key, request, flight, landing)
        except Exception as error:
            landing = Landing(error=error, source="load")  # ours, not the loader's; nobody may hang because of it
            raise
        finally:
            airfield.flights.land(flight, landing)
            airfield.wakes.pop(request.key.id, None)
            if not flight.waiter.done():
                flight.waiter.set_result(None)

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
    ) -> tuple[Flight, Ask, Pilot]:
        engine = self.engine
        store_key = request.key
        partition = engine.partition_of(store_key.id)
        declared = tuple(sorted({engine.tag_id(name) for name in request.tags}))
        flight = Flight((id(site.table), key), declared, store_key)
        lock = secrets.token_hex(8).encode()
        shared = site.policy.l2 and engine.reachable(partition)
        if not shared and site.policy.l2 and engine.shares and engine.outage == "raise":
            raise StoreUnavailable(
                f"{site.name}: the shared store doesn't answer, and outage='raise' was chosen; see health for the reason.",
                reason="outage",
            )
        remembered = self.memories.tags_of(store_key.id)
        ask = Ask(
            key=store_key,
            schema=site.packer.schema,
            lock=lock,
            terms=engine.terms,
            age=lambda record: self._age(site, partition, record, behind=behind),
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

    def _age(self, site: Site, partition: int, record: Record, *, behind: bool) -> Age:
        """The age of a stored record now. For a reload behind an answer, what is early or stale is no longer good."""
        if record.fresh_until == NEVER_DIES:
            return Age.FRESH
        policy = site.policy
        fresh_until = record.fresh_until / 1000
        early_at = math.inf
        if policy.beta and record.load_ms:
            dice = 1.0 - random.random()  # noqa: S311 - chance, not a secret
            early_at = early_moment(fresh_until, record.load_ms / 1000, policy.beta, dice)
        now = self.engine.now(partition) / 1000
        age = age_of(now, fresh_until, stale_for=policy.stale_for, fail_safe=policy.fail_safe, early_at=early_at)
        return Age.SPARE if behind and age in (Age.EARLY, Age.STALE) else age

    # -- arrival -------------------------------------------------------------------------------------------------

    async def _arrival(self, airfield: Airfield, flight: Flight, site: Site, *, starter: bool) -> bool:
        """Wait for the landing. True: the soft timeout came first and a stale value is at hand."""
        try:
            if site.policy.soft_timeout is None and site.policy.hard_timeout is None:
                await asyncio.shield(flight.waiter)
                return False
            return await self._timed_arrival(airfield, flight, site)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if flight.waiter.cancelled() and (task is None or not task.cancelling()):
                return False  # the leader of a borrowed load has left, not we
            if starter and site.borrowed:
                airfield.flights.close(flight)
                flight.waiter.cancel()  # its session is gone: the next one who waits leads with its own
            raise

    async def _timed_arrival(self, airfield: Airfield, flight: Flight, site: Site) -> bool:
        soft, hard = site.policy.soft_timeout, site.policy.hard_timeout
        clock = self.engine.clock
        if soft is not None:
            if await within(clock, soft, flight.waiter):
                return False
            if flight.spare is not None:
                return True
        if hard is not None:
            if await within(clock, hard - (soft or 0.0), flight.waiter):
                return False
            if flight.spare is not None:
                return True
            airfield.flights.close(flight)  # nobody else waits for it; it goes on, and fills the cache when it ends
            raise LoadTimeout(
                f"{site.name} did not load within hard_timeout={hard:g} s; it goes on in the background. Raise the "
                "timeout, or keep a stale value with fail_safe."
            )
        await asyncio.shield(flight.waiter)
        return False

    def _landed(self, flight: Flight) -> Landing:
        landing: Landing | None = flight.landing
        if landing is None or (landing.source == "none" and landing.error is None):
            raise asyncio.CancelledError  # the flight was ended by the cache's own end
        return landing

    def _settled(
        self, airfield: Airfield, site: Site, place: Hashable, flight: Flight, arguments: Arguments, key: Hashable
    ) -> Landing:
        landing = self._landed(flight)
        if landing.error is not None and flight.spare is not None:
            return self._covered(airfield, site, place, flight, "load failed")
        if landing.refresh:
            self._refresh_behind(airfield, site, key, arguments)
        return landing

    def _covered(self, airfield: Airfield, site: Site, place: Hashable, flight: Flight, why: str) -> Landing:
        """A stale value instead of an error or of waiting."""
        spare = flight.spare
        if spare is None:
            raise AssertionError("a spare was seen a moment ago")
        if why == "load failed":
            now = self.engine.clock.monotonic()
            airfield.throttle(place, now + min(THROTTLE, site.policy.ttl), now)
        if self.engine.hooks.observers:
            self.engine.hooks.emit(ServedStale(site.name, "", why))
        return Landing(spare.value, source="l1", stale=True)

    # -- after the landing ---------------------------------------------------------------------------------------

    def _keep(self, site: Site, key: Hashable, request: Request, flight: Flight, landing: Landing) -> None:
        """Into L1, if the landing proved its value; and the counters."""
        stats = site.stats
        if landing.source == "load":
            stats.missed(landing.cause or "absent")
            if self.engine.hooks.observers:
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
        if flight.proved and not flight.doomed and site.policy.l1:
            self._insert(site, key, request, flight, landing, tags)

    def _insert(
        self,
        site: Site,
        key: Hashable,
        request: Request,
        flight: Flight,
        landing: Landing,
        tags: Iterable[bytes],
    ) -> None:
        engine, policy = self.engine, site.policy
        now = engine.clock.monotonic()
        record = landing.record
        partition = engine.partition_of(request.key.id)
        lease: Lease = engine.lease_of(partition)
        if record is not None:
            behind = engine.now(partition)
            fresh_until = _at(now, record.fresh_until, behind)
            dead_at = _at(now, record.dead_at, behind)
            seconds = record.load_ms / 1000
        else:
            extra = landing.extra
            ttl = policy.life(policy.ttl if extra.ttl is None else extra.ttl, random.random())  # noqa: S311 - jitter
            if engine.shares and policy.l2:
                lease, ttl = engine.degraded, min(ttl, engine.degraded_ttl)
            fresh_until, dead_at, seconds = now + ttl, now + ttl + policy.spare_for, extra.seconds
        value = landing.value if isinstance(landing.value, CachedError) else site.handed_out(landing.value)
        entry = Entry(
            site.table, key, value, fresh_until=fresh_until, dead_at=dead_at,
            weight=self.memories.weigh(value), lease=lease, load_seconds=seconds if policy.beta else 0.0,
        )  # fmt: skip
        if isinstance(value, CachedError) or landing.stale:
            entry.until = -math.inf  # never on the short path: somebody has to think about it
        elif policy.beta:
            entry.until = thinking_moment(fresh_until, seconds, policy.beta)
        entry.stale = landing.stale
        identity = request.key.id if engine.shares or site.indexed else None
        if not engine.l1.insert(entry, since=flight.since, id=identity, tags=tags, text=lambda: request.key.text):
            self.memories.met((id(site.table), key), "invalidated")

    def _answer(self, site: Site, landing: Landing) -> Any:
        """What the caller gets, counted."""
        stats = site.stats
        if landing.error is not None:
            raise landing.error
        if landing.stale:
            stats.stale += 1
        elif landing.source == "l1":
            stats.hits += 1
        elif landing.source == "l2":
            stats.l2_hits += 1
        if isinstance(landing.value, CachedError):
            raise landing.value.error
        return site.handed_out(landing.value)


def _at(now: float, moment: int, behind: int) -> float:
    """A moment of the server's clock (milliseconds) on ours; *behind* is the server's now."""
    return math.inf if moment == NEVER_DIES else now + (moment - behind) / 1000
