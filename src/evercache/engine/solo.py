"""A flight without a task, for a caller that loads by itself where this process is the whole world.

A flight has a task of its own so that no caller's end is its end, and a course of steps because a shared store has to be
asked. Who loads a response that only it can load, into memory that only this process has, needs neither: between its
take-off and its landing lies whatever the caller does. What others may rely on is the same: one flight for each key,
arrival numbers (`core.flight`), invalidations that doom it, a proof before anything is kept, the same counts and events.
It costs a sixth.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from evercache.core.course import Loaded
from evercache.core.flight import Flight, Landing
from evercache.engine.context import Context
from evercache.engine.departures import Departures
from evercache.engine.site import Arguments, Site

__all__ = ["Solo"]


class Solo:
    """One such flight. Whoever makes it lets it end, in every case, by `land`."""

    __slots__ = ("_airfield", "_asked", "_departures", "_key", "_request", "_site", "_started", "flight")

    def __init__(
        self,
        departures: Departures,
        site: Site,
        key: Hashable,
        arguments: Arguments,
        *,
        spare: Landing | None = None,
        force: bool = False,
    ) -> None:
        """Take off; *force*: whatever is loading already isn't good enough, and what it brings isn't kept."""
        engine = departures.engine
        self._departures, self._site, self._key = departures, site, key
        self._request = request = site.request(key, arguments)
        self._airfield = airfield = engine.airfield()
        declared = tuple(sorted([engine.tag_id(name) for name in set(request.tags)]))
        self.flight = flight = Flight((id(site.table), key), declared, request.key, spare=spare)
        flight.waiter = airfield.loop.create_future()
        flight.load_began = airfield.ticks.next()
        flight.since = engine.l1.counter
        self._started = engine.clock.monotonic()
        site.stats.loads += 1
        self._asked = not force
        if force:
            departures.overtake(flight.key)
            airfield.flights.take_off(flight)
        else:
            airfield.flights.depart(flight)

    def land(
        self,
        value: Any,  # Any: the site's values
        *,
        keep: bool,
        ttl: float = 0.0,
        spare_for: float = 0.0,
        tags: Iterable[str] = (),
        ids: Iterable[bytes] = (),
    ) -> None:
        """The load has ended with *value*. *keep* it for *ttl* seconds, and *spare_for* more as a spare, under these more
        *tags*, by name and by id, unless an invalidation has overtaken it. Without, it is for those who wait alone."""
        site, flight, departures = self._site, self.flight, self._departures
        engine = departures.engine
        seconds = engine.clock.monotonic() - self._started
        added = {*map(engine.tag_id, tags), *ids}
        loaded = Loaded(value, seconds, tuple(sorted(added)), ttl, spare_for, skip=not keep)
        landing = Landing(value, source="load", cause="absent", extra=loaded)
        self._note(engine, seconds)
        if keep:
            flight.proof_sent = self._airfield.ticks.next()
            flight.proved = not flight.doomed and engine.l1.untouched(
                flight.since, self._request.key.id, flight.tags + loaded.tags, lambda: self._request.key.text
            )
        try:
            departures.keep(site, self._key, self._request, flight, landing, asked=self._asked)
        finally:
            self._airfield.flights.land(flight, landing)
            flight.waiter.set_result(None)

    def _note(self, engine: Context, seconds: float) -> None:
        self._site.stats.load_seconds += seconds
        engine.note_load(seconds)
        if engine.hooks.observers:
            from evercache.core.events import Loaded as LoadedEvent

            engine.hooks.emit(LoadedEvent(self._site.name, self._request.key.id.decode(), seconds))
