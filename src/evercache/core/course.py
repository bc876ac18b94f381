"""The course of a flight: which command follows which reply. No I/O, no clock, no randomness of its own.

`Course.fly` is a generator: it yields a command (or a local step: Load, Wait, Encode, Decode) and is sent the reply. The
engine drives it over asyncio and Redis; the simulation drives the very same generator with messages that are late,
repeated and lost. A store that gives no answer is thrown in as `StoreUnavailable`; from then on the flight has no proof.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any

from evercache.core.flight import Flight, Flights, Landing, Ticks
from evercache.core.freshness import Age
from evercache.core.patterns import matches
from evercache.core.protocol import Bans, Begin, Begun, Command, Fill, Key, Look, Looked, Release, Reserve, Tags, Terms
from evercache.core.record import Record
from evercache.core.stamps import Proof, compare
from evercache.errors import CodecError, StoreUnavailable

__all__ = ["Ask", "Course", "Decode", "Encode", "Failed", "Load", "Loaded", "Step", "Wait", "holds"]

PATIENCE = 2
"""A waiter counts completed flights of others; after this many it loads itself."""


@dataclass(slots=True)
class Load:
    """Run the loader. Reply: `Loaded` or `Failed`. With `begun`, keep generation and lock alive meanwhile."""

    begun: Begun | None
    spare: Landing | None = None


@dataclass(slots=True)
class Loaded:
    """What a loader said. *ttl* and *tags* are what it added inside; *skip* serves without storing; *keep* says that
    the stale value still holds. *seconds*: how long it took; *spare_for*: how long after its ttl the value is kept, where
    the policy doesn't say it for all. *near*: ids of tags and keys of what it has made the value of, if any of that came
    from this process's memory, which may not have heard of everything yet; *stale*: something of it was stale."""

    value: Any
    seconds: float = 0.0
    tags: tuple[bytes, ...] = ()
    ttl: Any = None  # seconds, FOREVER or None: inherit
    spare_for: float | None = None
    skip: bool = False
    keep: bool = False
    near: tuple[bytes, ...] = ()
    stale: bool = False


@dataclass(slots=True)
class Failed:
    """The loader raised. With `cache_as`, this exception is cached instead (negative caching). The others as in `Loaded`:
    an error was made of what was read, too."""

    error: BaseException
    cache_as: Loaded | None = None
    tags: tuple[bytes, ...] = ()
    near: tuple[bytes, ...] = ()
    stale: bool = False


@dataclass(slots=True)
class Wait:
    """Wait until somebody fills or releases *key*, at most *seconds*. Reply: whether it was so."""

    key: Key
    seconds: float


@dataclass(slots=True)
class Encode:
    """Reply: the record to store, but for its stamps, and its life in milliseconds (None: for ever).
    Raises CodecError if the value can't be stored."""

    loaded: Loaded


@dataclass(slots=True)
class Decode:
    """Reply: the value. Raises CodecError if the bytes can't be read."""

    record: Record


Step = Command[Any] | Load | Wait | Encode | Decode
Flow = Generator[Step, Any, Any]


@dataclass(slots=True)
class Ask:
    """What a flight is to bring, and the facts its decisions need.

    - `shared`: there is a shared store to ask; `alone`: there is none at all, this process is the whole world.
    - `declared`: tags every entry of this key must have; `remembered`: more tags it had last time (one trip saved).
    - `force`: load although an entry is there; `rotate`: and reject every load that began before;
      `patient`: wait for another process that loads the same key.
    - `age`: the age of a record now; `expired`: that of one which was expired softly, by its tags; `counter`: L1's invalidation counter; `quarantined`: whether an invalidation of
      this key or one of these tags is still on its way; `untouched`: nothing of it was invalidated since a counter;
      `heard`: the position of the log up to which this process knows everything, None if it can't tell.
    - `absent`: who asks has just looked, and nothing was there: begin at once.
    """

    key: Key
    schema: bytes
    lock: bytes
    terms: Terms
    age: Callable[[Record], Age]
    counter: Callable[[], int]
    candidate: Callable[[], bytes]
    quarantined: Callable[[Iterable[bytes]], bool]
    untouched: Callable[[int, Iterable[bytes]], bool]
    heard: Callable[[], bytes | None]
    declared: tuple[bytes, ...] = ()
    remembered: tuple[bytes, ...] = ()
    shared: bool = True
    alone: bool = False
    force: bool = False
    rotate: bool = False
    patient: bool = True
    expired: Age = Age.STALE
    absent: bool = False


@dataclass(slots=True)
class _Ticket:
    """The right to load: what Begin gave, a stale value to fall back on, and why the load is needed."""

    begun: Begun | None = None
    cause: str = "absent"
    spare: Landing | None = None
    seen: bytes | None = None


def holds(looked: Looked, asked: tuple[bytes, ...], schema: bytes) -> bool:
    """Whether a record is proved by the very stamps that were asked for. False: it takes a course to judge it."""
    record = looked.record
    return (
        record is not None
        and record.schema == schema
        and record.stamps == looked.stamps
        and record.tags == asked
        and record.namespace == looked.namespace
        and record.ban == looked.ban
    )


class Course:
    """The rules of a flight. One object per process; the simulation's mutants are subclasses with one rule broken."""

    def __init__(self, ticks: Ticks, flights: Flights) -> None:
        self.ticks = ticks
        self.flights = flights

    # -- the whole flight ----------------------------------------------------------------------------------------

    def fly(self, flight: Flight, ask: Ask) -> Generator[Step, Any, Landing]:
        ticket = _Ticket()
        if ask.shared and not ask.quarantined(ask.declared):
            try:
                found = yield from self._find(flight, ask, ticket)
            except StoreUnavailable as error:
                ticket.begun, ticket.cause, found = None, error.reason, None
            if isinstance(found, Landing):
                return found
        elif not ask.alone:
            ticket.cause = "bypass"
        landing: Landing = yield from self._load(flight, ask, ticket)
        return landing

    def peek(self, flight: Flight, ask: Ask) -> Generator[Step, Any, Landing]:
        """What the store has, fresh or stale; never loads. Without a value, the landing says why."""
        ticket = _Ticket()
        if ask.quarantined(ask.declared):
            return Landing(cause="quarantined")
        self.mark(flight, ask)
        known = ask.declared + ask.remembered
        try:
            looked = yield Look(ask.key, known)
            found: Landing | None = yield from self._judge(flight, ask, ticket, looked, known)
        except StoreUnavailable as error:
            return Landing(cause=error.reason)
        if found is None and ticket.spare is not None:
            flight.proved = True
            return ticket.spare
        return found or Landing(cause=ticket.cause)

    def mark(self, flight: Flight, ask: Ask) -> None:
        """The next command is the one that may prove the value: note when it is sent."""
        flight.proof_sent = self.ticks.next()
        flight.since = ask.counter()

    # -- look and begin ------------------------------------------------------------------------------------------

    def _find(self, flight: Flight, ask: Ask, ticket: _Ticket) -> Flow:
        """A landing found in the store, or None with the ticket filled in."""
        if not ask.force and not ask.absent:
            self.mark(flight, ask)
            known = ask.declared + ask.remembered
            looked = yield Look(ask.key, known)
            found = yield from self._judge(flight, ask, ticket, looked, known)
            if found is not None:
                return found
        completed = 0
        while True:
            self.mark(flight, ask)
            force = ask.force or completed >= PATIENCE
            begun: Begun = yield Begin(
                ask.key, ask.declared, ask.candidate(), ask.lock, ask.terms, ticket.seen, force, ask.rotate
            )
            if begun.record is not None:
                found = yield from self._judge(flight, ask, ticket, begun, ask.declared)
                if found is not None:
                    return found
                continue
            if begun.holder or force:
                ticket.begun = begun
                return None
            if not ask.patient:
                return Landing(cause="held elsewhere")
            completed += bool((yield Wait(ask.key, begun.wait)))

    def _judge(self, flight: Flight, ask: Ask, ticket: _Ticket, looked: Any, known: tuple[bytes, ...]) -> Flow:
        """The landing that a stored record gives, or None; a record that is no good is remembered as seen."""
        found: Record | None = looked.record
        if found is None:
            if looked.corrupt:
                ticket.cause = "corrupt"
            return None
        ticket.seen = found.fill
        proved: tuple[Proof, Record] | None = yield from self._prove(flight, ask, ticket, looked, known)
        if proved is None:
            return None
        proof, record = proved
        ticket.seen = record.fill
        age = ask.age(record)
        if proof is Proof.EXPIRED and age in (Age.FRESH, Age.EARLY):
            age = ask.expired
        if age is Age.DEAD:
            ticket.cause = "expired"
            return None
        try:
            value = yield Decode(record)
        except CodecError:
            ticket.cause = "corrupt"
            return None
        landing = Landing(value, source="l2", stale=age in (Age.STALE, Age.SPARE), record=record)
        if age is Age.SPARE:
            landing.cause = ticket.cause = "expired"
            ticket.spare = flight.spare = landing
            return None
        landing.refresh = age is not Age.FRESH
        flight.proved = True
        return landing

    def _prove(self, flight: Flight, ask: Ask, ticket: _Ticket, looked: Any, known: tuple[bytes, ...]) -> Flow:
        """`(Proof, record)` of a record whose stamps hold, or None with the cause in the ticket."""
        for _ in range(3):
            record: Record | None = looked.record
            cause = self._objection(ask, record, looked)
            if record is None or cause:
                ticket.cause = cause or "absent"
                return None
            stamps = dict(zip(known, looked.stamps, strict=True))
            if any(tag not in stamps for tag in record.tags):
                # Tags that were not asked for: this second look is the proof, for all of them at once.
                self.mark(flight, ask)
                known = record.tags
                looked = yield Look(ask.key, known)
                continue
            return (yield from self._weigh(ask, ticket, record, stamps, looked.ban))
        ticket.cause = "changing"
        return None

    def _objection(self, ask: Ask, record: Record | None, looked: Any) -> str:
        """Why a record is no good whatever its tags say, or nothing."""
        if record is None:
            return "absent"
        if record.schema != ask.schema:
            return "schema changed"
        if record.namespace != looked.namespace:
            return "namespace invalidated"
        if not set(ask.declared).issubset(record.tags):
            return "tags changed"
        if ask.quarantined(record.tags):
            return "quarantined"
        return ""

    def _weigh(self, ask: Ask, ticket: _Ticket, record: Record, stamps: dict[bytes, Any], ban: Any) -> Flow:
        """Tag stamps and bans against what is current."""
        verdict = Proof.VALID
        for tag, stamp in zip(record.tags, record.stamps, strict=True):
            proof = self.compare(stamp, stamps[tag])
            if proof is Proof.INVALID:
                ticket.cause = "tag " + tag.decode("ascii", "replace")
                return None
            if proof is Proof.EXPIRED:
                verdict = proof
        if record.ban != ban:
            patterns = (yield Bans(record.ban, ban)) if ban is not None else None
            if patterns is None or any(matches(pattern, ask.key.text) for pattern in patterns):
                ticket.cause = "banned"
                return None
        return verdict, record

    def compare(self, stored: bytes, current: bytes | None) -> Proof:
        return compare(stored, current)

    # -- load and fill -------------------------------------------------------------------------------------------

    def _load(self, flight: Flight, ask: Ask, ticket: _Ticket) -> Generator[Step, Any, Landing]:
        flight.proof_sent = None
        flight.load_began = self.ticks.next()
        counter, heard = ask.counter(), ask.heard()
        spare = ticket.spare or flight.spare
        loaded: Loaded | Failed = yield Load(ticket.begun, spare)
        # Who comes from here on may only use the value if the fill is accepted after it came: let them fly themselves.
        self.flights.close(flight)
        begun = ticket.begun
        if isinstance(loaded, Failed):
            if loaded.cache_as is None:
                yield from self._release(ask, begun)
                return Landing(error=loaded.error, source="load", cause=ticket.cause, extra=loaded)
            loaded = loaded.cache_as
        if loaded.keep and spare is not None:
            loaded.value = spare.value
            # The loader has not seen the value again, so it can't repeat the tags that came from it.
            loaded.tags = tuple(
                sorted({*loaded.tags, *(spare.record.tags if spare.record is not None else spare.tags)})
            )
        landing = Landing(loaded.value, source="load", cause=ticket.cause, extra=loaded)
        if loaded.skip:
            yield from self._release(ask, begun)
        elif ask.alone:
            self._prove_alone(flight, ask, loaded, counter)
        elif begun is not None:
            yield from self._store(flight, ask, begun, loaded, landing, heard)
        return landing

    def _prove_alone(self, flight: Flight, ask: Ask, loaded: Loaded, counter: int) -> None:
        """No shared store: the process's own invalidations since the load began are all there are."""
        flight.proof_sent = self.ticks.next()
        flight.since = counter
        flight.proved = not flight.doomed and ask.untouched(counter, ask.declared + loaded.tags)

    def _store(
        self, flight: Flight, ask: Ask, begun: Begun, loaded: Loaded, landing: Landing, heard: bytes | None
    ) -> Flow:
        """Encode, learn the stamps of late tags, fill. Whatever fails here costs the entry, never the answer."""
        if begun.generation is None:
            yield from self._release(ask, begun)
            return
        try:
            stamped = yield from self._stamps(ask, begun, loaded, heard)
            if stamped is None:
                landing.rejected = True
                yield from self._release(ask, begun)
                return
            record, ttl = yield Encode(loaded)
            self._stamp(record, begun, *stamped)
            self.mark(flight, ask)
            accepted = yield Fill(ask.key, record, begun.generation, ask.lock, ttl, ask.terms)
        except CodecError:
            yield from self._release(ask, begun)
            return
        except StoreUnavailable:
            return
        landing.rejected = not accepted
        flight.proved = bool(accepted)
        if accepted:
            landing.record = record

    def _stamps(self, ask: Ask, begun: Begun, loaded: Loaded, heard: bytes | None) -> Flow:
        """All tags of the entry with the stamps they had before the load, or None if a late one was invalidated.

        A value that the load has read from this process's memory may be older than Begin: by an invalidation that had
        passed the store, and had not been heard of. It was true at the position that was *heard* before the load, or
        later; so that is where the question begins, and it is asked for the declared tags and for keys too.
        """
        late = tuple(sorted(set(loaded.tags).difference(ask.declared)))
        near = loaded.near
        if not late and not near:
            return ask.declared, begun.stamps
        anchor = self.anchor(begun, heard) if near else begun.anchor
        if anchor is None or ask.quarantined(late):
            return None
        stamps = yield Tags(anchor, late, ask.candidate(), ask.terms, tuple([id for id in near if id not in late]))
        return None if stamps is None else (ask.declared + late, begun.stamps + stamps)

    def anchor(self, begun: Begun, heard: bytes | None) -> bytes | None:
        return heard

    @staticmethod
    def _stamp(record: Record, begun: Begun, tags: tuple[bytes, ...], stamps: tuple[bytes, ...]) -> None:
        if begun.namespace is None or begun.ban is None:  # Begin always creates both
            raise StoreUnavailable("the store began a load without a namespace stamp", reason="protocol")
        record.namespace, record.ban = begun.namespace, begun.ban
        record.tags, record.stamps = tags, stamps

    def _release(self, ask: Ask, begun: Begun | None) -> Flow:
        if begun is not None and begun.holder:
            try:
                yield Release(ask.key, ask.lock)
            except StoreUnavailable:
                return  # the lock dies by itself

    # -- put -----------------------------------------------------------------------------------------------------

    def put(self, flight: Flight, ask: Ask, loaded: Loaded) -> Generator[Step, Any, Landing]:
        """Store a given value. Reserve invalidates first, so a put that is lost half-way leaves a miss, not the old
        value; and the fill presents a generation, so a put that arrives late can't outlive an invalidation.

        StoreUnavailable from Reserve is the caller's: it means that the invalidation is not confirmed.
        """
        landing = Landing(loaded.value, source="load", extra=loaded)
        record, ttl = yield Encode(loaded)
        all_tags = tuple(sorted({*ask.declared, *loaded.tags}))
        begun: Begun = yield Reserve(ask.key, all_tags, ask.candidate(), ask.terms)
        if begun.generation is None:
            return landing
        self._stamp(record, begun, all_tags, tuple(stamp or b"" for stamp in begun.stamps))
        self.mark(flight, ask)
        try:
            accepted = yield Fill(ask.key, record, begun.generation, b"", ttl, ask.terms)
        except StoreUnavailable:
            return landing
        landing.rejected = not accepted
        flight.proved = bool(accepted)
        landing.record = record if accepted else None
        return landing
