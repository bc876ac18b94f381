"""The straight way to L2: one look by the caller itself, for the case that what is there simply holds.

A flight is a task, a future and a course of steps; that is what loading needs, and a plain hit pays for all of it. So
the caller looks first. Callers of one turn share one MGET all the same, and repeated keys in it are asked once.

Nothing is decided here that `core.course` decides otherwise: an answer is given only if the entry is fresh and every
stamp is the very one that was asked for. Rule (a) of `core.flight` holds by itself, for the look is sent after its only
reader has come. Whatever is less plain (stale, another tag, a ban, a quarantine, an unreadable payload, a store that
does not answer) is a flight's, which looks anew; where nothing was there, the flight begins without a second look.
"""

from __future__ import annotations

from evercache.core.course import holds
from evercache.core.flight import Landing
from evercache.core.protocol import Look
from evercache.core.record import NEVER_DIES, Record
from evercache.engine.context import Context
from evercache.engine.memory import Memories
from evercache.engine.pilot import OFF_LOOP, VALUE
from evercache.engine.site import Request, Site
from evercache.errors import CodecError, StoreUnavailable

__all__ = ["ABSENT", "Straight"]

ABSENT = Landing(cause="absent")
"""There is nothing in L2."""


class Straight:
    """Looks for callers. One for each engine."""

    def __init__(self, engine: Context, memories: Memories) -> None:
        self.engine = engine
        self.memories = memories

    async def look(self, site: Site, request: Request, partition: int) -> Landing | None:
        """A landing with a fresh value, ABSENT, or None: let a flight find out."""
        key = request.key
        asked = self.asked(request)
        try:
            looked = await self.engine.execute(partition, Look(key, asked))
        except StoreUnavailable:
            return None
        record = looked.record
        if record is None:
            return None if looked.corrupt else ABSENT
        if not holds(looked, asked, site.packer.schema) or not self._fresh(record, partition):
            return None
        if self.engine.journal.quarantines(partition, key.id, asked, lambda: key.text):
            return None
        payload: bytes = record.payload
        if payload[:1] != VALUE or len(payload) > OFF_LOOP:
            return None
        try:
            return Landing(site.packer.unpack(payload[1:], key.id), source="l2", record=record)
        except CodecError:
            return None

    def asked(self, request: Request) -> tuple[bytes, ...]:
        """The tags of a look: those that the call declares, then those that the entry had when it was last seen."""
        names, remembered = request.tags, self.memories.tags_of(request.key.id)
        if not names:
            return remembered
        declared = tuple(sorted({self.engine.tag_id(name) for name in names}))
        return declared + tuple([tag for tag in remembered if tag not in declared]) if remembered else declared

    def _fresh(self, record: Record, partition: int) -> bool:
        return record.fresh_until == NEVER_DIES or self.engine.now(partition) < record.fresh_until
