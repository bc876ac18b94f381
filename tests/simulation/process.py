"""One process of a simulated world: what an engine does around the core, over virtual time instead of asyncio.

Readers, flights, invalidations, the replay of the journal and the follower of the log are generators for
`scheduler.Scheduler`. Everything that decides (Course, Flights, L1, LogReader, Journal) is the library's own.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import suppress
from typing import Any

from evercache.core.course import Ask, Decode, Encode, Failed, Load, Loaded
from evercache.core.entry import Entry, Lease
from evercache.core.flight import Flight, Landing, Ticks
from evercache.core.protocol import (
    Ban,
    Command,
    Distrust,
    ExpireKey,
    ExpireTag,
    InvalidateKey,
    InvalidateTag,
    Key,
    LogRecord,
    Renew,
)
from evercache.core.record import Record
from evercache.errors import CodecError, StoreUnavailable
from tests.simulation.history import Invalidation, Value, Violation
from tests.simulation.scheduler import Connection, OpenLog, ReadLog

__all__ = ["Process"]

SCHEMA = b"\0" * 8
Flow = Generator[Any, Any, Any]


class Process:
    """Two of them share a server in most worlds."""

    def __init__(self, world: Any, name: str) -> None:
        kit = world.kit
        self.world = world
        self.name = name
        self.dead = False
        self.paused = 0
        self.cut = 0
        self.tasks: list[Any] = []
        self.connection: Connection | None = None
        self.met: set[int] = set()
        self.declared: dict[bytes, tuple[bytes, ...]] = world.declared
        self.remembered: dict[bytes, tuple[bytes, ...]] = {}
        self.ticks = Ticks()
        self.flights = kit.flights()
        self.course = kit.course(self.ticks, self.flights)
        self.journal = kit.journal(world.journal_limit)
        self.pending: list[Invalidation] = []
        self.replaying = False
        self.recent: list[Command[Any]] = []
        self.l1 = kit.l1(max_items=world.l1_items, max_weight=None)
        self.l1.shared = not world.alone
        self.lease = Lease(float("inf" if world.alone else "-inf"))
        self.l1.leases = (self.lease,)
        self.table: dict[Any, Entry] = {}
        self.l1.register(self.table, lambda id: world.texts[id])
        self.reader = kit.reader(world.delta / 1000)

    # -- the link ------------------------------------------------------------------------------------------------

    def connect(self) -> Connection:
        """The connection that the next command takes."""
        if self.connection is None:
            self.connection = Connection(self.world.server, self.world.node)
        return self.connection

    def ask_log(self, server: Any, position: bytes) -> tuple[bool, Any]:
        """The records behind *position*, and only then whether it is still there: something may happen in between."""
        records = server.read_log(position)[1]
        self.world.between()
        return server.read_log(position)[0], records

    def must_adopt(self, connection: Connection) -> bool:
        """Whether the server's identity has to be checked before the next command."""
        return not connection.adopted

    # -- reads ---------------------------------------------------------------------------------------------------

    def read(self, key: Key) -> Flow:
        """One call of a cached function, judged."""
        world = self.world
        start, start_ms = world.tick, world.now
        world.history.reads += 1
        if world.with_l1 and (entry := self.hit(key.id, start_ms / 1000)) is not None:
            world.history.hits += 1
            if world.trace is not None:
                world.trace.append(f"{world.tick:5} {world.now:6} ms  {self.name} hits L1: {entry.value}")
            world.history.judge(start, start_ms, self, key.id, entry.value, l1=True, stale=False)
            return
        arrival = self.ticks.next()
        strangers = 0
        while True:
            flight = self.flights.board(key.id)
            own = flight is None
            if flight is None:
                flight = self.take_off(key)
            yield flight
            if flight.serves(arrival):
                break
            if own:
                raise Violation(f"Rounds: {self.name} may not use what its own flight brought: {flight}")
            strangers += flight.landing.source != "none"
            if strangers > 1:
                raise Violation(f"Rounds: {self.name} has boarded {strangers} flights in vain")
        self.judge(start, start_ms, key.id, flight)

    def hit(self, key: bytes, now: float) -> Entry | None:
        """The entry of L1 that may answer now."""
        entry = self.table.get(key)
        if entry is None or now >= entry.until or now >= self.lease.until or not self.l1.check(entry, now):
            return None
        return entry if now < entry.until else None

    def judge(self, start: int, start_ms: int, key: bytes, flight: Flight) -> None:
        landing = flight.landing
        assert landing is not None
        value, stale = landing.value, landing.stale
        if landing.error is not None:
            return  # a spare may answer instead; it is marked as stale and promises nothing
        extra = landing.extra
        if extra is not None and extra.keep:  # the loader has looked anew and said that the old value still holds
            value = Value(value.key, extra.began, tuple({*value.tags, *extra.tags}))
        self.world.history.judge(start, start_ms, self, key, value, l1=False, stale=stale)

    def take_off(self, key: Key, *, joinable: bool = True, behind: bool = False, force: bool = False) -> Flight:
        """A new flight for *key*, on its way. *behind*: a reload behind a stale answer; it waits for nobody."""
        declared, remembered = self.declared[key.id], self.remembered.get(key.id, ())
        flight = self.world.kit.flight(key.id, declared + remembered, key)
        if joinable:
            self.flights.depart(flight)
        else:
            self.flights.airborne.add(flight)
        ask = self.ask(key, declared, remembered, behind=behind, force=force)
        self.world.spawn(self.fly(key, flight, self.course.fly(flight, ask)), self, f"flight {key!r}")
        return flight

    def ask(
        self,
        key: Key,
        declared: tuple[bytes, ...],
        remembered: tuple[bytes, ...] = (),
        *,
        behind: bool = False,
        force: bool = False,
    ) -> Ask:
        world, l1 = self.world, self.l1
        return Ask(
            key=key,
            schema=SCHEMA,
            lock=world.unique(b"L"),
            terms=world.terms,
            age=world.worn_age if behind else world.age,
            counter=lambda: l1.counter,
            candidate=world.candidate,
            quarantined=lambda tags: self.quarantined(key, tags),
            untouched=lambda since, tags: l1.untouched(since, key.id, tags, lambda: key.text),
            declared=declared,
            remembered=remembered,
            shared=not world.alone,
            alone=world.alone,
            force=force,
            rotate=force,
            patient=not behind,
        )

    def quarantined(self, key: Key, tags: Iterable[bytes]) -> bool:
        return self.journal.quarantines(0, key.id, tags, lambda: key.text)

    def fly(self, key: Key, flight: Flight, course: Flow) -> Flow:
        """The flight's own task: nobody who waits for it can end it."""
        landing: Landing = yield from self.drive(key, flight, course)
        self.flights.land(flight, landing)
        if landing.record is not None:
            self.remember(key, landing.record)
        if self.world.with_l1:
            self.insert(key, flight, landing)
        self.world.landed(flight)
        if landing.refresh and self.world.dice() < 0.5:
            self.take_off(key, joinable=False, behind=True)

    def remember(self, key: Key, record: Record) -> None:
        late = tuple([tag for tag in record.tags if tag not in self.declared[key.id]])
        if late and self.world.dice() < 0.7:
            self.remembered[key.id] = late

    def insert(self, key: Key, flight: Flight, landing: Landing) -> bool:
        """What was proved goes into L1, unless it was touched in the meantime."""
        if not flight.proved or flight.doomed or landing.stale:
            return False
        record = landing.record or self.encode(key, landing.extra)[0]
        value = record.payload
        until = record.fresh_until / 1000 if record.fresh_until else float("inf")
        entry = Entry(self.table, key.id, value, fresh_until=until, dead_at=until, weight=1, lease=self.lease)
        return self.l1.insert(entry, since=flight.since, id=key.id, tags=value.tags, text=lambda: key.text)

    # -- the steps of a flight -----------------------------------------------------------------------------------

    def drive(self, key: Key, flight: Flight, course: Flow, given: Loaded | None = None) -> Flow:
        """Answer the local steps of a course, pass its commands on.

        A *given* value counts as loaded when the store hears of it first: who puts is a writer, and writers are ordered
        by the store.
        """
        world = self.world
        reply: Any = None
        error: Exception | None = None
        for _ in range(100):
            try:
                step = course.throw(error) if error is not None else course.send(reply)
            except StopIteration as stop:
                return stop.value
            reply = error = None
            try:
                match step:
                    case Load():
                        reply = yield from self.load(key, step)
                    case Encode():
                        reply = self.encode(key, step.loaded)
                    case Decode():
                        reply = self.decode(step.record)
                    case _:
                        reply = yield step
                        if given is not None:
                            given.value.began, given = world.current.executed, None
            except (StoreUnavailable, CodecError) as failure:
                error = failure
        raise Violation(f"Rounds: the flight {flight} goes on for ever")

    def load(self, key: Key, step: Load) -> Flow:
        """A loader: looks at the truth at one moment, and takes its time before and after."""
        world, dice = self.world, self.world.dice
        began = world.tick
        yield None
        while dice() < 0.35:
            yield None
        if dice() < world.mix.slow:
            yield int(dice() * 3 * world.terms.lease)  # longer than a lease, now and then
        if step.begun is not None and step.begun.generation is not None and dice() < 0.15:
            with suppress(StoreUnavailable):
                yield Renew(key, step.begun.generation, b"?", world.terms)
        chance = dice()
        if chance < 0.02:
            return Failed(LookupError("no such row"))
        loaded = world.loaded(key, began)
        loaded.skip = chance > 0.98
        loaded.keep = step.spare is not None and dice() < world.mix.keep
        if loaded.keep and dice() < 0.7:
            loaded.tags = loaded.named = ()
        return loaded

    def encode(self, key: Key, loaded: Loaded) -> tuple[Record, int | None]:
        world = self.world
        if world.dice() < 0.01 and not world.alone:
            raise CodecError("cannot be encoded")
        ttl = world.ttl
        value = loaded.value
        if loaded.keep:
            value = Value(key.id, loaded.began, tuple(sorted({*self.declared[key.id], *loaded.tags})))
        if ttl is None:
            return Record(world.unique(b"f"), b"", b"", born=world.now, payload=value), None
        value.fresh_until = world.now + ttl
        record = Record(world.unique(b"f"), b"", b"", born=world.now, fresh_until=value.fresh_until, payload=value)
        return record, ttl + max(world.stale_for, world.fail_safe)

    def decode(self, record: Record) -> Value:
        if self.world.dice() < 0.005:
            raise CodecError("cannot be read")
        return record.payload

    def peek(self, key: Key) -> Flow:
        """What is cached, or nothing; judged."""
        world = self.world
        start, start_ms = world.tick, world.now
        declared, remembered = self.declared[key.id], self.remembered.get(key.id, ())
        flight = world.kit.flight(key.id, declared + remembered, key)
        landing = yield from self.drive(key, flight, self.course.peek(flight, self.ask(key, declared, remembered)))
        if landing.source != "none":
            world.history.judge(start, start_ms, self, key.id, landing.value, l1=False, stale=landing.stale)

    # -- writes --------------------------------------------------------------------------------------------------

    def refresh(self, key: Key) -> Flow:
        """A load on demand; every load that began before is rejected."""
        start, start_ms = self.world.tick, self.world.now
        call = self.call(InvalidateKey(key.id))
        call.name, call.l2 = "Refresh", True
        flight = self.take_off(key, joinable=False, force=True)
        yield flight
        self.judge(start, start_ms, key.id, flight)
        if flight.proved:
            call.confirmed, call.confirmed_at = self.world.tick, self.world.now

    def put(self, key: Key) -> Flow:
        """A given value takes the place of every older one."""
        world = self.world
        call = self.call(InvalidateKey(key.id))
        value = world.loaded(key, call.called)
        flight = world.kit.flight(key.id, self.declared[key.id], key)
        course = self.course.put(flight, self.ask(key, self.declared[key.id]), value)
        self.doom(call.command)
        landing = None
        try:
            landing = yield from self.drive(key, flight, course, given=value)
        except CodecError:
            world.history.invalidations.remove(call)
            return
        except StoreUnavailable:
            self.owe(call)
        else:
            self.confirm(call)
        self.put_after(key, call, flight, landing)
        call.returned = world.tick

    def put_after(self, key: Key, call: Invalidation, flight: Flight, landing: Landing | None) -> None:
        """Doom the flights that looked before; the given value goes into L1, or at least the old one out of it."""
        self.flights.doom(record_of(call.command))
        if landing is None or not self.world.with_l1 or not self.insert(key, flight, landing):
            self.l1.apply(record_of(call.command))

    def call(self, command: Command[Any]) -> Invalidation:
        call = self.world.describe(self, command)
        self.world.history.invalidations.append(call)
        return call

    def invalidate(self, command: Command[Any]) -> Flow:
        """Doom, send, and doom again: a flight may have been answered in between."""
        call = self.call(command)
        self.doom(command)
        try:
            if self.world.dice() < self.world.mix.refusal:
                raise StoreUnavailable("not trusted", reason="refused")
            yield None if self.world.alone else command
        except StoreUnavailable:
            self.owe(call)
        else:
            self.confirm(call)
        self.returned(call)

    def confirm(self, call: Invalidation) -> None:
        call.confirmed, call.confirmed_at = self.world.tick, self.world.now
        self.recent = [*self.recent[-5:], call.command]
        if self.world.trace is not None:
            self.world.trace.append(f"{self.world.tick:5} {self.world.now:6} ms  confirmed: {call}")

    def owe(self, call: Invalidation) -> None:
        """Keep it in the journal, and see to it that the journal gets empty."""
        world = self.world
        self.journal.note(0, call.command, lambda: Distrust(world.candidate(), world.terms))
        self.pending.append(call)
        if not self.replaying:
            self.replaying = True
            world.spawn(self.replay(), self, "replay")

    def returned(self, call: Invalidation) -> None:
        self.doom_after(call.command)
        call.returned = self.world.tick

    def doom_after(self, command: Command[Any]) -> None:
        self.doom(command)

    def doom_settled(self, command: Command[Any]) -> None:
        """As `doom_after`, when the journal's repetition was answered."""
        self.doom(command)

    def doom(self, command: Command[Any]) -> None:
        """Nobody boards the flights that *command* concerns, and L1 forgets what it names."""
        record = record_of(command)
        self.flights.doom(record)
        self.l1.apply(record)

    def replay(self) -> Flow:
        """Repeat what is owed until nothing is."""
        while owed := self.journal.owed(0, 2):
            if self.world.dice() < self.world.mix.refusal:
                yield 20
            done: list[int] = []
            for operation, command in owed:
                try:
                    yield command
                except StoreUnavailable:
                    yield 20
                    break
                done.append(operation)
                self.doom_settled(command)
            self.journal.settle(0, done)
            self.settle()
        self.replaying = False

    def settle(self) -> None:
        """What the journal no longer owes is confirmed."""
        owed = {name_of(command) for _, command in self.journal.owed(0, 100)}
        if ("n", b"") in owed:
            return
        for call in [call for call in self.pending if name_of(call.command) not in owed]:
            self.pending.remove(call)
            self.confirm(call)

    def repeat_recent(self) -> Flow:
        """The weaker answer to a failover: every issuer repeats what it had confirmed lately."""
        for command in self.recent:
            try:
                yield command
            except StoreUnavailable:
                return

    # -- the log -------------------------------------------------------------------------------------------------

    def follow(self) -> Flow:
        """The reader of the log: as long as the process lives."""
        world = self.world
        opened: Connection | None = None
        while True:
            sent = world.now / 1000
            connection = self.connect()
            if connection is not opened:
                self.reader.lost()
            try:
                if self.reader.position is None:
                    position = yield OpenLog()
                    opened = connection
                    heard = self.reader.opened(position, sent)
                else:
                    anchored, records = yield ReadLog(self.reader.position)
                    heard = self.reader.heard(sent, world.now / 1000, anchored=anchored, records=records)
            except StoreUnavailable:
                self.reader.lost()
                yield 2
                continue
            if heard.flush:
                self.l1.flush(self.lease)
            for record in heard.records:
                self.flights.doom(record)
                self.l1.apply(record)
            self.lease.until = heard.until
            yield 1 + int(world.dice() * world.delta * world.mix.poll)


def record_of(command: Command[Any]) -> LogRecord:
    """The record that *command* will leave in the log."""
    match command:
        case InvalidateKey():
            return LogRecord("k", command.id)
        case ExpireKey():
            return LogRecord("x", command.id)
        case InvalidateTag():
            return LogRecord("t", command.tag)
        case ExpireTag():
            return LogRecord("y", command.tag)
        case Ban():
            return LogRecord("b", command.pattern.encode("utf-8", "surrogatepass"))
        case _:
            return LogRecord("n", b"")


def name_of(command: Command[Any]) -> tuple[str, bytes]:
    """What the journal calls the same thing."""
    kind, name = record_of(command)
    return {"x": "k", "y": "t"}.get(kind, kind), name
