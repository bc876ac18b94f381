"""A small world: some processes, one server, a random schedule with faults, and the laws of `history`.

One seed is one schedule, always the same. The seed also chooses the *mix*: what is done, and what breaks. The library's
own `Course`, `Flights`, `L1`, `LogReader`, `Journal` and `Partition` run here; a `Kit` may replace one of them by a mutant
with one rule broken, to show that the laws see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from evercache.core.course import Course, Loaded
from evercache.core.flight import Flight, Flights
from evercache.core.freshness import Age, age_of
from evercache.core.journal import Journal
from evercache.core.l1 import L1
from evercache.core.lease import LogReader
from evercache.core.patterns import matches
from evercache.core.protocol import (
    Ban,
    Command,
    Distrust,
    ExpireKey,
    ExpireTag,
    Fill,
    InvalidateKey,
    InvalidateTag,
    Key,
    Terms,
)
from evercache.core.record import Record
from evercache.stores.memory import Partition
from tests.simulation.faults import Faults
from tests.simulation.history import History, Invalidation, Value, Violation
from tests.simulation.process import Process
from tests.simulation.scheduler import Connection, OpenLog, ReadLog, Task

__all__ = ["MIXES", "Kit", "Mix", "World"]

ABSENT = b"\0absent"


@dataclass(frozen=True)
class Kit:
    """The parts of a world; a mutant replaces one."""

    course: type[Course] = Course
    flights: type[Flights] = Flights
    flight: type[Flight] = Flight
    l1: type[L1] = L1
    reader: type[LogReader] = LogReader
    journal: type[Journal] = Journal
    partition: type[Partition] = Partition
    process: type[Process] = Process
    identify: Callable[[int, int], bytes] = lambda incarnation, node: b"r%d" % incarnation


@dataclass(frozen=True)
class Mix:
    """What happens in a world, and the chances that it does.

    `keep`: values can be kept past their time, and a loader may say that they still hold. `slow`: a load takes longer than a generation lives, at times. `poll`: the pause between two reads of the log, as a part of Δ. `between`: the log is lost, or a late command comes, between two commands that leave together. `refusal`: an invalidation isn't even sent; `loss`, `lag`, `repeat`: a message is lost, late, executed twice. `nested`: values are made of others.
    """

    name: str
    l1: bool = False
    late_tags: bool = False
    put: float = 0.0
    expire: float = 0.0
    failover: bool = False
    alone: bool = False
    reads: int = 4
    writes: int = 3
    log_length: int = 10_000
    ttl: int = 400
    slow: float = 0.08
    keep: float = 0.3
    refusal: float = 0.0
    loss: float = 0.02
    lag: float = 0.06
    repeat: float = 0.03
    faults: float = 0.01
    between: float = 0.03
    poll: float = 0.25
    policy: str = "distrust"
    nested: bool = False


MIXES = (
    Mix("plain"),
    Mix("l1", l1=True, reads=10, loss=0.01, lag=0.12, repeat=0.01, faults=0.006),
    Mix("late tags", late_tags=True, repeat=0.02),
    Mix("failover", failover=True, faults=0.02, repeat=0.01),
    Mix("put and expire", put=0.3, expire=0.3),
    Mix("l1 and put", l1=True, put=0.5, reads=8, lag=0.12, loss=0.01, repeat=0.01, faults=0.006),
    Mix("journal", refusal=0.4, writes=6, expire=0.3),
    Mix("l1 and late tags", l1=True, late_tags=True, reads=10, loss=0.01, lag=0.12, repeat=0.01, faults=0.003),
    Mix("alone", l1=True, late_tags=True, alone=True, loss=0.0, repeat=0.0),
    Mix("short lives", late_tags=True, ttl=100, keep=0.8, reads=10, writes=8, lag=0.15),
    Mix("nested", l1=True, nested=True, reads=10, writes=5, lag=0.2, loss=0.01, repeat=0.01, faults=0.006, poll=0.7),
    Mix("everything", nested=True, l1=True, late_tags=True, put=0.15, expire=0.2, failover=True, faults=0.015),
)


@dataclass(slots=True)
class Loading(Loaded):
    """What a loader of this world returns: it knows at which tick its load began."""

    began: int = 0
    named: tuple[bytes, ...] = ()
    parts: tuple[Value, ...] = ()


class World(Faults):
    """One schedule. `run()` raises `Violation` or `Stuck`."""

    def __init__(
        self,
        seed: int,
        kit: Kit = Kit(),
        mix: Mix | None = None,
        *,
        trace: list[str] | None = None,
    ) -> None:
        super().__init__(seed, trace)
        self.kit = kit
        self.mix = mix = mix or MIXES[seed % len(MIXES)]
        self.loss, self.lag, self.repeat, self.faults = mix.loss, mix.lag, mix.repeat, mix.faults
        dice = self.dice
        self.with_l1 = mix.l1
        self.alone = mix.alone
        self.l1_items = 1 if mix.l1 and dice() < 0.1 else None
        self.delta = 40
        self.terms = Terms(lease=120, lock=25, horizon=200)
        self.ttl = None if dice() < 0.2 else int(20 + dice() * mix.ttl)
        self.stale_for = 40 if dice() < 0.3 else 0
        self.fail_safe = 120 if dice() < mix.keep else 0
        self.journal_limit = 1 if dice() < 0.2 else 100
        self._names = 0
        self.incarnation = 0
        self._populate(dice() < 0.35)
        self.server = kit.partition(
            self.clock, run=kit.identify(0, 0), log_length=3 if dice() < 0.1 else mix.log_length, max_bans=3
        )
        self.node = 0
        self.snapshot: dict[str, Any] | None = None
        self.history = History(self.delta)
        self.processes = [kit.process(self, "AB"[i]) for i in range(1 if mix.alone or dice() < 0.1 else 2)]
        for process in self.processes:
            self._people(process)

    # -- who does what -------------------------------------------------------------------------------------------

    def _populate(self, two: bool) -> None:
        self.keys = [Key(b"k0", "users:0")]
        self.declared: dict[bytes, tuple[bytes, ...]] = {b"k0": (b"t0",)}
        if two:
            self.keys.append(Key(b"k1", "users:1"))
            self.declared[b"k1"] = (b"t0", b"t1")
        if self.mix.nested:
            self.keys.append(Key(b"k2", "pages:0"))
            self.declared[b"k2"] = (b"t2",) if self.dice() < 0.7 else (b"t0", b"t2")
            if self.dice() < 0.5:
                self.keys.append(Key(b"k3", "books:0"))
                self.declared[b"k3"] = ()
        self.texts = {key.id: key.text for key in self.keys}

    def _people(self, process: Process) -> None:
        dice = self.dice
        for number in range(1 + int(dice() * 3)):
            self.spawn(self._reader(process, 1 + int(dice() * self.mix.reads)), process, f"reader {number}")
        if dice() < 0.9:
            self.spawn(self._writer(process, 1 + int(dice() * self.mix.writes)), process, "writer")
        if self.with_l1 and not self.alone:
            self.spawn(process.follow(), process, "log", essential=False)

    def _reader(self, process: Process, count: int) -> Iterator[Any]:
        for _ in range(count):
            if self.dice() < 0.06 and not self.alone:
                yield from process.peek(self._any_key())
            yield from process.read(self._any_key())
            yield int(self.dice() * 60) if self.dice() < 0.1 else None

    def _writer(self, process: Process, count: int) -> Iterator[Any]:
        for _ in range(count):
            yield int(self.dice() * 30) if self.dice() < 0.5 else None
            chance = self.dice()
            if chance < self.mix.put:
                yield from process.put(self._any_key())
            elif chance < self.mix.put + 0.08:
                yield from process.refresh(self._any_key())
            else:
                yield from process.invalidate(self._any_command())

    def _any_key(self) -> Key:
        return self.keys[int(self.dice() * len(self.keys))]

    def inner(self, key: Key) -> list[Key]:
        """What the value of *key* is made of this time."""
        if key.id < b"k2":
            return []
        if key.id == b"k3" and self.dice() < 0.6:
            return [self.keys[-2]]
        return [inner for inner in self.keys if inner.id < key.id and self.dice() < 0.8]

    def _any_command(self) -> Command[Any]:
        key, chance = self._any_key(), self.dice()
        tags = self.declared[key.id] or (b"t0",)
        tag = tags[int(self.dice() * len(tags))]
        if self.mix.late_tags and self.dice() < 0.5:
            tag = b"d0" if self.dice() < 0.7 else b"d1"
        soft = self.dice() < self.mix.expire
        if chance < 0.4 - 0.2 * self.mix.late_tags:
            return ExpireKey(key.id) if soft else InvalidateKey(key.id)
        if chance < 0.8:
            kind = ExpireTag if soft else InvalidateTag
            return kind(tag, self.candidate(), self.terms)
        if chance < 0.94:
            pattern = ("users:*", "users:0", "*1", "users:[01]", "*")[int(self.dice() * (5 if self.mix.nested else 4))]
            return Ban(pattern, self.candidate(), self.terms)
        return Distrust(self.candidate(), self.terms)

    def describe(self, process: Process, command: Command[Any]) -> Invalidation:
        """The call as the laws see it."""
        call = Invalidation(type(command).__name__, process, self.tick, command=command)
        match command:
            case InvalidateKey() | ExpireKey():
                call.keys = frozenset([command.id])
            case InvalidateTag() | ExpireTag():
                call.tag = command.tag
            case Ban():
                call.keys = frozenset([key.id for key in self.keys if matches(command.pattern, key.text)])
            case _:
                call.keys = frozenset(self.texts)
        call.tag = call.tag or ABSENT
        call.soft = isinstance(command, ExpireKey | ExpireTag)
        return call

    # -- facts for the core --------------------------------------------------------------------------------------

    def unique(self, prefix: bytes) -> bytes:
        self._names += 1
        return b"%s%d" % (prefix, self._names)

    def candidate(self) -> bytes:
        return self.unique(b"c")

    def age(self, record: Record) -> Age:
        until = record.fresh_until or float("inf")
        return age_of(self.now, until, stale_for=self.stale_for, fail_safe=self.fail_safe, early_at=until - 5)

    def worn_age(self, record: Record) -> Age:
        """For a reload behind an answer, what is early or stale is no longer good."""
        age = self.age(record)
        return Age.SPARE if age in (Age.EARLY, Age.STALE) else age

    def loaded(self, key: Key, began: int) -> Loading:
        tags: tuple[bytes, ...] = ()
        if self.mix.late_tags:
            chance = self.dice()
            tags = (b"d0",) if chance < 0.6 else (b"d1",) if chance < 0.75 else (b"d0", b"d1") if chance < 0.9 else ()
        value = Value(key.id, began, tuple(sorted({*self.declared[key.id], *tags})))
        return Loading(value, tags=tags, began=began, named=tags)

    # -- the server ----------------------------------------------------------------------------------------------

    def execute(self, task: Task, connection: Connection, command: Any) -> Any:
        server = connection.server
        if server is not self.server:
            return None  # a copy of a command, sent to a server that is gone
        if self.mix.policy == "distrust" and task.proc.must_adopt(connection):
            server.adopt(server.run, self.candidate(), self.terms)
        if not connection.adopted:
            connection.adopted = True
            task.proc.met.add(connection.node)
            if self.mix.policy == "replay" and self.incarnation and not task.proc.dead:
                self.spawn(task.proc.repeat_recent(), task.proc, "replay", essential=False)
        if isinstance(command, ReadLog):
            return task.proc.ask_log(server, command.position)
        if isinstance(command, OpenLog):
            return server.open_log()
        heard = len(server.wakes)
        reply = server.execute(command)
        if reply is True and type(command) is Fill:
            self.history.filled(command.key.id, command.record.payload, self.tick)
        for _, key in server.wakes[heard:]:
            self.woken(key)
        return reply

    # -- the end -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """The schedule, and then what must be true of any world at rest."""
        super().run()
        for process in self.processes:
            if process.dead:
                continue
            if process.flights.airborne or process.flights.joinable:
                raise Violation(f"Leak: flights of {process.name} never landed: {process.flights.airborne}")
            if len(process.journal):
                raise Violation(f"Leak: {process.name} still owes {process.journal.owed(0, 9)}")
        for slot, (_, dies) in self.server.data.items():
            if slot[0] in "lw" and (dies is None or dies > self.now + self.terms.lock):
                raise Violation(f"Leak: {slot} lives until {dies}")

    @classmethod
    def traced(cls, seed: int, kit: Kit = Kit(), mix: Mix | None = None) -> list[str]:
        """The schedule of *seed*, told line by line, with its violation at the end."""
        trace: list[str] = []
        try:
            cls(seed, kit, mix, trace=trace).run()
        except AssertionError as violation:
            trace.append(f"{type(violation).__name__}: {violation}")
        return trace
