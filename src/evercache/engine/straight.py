"""The straight way to L2: one look by the caller itself, for the case that what is there simply holds.

A flight is a task, a future and a course of steps; that is what loading needs, and a plain hit pays for all of it. So
the caller looks first. Callers of one turn share one MGET all the same, and repeated keys in it are asked once.

Nothing is decided here that `core.course` decides otherwise: an answer is given only if the entry is fresh and every
stamp is the very one that was asked for. Rule (a) of `core.flight` holds by itself, for the look is sent after its only
reader has come. Whatever is less plain (stale, another tag, a ban, a quarantine, an unreadable payload, a store that
does not answer) is a flight's, which looks anew; where nothing was there, the flight begins without a second look.
"""

from __future__ import annotations

from collections.abc import Hashable

from evercache.core.course import holds
from evercache.core.flight import Flight, Landing
from evercache.core.record import NEVER_DIES
from evercache.engine.context import Context
from evercache.engine.memory import Memories
from evercache.engine.nearby import Nearby
from evercache.engine.pilot import OFF_LOOP, VALUE
from evercache.engine.site import Request, Site
from evercache.errors import CodecError

__all__ = ["ABSENT", "Straight"]

ABSENT = Landing(cause="absent")
"""There is nothing in L2."""


class Straight:
    """Looks for callers. One for each engine."""

    def __init__(self, engine: Context, memories: Memories, nearby: Nearby) -> None:
        self.engine = engine
        self.memories = memories
        self.nearby = nearby

    async def look(self, site: Site, key: Hashable, request: Request) -> Landing | None:
        """A landing with a fresh value that is the caller's own, ABSENT, or None: let a flight find out."""
        engine, store_key = self.engine, request.key
        partition = engine.partition_of(store_key.id)
        asked = self.asked(request)
        since = engine.l1.counter
        try:
            looking = engine.look(partition, store_key, asked)
            if looking is None:
                return None
            looked = await looking
        except Exception:  # noqa: BLE001 - away, or an error of the server: the flight's own look makes sense of it
            return None
        record = looked.record
        if record is None:
            return None if looked.corrupt else ABSENT
        if not holds(looked, asked, site.packer.schema):
            return None
        if record.fresh_until != NEVER_DIES and engine.now(partition) >= record.fresh_until:
            return None
        quarantine = engine.journal
        if not quarantine.empty and quarantine.quarantines(partition, store_key.id, asked, lambda: store_key.text):
            return None
        payload: bytes = record.payload
        if payload[:1] != VALUE or len(payload) > OFF_LOOP:
            return None
        try:
            landing = Landing(site.packer.unpack(payload[1:], store_key.id), source="l2", record=record)
        except CodecError:
            return None
        if site.policy.l1:
            self.nearby.insert(site, key, request, Flight(None, since=since), landing, record.tags)
        return landing

    def asked(self, request: Request) -> tuple[bytes, ...]:
        """The tags of a look: those that the call declares, then those that the entry had when it was last seen."""
        names, remembered = request.tags, self.memories.tags_of(request.key.id)
        if not names:
            return remembered
        declared = tuple(sorted({self.engine.tag_id(name) for name in names}))
        return declared + tuple([tag for tag in remembered if tag not in declared]) if remembered else declared
