"""Stores with one rule broken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evercache.core.protocol import (
    Bans,
    Distrust,
    ExpireKey,
    Fill,
    InvalidateKey,
    LogRecord,
    Reserve,
    Tags,
)
from evercache.core.stamps import Proof, compare
from evercache.stores.memory import Partition

__all__ = [
    "ClientOnlyStamps",
    "DistrustKeepsBans",
    "ExpiryKeepsGeneration",
    "ExpiryOfTagMissesFills",
    "FillSkipsBans",
    "FillSkipsNamespace",
    "FillSkipsTags",
    "KeepsGeneration",
    "LockTokenOnly",
    "LostBansAreNone",
    "NaiveSet",
    "PutSharesGeneration",
    "PutWithoutReserve",
    "TagsWithoutAnchor",
    "TagsWithoutLog",
    "Tombstone",
]


NOTHING = LogRecord("o", b"")


class NaiveSet(Partition):
    """A fill is a SET."""

    def may_fill(self, command: Fill) -> bool:
        return True

    def fill(self, command: Fill) -> bool:
        self.data.setdefault(("g", command.key.id), (b"", None))
        return super().fill(command)


class LockTokenOnly(Partition):
    """The token only keeps two fillers apart: an invalidation leaves it alone."""

    def invalidate_key(self, command: InvalidateKey) -> None:
        generation = self.data.get(("g", command.id))
        super().invalidate_key(command)
        if generation is not None:
            self.data["g", command.id] = generation


class Tombstone(Partition):
    """An invalidation leaves a mark for a while instead of taking the generation away."""

    def invalidate_key(self, command: InvalidateKey) -> None:
        super().invalidate_key(command)
        self._set(("x", command.id), b"1", 30)

    def may_fill(self, command: Fill) -> bool:
        key = command.key.id
        if self._get(("x", key)) is not None:
            return False
        self._set(("g", key), command.generation, command.terms.lease)
        return super().may_fill(command)


class FillSkipsTags(Partition):
    """A fill doesn't look at the tags."""

    def may_fill(self, command: Fill) -> bool:
        return super().may_fill(replace(command, record=replace(command.record, tags=(), stamps=())))


class DistrustKeepsBans(Partition):
    """No mutant: with this store, too, every law holds. Distrust drops the ban list, which makes the namespace stamp
    redundant; to show what the stamp is for, the list has to stay."""

    def distrust(self, command: Distrust) -> None:
        bans, position = list(self.bans), self.data.get(("b", b""))
        super().distrust(command)
        self.bans = bans
        if position is not None:
            self.data["b", b""] = position


class FillSkipsNamespace(DistrustKeepsBans):
    """A fill doesn't look at the namespace; what it stores is current at once."""

    def may_fill(self, command: Fill) -> bool:
        command.record.namespace = self._get(("n", b"")) or b""
        return super().may_fill(command)


class FillSkipsBans(Partition):
    """A fill doesn't look at the ban position; what it stores is current at once."""

    def may_fill(self, command: Fill) -> bool:
        command.record.ban = self._get(("b", b"")) or b""
        return super().may_fill(command)


class ClientOnlyStamps(Partition):
    """A stamp is the client's candidate and nothing else: a command that is executed twice makes it twice."""

    def _serial_of(self, candidate: bytes) -> bytes:
        self._serial += 1
        return candidate + b"." + self.run + b"." if b"|" in candidate else candidate


class KeepsGeneration(Partition):
    """An accepted fill leaves its generation: a second, older load may fill with it too."""

    def fill(self, command: Fill) -> bool:
        slot = "g", command.key.id
        generation = self.data.get(slot)
        accepted = super().fill(command)
        if accepted and generation is not None:
            self.data[slot] = generation
        return accepted


class ExpiryKeepsGeneration(Partition):
    """A soft expiry lets running loads fill."""

    def expire_key(self, command: ExpireKey) -> None:
        generation = self.data.get(("g", command.id))
        super().expire_key(command)
        if generation is not None:
            self.data["g", command.id] = generation


class ExpiryOfTagMissesFills(Partition):
    """A fill looks at the hard part of stamps only."""

    def may_fill(self, command: Fill) -> bool:
        record = command.record
        now = tuple([self._get(("t", tag)) for tag in record.tags])
        hard = all(compare(old, new) is not Proof.INVALID for old, new in zip(record.stamps, now, strict=True))
        if hard:
            record.stamps = tuple([stamp or b"" for stamp in now])
        return super().may_fill(command)


class TagsWithoutLog(Partition):
    """Late tags get their stamps without a look at the log."""

    def tags(self, command: Tags) -> tuple[bytes, ...] | None:
        return tuple([self._or_new(("t", tag), command.candidate, command.terms.horizon) for tag in command.tags])


class TagsWithoutAnchor(Partition):
    """Late tags look at the log, but not whether it still reaches back to their load."""

    def tags(self, command: Tags) -> tuple[bytes, ...] | None:
        anchored = self.read_log(command.anchor)[0]
        if not anchored:
            self.log.insert(0, (int(command.anchor), NOTHING))
        try:
            return super().tags(command)
        finally:
            if not anchored:
                del self.log[0]


class LostBansAreNone(Partition):
    """A ban list that is gone held no bans."""

    def banned(self, command: Bans) -> tuple[str, ...] | None:
        found = super().banned(command)
        return () if found is None else found


class PutWithoutReserve(Partition):
    """A put is one command; so a copy of it may arrive at any time."""

    def fill(self, command: Fill) -> bool:
        if command.generation != b"put":
            return super().fill(command)
        self.data["g", command.key.id] = (b"put", None)
        stamps = tuple([self._or_new(("t", tag), b"p", command.terms.horizon) for tag in command.record.tags])
        command.record.stamps = stamps
        command.record.namespace = self._namespace(b"p", command.terms)
        command.record.ban = self._ban_position(command.terms)
        return super().fill(command)


class PutSharesGeneration(Partition):
    """A put doesn't take the generation away from loads that run."""

    def reserve(self, command: Reserve) -> Any:
        generation = self.data.get(("g", command.key.id))
        begun = super().reserve(command)
        if generation is None:
            return begun
        self.data["g", command.key.id] = generation
        return begun._replace(generation=generation[0])
