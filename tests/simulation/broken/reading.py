"""Courses with one rule broken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evercache.core.course import Ask, Course, Encode, Flow, Loaded
from evercache.core.flight import Flight, Landing
from evercache.core.protocol import (
    Fill,
    Look,
)
from evercache.core.record import Record
from evercache.core.stamps import Proof, compare

__all__ = [
    "AloneProvesAnything",
    "BansUnread",
    "KeepDropsTags",
    "MissingTagIsValid",
    "NamespaceUnread",
    "NoTagCheck",
    "PutInOneStep",
    "ReusedCandidate",
    "SecondLookProvesFirst",
    "SoftTagIsFresh",
    "UnaskedTagsAreValid",
]


class NoTagCheck(Course):
    """Stamps are not compared."""

    def compare(self, stored: bytes, current: bytes | None) -> Proof:
        return Proof.VALID


class MissingTagIsValid(Course):
    """A stamp that is gone says nothing against an entry."""

    def compare(self, stored: bytes, current: bytes | None) -> Proof:
        return Proof.VALID if current is None else compare(stored, current)


class SoftTagIsFresh(Course):
    """Only the hard part of a stamp counts."""

    def compare(self, stored: bytes, current: bytes | None) -> Proof:
        proof = compare(stored, current)
        return Proof.VALID if proof is Proof.EXPIRED else proof


class NamespaceUnread(Course):
    """The namespace stamp is not compared."""

    def _objection(self, ask: Ask, record: Record | None, looked: Any) -> str:
        if record is not None:
            looked = looked._replace(namespace=record.namespace)
        return super()._objection(ask, record, looked)


class BansUnread(Course):
    """The ban position is not compared."""

    def _weigh(self, ask: Ask, ticket: Any, record: Record, stamps: dict[bytes, Any], ban: Any) -> Flow:
        return (yield from super()._weigh(ask, ticket, record, stamps, record.ban))


class UnaskedTagsAreValid(Course):
    """Tags that the look did not ask for are taken for valid."""

    def _prove(self, flight: Flight, ask: Ask, ticket: Any, looked: Any, known: tuple[bytes, ...]) -> Flow:
        record = looked.record
        late = [(tag, stamp) for tag, stamp in zip(record.tags, record.stamps, strict=True) if tag not in known]
        known += tuple([tag for tag, _ in late])
        looked = looked._replace(stamps=looked.stamps + tuple([stamp for _, stamp in late]))
        return (yield from super()._prove(flight, ask, ticket, looked, known))


class SecondLookProvesFirst(Course):
    """The second look proves only the tags that the first one did not ask for."""

    def _prove(self, flight: Flight, ask: Ask, ticket: Any, looked: Any, known: tuple[bytes, ...]) -> Flow:
        first = dict(zip(known, looked.stamps, strict=True))
        inner = super()._prove(flight, ask, ticket, looked, known)
        reply: Any = None
        while True:
            try:
                step = inner.send(reply)
            except StopIteration as stop:
                return stop.value
            reply = yield step
            if isinstance(step, Look) and reply.record is not None:
                reply = reply._replace(
                    stamps=tuple([first.get(t, s) for t, s in zip(step.tags, reply.stamps, strict=True)])
                )


class KeepDropsTags(Course):
    """A value that still holds keeps only the tags that the loader named this time."""

    def _stamps(self, ask: Ask, begun: Any, loaded: Loaded, heard: bytes | None) -> Flow:
        named = loaded.named if loaded.keep else loaded.tags
        return (yield from super()._stamps(ask, begun, replace(loaded, tags=named), heard))


class ReusedCandidate(Course):
    """A command that is sent again carries the candidate it had; see `ClientOnlyStamps`."""

    def fly(self, flight: Flight, ask: Ask) -> Flow:
        candidate = b"c" + ask.key.id
        return (yield from super().fly(flight, replace(ask, candidate=lambda: candidate)))


class PutInOneStep(Course):
    """See `PutWithoutReserve`."""

    def put(self, flight: Flight, ask: Ask, loaded: Loaded) -> Flow:
        record, ttl = yield Encode(loaded)
        record.tags = ask.declared
        yield Fill(ask.key, record, b"put", b"", ttl, ask.terms)
        return Landing(loaded.value, source="load", extra=loaded)


class AloneProvesAnything(Course):
    """Without a shared store, whatever was loaded is proved."""

    def _prove_alone(self, flight: Flight, ask: Ask, loaded: Loaded, counter: int) -> None:
        super()._prove_alone(flight, ask, loaded, counter)
        flight.proved = True
