"""One rule broken at a time. A law that no mutant breaks is not tested; a rule that no mutant needs is not needed.

Each mutant is the smallest override of one part, in a mix of what happens that brings it to light soon: the laws may take
`WITHIN` schedules to notice, and take between 2 and some 2,000.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from evercache.core.course import Ask, Course, Encode, Flow, Loaded
from evercache.core.flight import Flight, Flights, Landing
from evercache.core.journal import Journal
from evercache.core.l1 import L1
from evercache.core.lease import Heard, LogReader
from evercache.core.protocol import Bans, Distrust, ExpireKey, ExpireTag, Fill, InvalidateKey, Look, Reserve, Tags
from evercache.core.record import Record
from evercache.core.stamps import Proof, compare
from evercache.stores.memory import Partition
from tests.simulation.process import Process
from tests.simulation.scheduler import Connection
from tests.simulation.world import MIXES, Kit, Mix

__all__ = ["MUTANTS", "WITHIN", "Mutant"]

PLAIN, WITH_L1, LATE_TAGS, FAILOVER, PUT, L1_PUT, JOURNAL, L1_LATE_TAGS, ALONE, SHORT_LIVES, EVERYTHING = MIXES
BROKEN_LINKS = replace(WITH_L1, faults=0.04, lag=0.3)


WITHIN = 60_000


@dataclass(frozen=True)
class Mutant:
    """A kit with one rule broken, and the mix in which that shows."""

    rule: str
    kit: Kit
    mix: Mix


# -- the store -------------------------------------------------------------------------------------------------------


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
            self.log.insert(0, (int(command.anchor), _NOTHING))
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


class PutInOneStep(Course):
    """See `PutWithoutReserve`."""

    def put(self, flight: Flight, ask: Ask, loaded: Loaded) -> Flow:
        record, ttl = yield Encode(loaded)
        record.tags = ask.declared
        yield Fill(ask.key, record, b"put", b"", ttl, ask.terms)
        return Landing(loaded.value, source="load", extra=loaded)


class PutSharesGeneration(Partition):
    """A put doesn't take the generation away from loads that run."""

    def reserve(self, command: Reserve) -> Any:
        generation = self.data.get(("g", command.key.id))
        begun = super().reserve(command)
        if generation is None:
            return begun
        self.data["g", command.key.id] = generation
        return begun._replace(generation=generation[0])


# -- reading -----------------------------------------------------------------------------------------------------------


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

    def _weigh(self, ask: Ask, ticket: Any, record: Record, stamps: dict[bytes, Any], ban: Any) -> Flow:
        return (yield from super()._weigh(ask, ticket, record, stamps, ban))

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

    def _stamps(self, ask: Ask, begun: Any, loaded: Loaded) -> Flow:
        named = loaded.named if loaded.keep else loaded.tags
        return (yield from super()._stamps(ask, begun, replace(loaded, tags=named)))


class ReusedCandidate(Course):
    """A command that is sent again carries the candidate it had; see `ClientOnlyStamps`."""

    def fly(self, flight: Flight, ask: Ask) -> Flow:
        candidate = b"c" + ask.key.id
        return (yield from super().fly(flight, replace(ask, candidate=lambda: candidate)))


# -- flights -----------------------------------------------------------------------------------------------------------


class JoinAnyTime(Flight):
    """A proved value is for everybody who waits."""

    def serves(self, arrival: int) -> bool:
        return self.proved or super().serves(arrival)


class RejectedServesLater(Flight):
    """A value whose fill was refused is for everybody who came before the fill was sent."""

    def serves(self, arrival: int) -> bool:
        return super().serves(arrival) or (self.proof_sent is not None and arrival < self.proof_sent)


class JoinersIgnoreRejection(Flight):
    """Whoever joined a load gets its value."""

    def serves(self, arrival: int) -> bool:
        return super().serves(arrival) or self.load_began is not None


class JoinAfterValidate(Flights):
    """A hit is for everybody who came before its *reply*."""

    def land(self, flight: Flight, landing: Landing) -> None:
        if landing.source == "l2":
            flight.proof_sent = 1 << 60
        super().land(flight, landing)


class JoinAfterFill(Flights):
    """A load may be joined until its fill is *answered*."""

    def close(self, flight: Flight) -> None:
        if flight.landing is not None or flight.doomed:
            super().close(flight)

    def land(self, flight: Flight, landing: Landing) -> None:
        if landing.source == "load":
            flight.proof_sent = 1 << 60
        super().land(flight, landing)


class LoadBeganAtBegin(Course):
    """The load is said to begin when it ends."""

    def _store(self, flight: Flight, ask: Ask, begun: Any, loaded: Any, landing: Landing) -> Flow:
        flight.load_began = self.ticks.next()
        yield from super()._store(flight, ask, begun, loaded, landing)


# -- L1 ------------------------------------------------------------------------------------------------------------------


class LeaseFromReply(LogReader):
    """The lease counts from the moment the answer arrived."""

    def _until(self, sent: float, received: float) -> float:
        return received + self.delta


class NoAnchor(LogReader):
    """A log that answers "nothing new" has nothing new."""

    def heard(self, sent: float, received: float, *, anchored: bool, records: Any) -> Heard:
        return super().heard(sent, received, anchored=True, records=records)


class ReopenedWithoutFlush(LogReader):
    """A log that is opened anew leaves L1 as it is."""

    def opened(self, position: bytes, sent: float) -> Heard:
        return replace(super().opened(position, sent), flush=False)


class InsertTouched(L1):
    """L1 takes what it is given."""

    def untouched(self, *_: Any, **__: Any) -> bool:
        return True


class CheckUnread(L1):
    """An entry in L1 is good until its time is up."""

    def _is_gone(self, entry: Any) -> bool:
        return False


class FlushSparesFlights(L1):
    """What was asked before a flush may go in after it."""

    def insert(self, entry: Any, *, since: int, **rest: Any) -> bool:
        return super().insert(entry, since=max(since, entry.lease.floor), **rest)


class AnchorFirst(Process):
    """The log is asked whether it still reaches back before its records are read, not after."""

    def ask_log(self, server: Any, position: bytes) -> tuple[bool, Any]:
        anchored = server.read_log(position)[0]
        self.world.between()
        return anchored, server.read_log(position)[1]


class LeaseUnread(Process):
    """L1 answers whatever the log says."""

    def hit(self, key: bytes, now: float) -> Any:
        self.lease.until = max(self.lease.until, now + 1)
        return super().hit(key, now)


# -- writing -------------------------------------------------------------------------------------------------------------


class SettlesNewer(Journal):
    """Settling an operation settles everything of that name."""

    def settle(self, partition: int, operations: Any) -> None:
        entries = self._entries.get(partition, {})
        newer = [operation for operation, _ in entries.values()]
        super().settle(partition, newer if operations else ())


class ExpiryReplacesInvalidation(Journal):
    """The last call of a name is the one that is owed, be it softer."""

    def note(self, partition: int, command: Any, distrust: Callable[[], Any]) -> None:
        if isinstance(command, ExpireKey | ExpireTag):
            entries = self._entries.get(partition, {})
            name = ("k", command.id) if isinstance(command, ExpireKey) else ("t", command.tag)
            entries.pop(name, None)
        super().note(partition, command, distrust)


class FullJournalForgets(Journal):
    """A journal that is full lets the oldest go."""

    def note(self, partition: int, command: Any, distrust: Callable[[], Any]) -> None:
        entries = self._entries.setdefault(partition, {})
        if len(entries) >= self.limit:
            entries.clear()
        super().note(partition, command, distrust)


class NoQuarantine(Journal):
    """What is owed doesn't stop this process from reading."""

    def quarantines(self, *_: Any) -> bool:
        return False


class NotDoomedAfter(Process):
    """An invalidation dooms flights before it is sent, and not again after its reply."""

    def doom_after(self, command: Any) -> None:
        pass


class PutNotDoomedAfter(Process):
    """A put dooms flights before it is sent, and not again after its reply."""

    def put_after(self, key: Any, call: Any, flight: Flight, landing: Landing | None) -> None:
        if landing is not None:
            self.insert(key, flight, landing)


class SettledQuietly(Process):
    """What the journal settles is not doomed once more."""

    def doom_settled(self, command: Any) -> None:
        pass


class NeverDoomed(Process):
    """An invalidation leaves this process's own flights and L1 to the log."""

    def doom(self, command: Any) -> None:
        pass


class EpochAtConnectOnly(Process):
    """A server that this process has met before is taken for what it was."""

    def must_adopt(self, connection: Connection) -> bool:
        return connection.node not in self.met and super().must_adopt(connection)


class KnownByProcess(Process):
    """A server is known by its process (`by_process`): one that became a replica and a primary again is the same."""


_NOTHING = type("Nothing", (), {"kind": "o", "name": b""})()


def _mutants() -> Iterator[tuple[str, type, Mix, Kit]]:
    """Which part each mutant replaces, the mix in which it shows, and what else it needs."""
    own = Kit()
    tagged = replace(PLAIN, slow=0.6)
    crowded = replace(PLAIN, lag=0.25, reads=8, writes=8)
    for broken in (
        NaiveSet,
        LockTokenOnly,
        Tombstone,
        FillSkipsNamespace,
        FillSkipsBans,
        KeepsGeneration,
        LostBansAreNone,
    ):
        yield "partition", broken, PLAIN, own
    yield "partition", FillSkipsTags, tagged, own
    yield "partition", ClientOnlyStamps, replace(PLAIN, repeat=0.15, faults=0.05), own
    for broken in (ExpiryKeepsGeneration, ExpiryOfTagMissesFills, PutSharesGeneration):
        yield "partition", broken, PUT, own
    yield "partition", TagsWithoutLog, LATE_TAGS, own
    yield "partition", TagsWithoutAnchor, replace(LATE_TAGS, slow=0.6, writes=6, log_length=1), own
    yield "partition", PutWithoutReserve, PUT, Kit(course=PutInOneStep)

    for broken in (NoTagCheck, MissingTagIsValid, BansUnread, LoadBeganAtBegin):
        yield "course", broken, PLAIN, own
    yield "course", NamespaceUnread, PLAIN, Kit(partition=DistrustKeepsBans)
    yield "course", ReusedCandidate, PLAIN, Kit(partition=ClientOnlyStamps)
    yield "course", SoftTagIsFresh, PUT, own
    yield "course", KeepDropsTags, SHORT_LIVES, own
    yield "course", UnaskedTagsAreValid, LATE_TAGS, own
    yield "course", SecondLookProvesFirst, replace(LATE_TAGS, lag=0.3, reads=10, writes=10), own

    for broken in (JoinAnyTime, RejectedServesLater, JoinersIgnoreRejection):
        yield "flight", broken, crowded, own
    for broken in (JoinAfterValidate, JoinAfterFill):
        yield "flights", broken, crowded, own

    yield "reader", LeaseFromReply, replace(WITH_L1, lag=0.3), own
    for broken in (NoAnchor, ReopenedWithoutFlush):
        yield "reader", broken, BROKEN_LINKS, own
    yield "process", AnchorFirst, replace(WITH_L1, lag=0.3, between=0.4, poll=0.9), own
    yield "process", LeaseUnread, WITH_L1, own
    yield "l1", CheckUnread, WITH_L1, own
    yield "l1", InsertTouched, replace(L1_LATE_TAGS, lag=0.3), own
    yield "l1", FlushSparesFlights, BROKEN_LINKS, own

    refused = replace(JOURNAL, refusal=0.7, expire=0.5)
    for broken in (SettlesNewer, NoQuarantine):
        yield "journal", broken, JOURNAL, own
    for broken in (FullJournalForgets, ExpiryReplacesInvalidation):
        yield "journal", broken, refused, own
    for broken in (NotDoomedAfter, NeverDoomed):
        yield "process", broken, WITH_L1, own
    yield "process", PutNotDoomedAfter, replace(L1_PUT, poll=0.9, lag=0.25), own
    yield "process", SettledQuietly, replace(JOURNAL, l1=True, late_tags=True, reads=8, lag=0.2, poll=0.9), own
    for broken in (EpochAtConnectOnly, KnownByProcess):
        identify = by_process if broken is KnownByProcess else own.identify
        yield "process", broken, replace(FAILOVER, faults=0.05), Kit(identify=identify)


def by_process(incarnation: int, node: int) -> bytes:
    return b"r%d" % node


MUTANTS = {
    broken.__name__: Mutant((broken.__doc__ or "").strip(), replace(kit, **{part: broken}), mix)
    for part, broken, mix, kit in _mutants()
}
