"""Ways to make values of others with one rule broken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evercache.core.course import Course
from evercache.core.flight import Flight
from evercache.core.protocol import Begun, Tags
from evercache.stores.memory import Partition
from tests.simulation.process import Process

__all__ = ["AskedFromBegin", "OnlyHitsLag", "OnlyLateTagsAsked", "PatternsUnasked", "TagsStayBehind"]


class AskedFromBegin(Course):
    """What was read from memory is looked for in the log from Begin on, as what was read elsewhere."""

    def anchor(self, begun: Begun, heard: bytes | None) -> bytes | None:
        return begun.anchor


class OnlyLateTagsAsked(Partition):
    """Of what a value was made of, only the tags that need a stamp are looked for in the log."""

    def tags(self, command: Tags) -> Any:
        return super().tags(replace(command, also=()))


class PatternsUnasked(Partition):
    """Patterns and the namespace are not looked for in the log: Fill compares what they were at Begin."""

    def read_log(self, position: bytes) -> Any:
        present, records = super().read_log(position)
        return present, [(at, record) for at, record in records if not self.asking or record.kind not in "nb"]

    asking = False

    def tags(self, command: Tags) -> Any:
        self.asking = True
        try:
            return super().tags(command)
        finally:
            self.asking = False


class OnlyHitsLag(Process):
    """What was loaded inside, and not stored, counts as young, whatever it was made of."""

    def lagging(self, flight: Flight) -> tuple[bytes, ...]:
        return ()


class TagsStayBehind(Process):
    """A value does not carry the tags of what it was made of."""

    def made_of(self, parts: Any, loaded: Any) -> Any:
        named = loaded.tags
        loaded = super().made_of(parts, loaded)
        loaded.tags = loaded.named = named
        return loaded
