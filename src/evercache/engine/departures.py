"""How a flight is planned, flown and landed.

The plan gathers, for one call, the facts that the course of a flight decides by; the flight runs in a task of the cache,
so that no caller's end is its end; what it brings is kept, where its proof and the policy allow.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Hashable, Iterable

from evercache.core.course import Ask
from evercache.core.flight import Flight, Landing
from evercache.core.freshness import Age, age_of, early_moment
from evercache.core.protocol import Key
from evercache.core.record import NEVER_DIES, Record
from evercache.engine.airfield import Airfield
from evercache.engine.context import Context
from evercache.engine.memory import Memories
from evercache.engine.nearby import Nearby
from evercache.engine.pilot import Pilot
from evercache.engine.site import Arguments, Request, Site
from evercache.errors import StoreUnavailable

__all__ = ["Departures"]

_log = logging.getLogger("evercache")

THROTTLE = 30.0
"""After a failed load that a stale value covered, the source is left alone for this many seconds."""

SLACK = 0.005
"""Seconds by which two readings of one moment may differ."""


class Departures:
    """Sends flights off, and keeps what they bring. One for each engine."""

    def __init__(self, engine: Context, memories: Memories, nearby: Nearby) -> None:
        self.engine = engine
        self.memories = memories
        self.nearby = nearby

    def dice(self) -> float:
        return 1.0 - self.engine.random.random()  # above 0: there is a logarithm of it

    def depart(
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
        self.demand_store(site, request.key)
        flight, ask, pilot = self.plan(airfield, site, key, arguments, request, force=force, behind=behind, dice=dice)
        ask.absent = absent
        flight.waiter = airfield.loop.create_future()
        flight.spare = spare
        if force:
            self.overtake(flight.key)
            airfield.flights.take_off(flight)
        else:
            airfield.flights.depart(flight)
        task = airfield.spawn(self._fly(airfield, flight, ask, pilot, site, key, request), "flight")
        if site.borrowed:
            # Landed, or left by its starter: in both cases there is nothing more to do in the task.
            waiter: asyncio.Future[None] = flight.waiter
            waiter.add_done_callback(lambda _: task.cancel())
        return flight

    def overtake(self, place: Hashable) -> None:
        """A load that began before may end after the one that comes, and would bring the older value back."""
        for airfield in self.engine.airfields():
            airfield.flights.overtake(place)

    def demand_store(self, site: Site, key: Key) -> None:
        """Raise, if the store is away and that is what was asked for."""
        engine = self.engine
        if engine.outage != "raise" or not engine.shares or not site.policy.l2:
            return
        if not engine.reachable(engine.partition_of(key.id)):
            raise StoreUnavailable(
                f"{site.name}: the shared store doesn't answer, and outage='raise' was chosen; see health for the reason.",
                reason="outage",
            )

    # -- the plan ------------------------------------------------------------------------------------------------

    def plan(
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
        flight = Flight(place, declared, store_key, dice=self.dice() if dice is None else dice)
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
            heard=lambda: engine.heard(partition),
            declared=declared,
            remembered=tuple(tag for tag in remembered if tag not in declared),
            shared=shared,
            alone=self.is_alone(site, shared=shared),
            force=force,
            rotate=force,
            patient=not behind,
        )
        return flight, ask, Pilot(engine, airfield, site, arguments, store_key, lock)

    def is_alone(self, site: Site, *, shared: bool) -> bool:
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

    # -- in the air, and after it --------------------------------------------------------------------------------

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
        self.keep(site, key, request, flight, landing, asked=ask.patient and not ask.force)

    def keep(
        self, site: Site, key: Hashable, request: Request, flight: Flight, landing: Landing, *, asked: bool
    ) -> None:
        """Into L1, if the landing proved its value; and what observers want to know. *asked*: somebody waited for it."""
        stats = site.stats
        if asked and landing.source == "load" and self.engine.hooks.observers:
            from evercache.core.events import Missed

            self.engine.hooks.emit(Missed(site.name, request.key.id.decode(), landing.cause or "absent"))
        if landing.rejected:
            stats.rejected += 1
            if self.engine.hooks.observers:
                from evercache.core.events import FillRejected

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
            self.nearby.insert(site, key, request, flight, landing, tags)


def _used(age: Age, *, behind: bool, resting: bool) -> Age:
    """For a reload behind an answer, what is early or stale is no longer good. While the source rests after a failure,
    a spare has to do."""
    if behind and age in (Age.EARLY, Age.STALE):
        return Age.SPARE
    return Age.STALE if resting and age is Age.SPARE else age
