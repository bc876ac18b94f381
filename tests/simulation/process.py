"""One process of a simulated world: what an engine does around the core, over virtual time instead of asyncio.

Readers, flights, writers (`writer.py`), the replay of the journal and the follower of the log are generators for
`scheduler.Scheduler`. Everything that decides (Course, Flights, L1, LogReader, Journal) is the library's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evercache.core.course import Ask
from evercache.core.entry import Entry, Lease
from evercache.core.flight import Flight, Landing, Ticks
from evercache.core.protocol import (
    Command,
    Key,
)
from evercache.core.record import Record
from evercache.errors import StoreUnavailable
from tests.simulation.history import Invalidation, Value, Violation
from tests.simulation.pilot import Flow, Part
from tests.simulation.scheduler import Connection, OpenLog, ReadLog
from tests.simulation.writer import Writer

__all__ = ["Process"]

SCHEMA = b"\0" * 8


class Process(Writer):
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
        self.heard: bytes | None = None  # the position of the log up to which L1 knows everything

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
        """One call of a cached function, judged. What it brought, if it was no error."""
        world = self.world
        start, start_ms = world.tick, world.now
        world.history.reads += 1
        if world.with_l1 and (entry := self.hit(key.id, start_ms / 1000)) is not None:
            world.history.hits += 1
            if world.trace is not None:
                world.trace.append(f"{world.tick:5} {world.now:6} ms  {self.name} hits L1: {entry.value}")
            world.history.judge(start, start_ms, self, key.id, entry.value, l1=True, stale=False)
            return Part(entry.value, stale=False, near=(key.id,))
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
        return self.judge(start, start_ms, key.id, flight)

    def hit(self, key: bytes, now: float) -> Entry | None:
        """The entry of L1 that may answer now."""
        entry = self.table.get(key)
        if entry is None or now >= entry.until or now >= self.lease.until or not self.l1.check(entry, now):
            return None
        return entry if now < entry.until else None

    def judge(self, start: int, start_ms: int, key: bytes, flight: Flight) -> Part | None:
        landing = flight.landing
        assert landing is not None
        value, stale = landing.value, landing.stale
        if landing.error is not None:
            return None  # a spare may answer instead; it is marked as stale and promises nothing
        extra = landing.extra
        if extra is not None and extra.keep:  # the loader has looked anew and said that the old value still holds
            value = Value(value.key, extra.began, tuple({*value.tags, *extra.tags}), parts=extra.parts)
        built = landing.source == "l2" or flight.proved
        self.world.history.judge(start, start_ms, self, key, value, l1=False, stale=stale, built=built)
        return Part(value, stale or (extra is not None and extra.stale), self.lagging(flight))

    def lagging(self, flight: Flight) -> tuple[bytes, ...]:
        """What a value that was loaded, and not stored, has of L1."""
        landing = flight.landing
        return landing.extra.near if landing.extra is not None and landing.record is None else ()

    def take_off(self, key: Key, *, joinable: bool = True, behind: bool = False, force: bool = False) -> Flight:
        """A new flight for *key*, on its way. *behind*: a reload behind a stale answer; it waits for nobody."""
        declared, remembered = self.declared[key.id], self.remembered.get(key.id, ())
        flight = self.world.kit.flight(key.id, declared + remembered, key)
        if joinable:
            self.flights.depart(flight)
        else:
            self.flights.take_off(flight)
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
            heard=lambda: self.heard,
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
        entry = Entry(self.table, key.id, value, fresh_until=until, weight=1, lease=self.lease)
        return self.l1.insert(entry, since=flight.since, id=key.id, tags=value.tags, text=lambda: key.text)

    def peek(self, key: Key) -> Flow:
        """What is cached, or nothing; judged."""
        world = self.world
        start, start_ms = world.tick, world.now
        declared, remembered = self.declared[key.id], self.remembered.get(key.id, ())
        flight = world.kit.flight(key.id, declared + remembered, key)
        landing = yield from self.drive(key, flight, self.course.peek(flight, self.ask(key, declared, remembered)))
        if landing.source != "none":
            world.history.judge(start, start_ms, self, key.id, landing.value, l1=False, stale=landing.stale)

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
            if self.reader.position is not None:
                self.heard = self.reader.position
            self.lease.until = heard.until
            yield 1 + int(world.dice() * world.delta * world.mix.poll)
