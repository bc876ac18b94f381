"""What the writers of a process do: invalidate, put, refresh, and repeat what was not confirmed."""

from __future__ import annotations

from typing import Any

from evercache.core.flight import Flight, Landing
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
)
from evercache.errors import CodecError, StoreUnavailable
from tests.simulation.history import Invalidation
from tests.simulation.pilot import Flow, Pilot

__all__ = ["Writer", "record_of"]


class Writer(Pilot):
    """Calls, each written down in the history of the world. The process adds flights, L1 and journal."""

    flights: Any
    course: Any
    journal: Any
    l1: Any
    pending: list[Invalidation]
    recent: list[Command[Any]]
    replaying: bool

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
