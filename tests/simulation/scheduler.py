"""The network and the clock of a simulated world: one event at a time, the next one chosen by a seed.

A task is a generator. What it yields says what it waits for:

    a command         its reply; or `StoreUnavailable` is thrown in, and the command may be executed later all the same
    a number          that many milliseconds of virtual time
    a `Flight`        its landing
    a `Wait`          somebody's fill or release of that key (True), or the end of its patience (False)
    None              another turn

A command is executed some events after it was sent, its reply arrives some events after that; a copy of it may be
executed once more at any later time, even after its connection broke. Only a server that is gone executes nothing.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from heapq import heappop, heappush
from typing import Any, NamedTuple

from evercache.core.course import Wait
from evercache.core.flight import Flight
from evercache.errors import StoreUnavailable

__all__ = ["Connection", "OpenLog", "ReadLog", "Scheduler", "Stuck", "Task"]

RESUME, THROW, EXECUTE = 0, 1, 2
EVENTS = 20_000
"""A schedule of this many events is stuck: the worlds here need a few hundred."""


class Stuck(AssertionError):
    """Tasks wait for something that will never happen, or go round for ever."""


class OpenLog(NamedTuple):
    """The question that starts a lease."""


class ReadLog(NamedTuple):
    """The question that renews it."""

    position: bytes


class Connection:
    """One connection of a process to one incarnation of a server."""

    __slots__ = ("adopted", "node", "server")

    def __init__(self, server: Any, node: int) -> None:
        self.server = server
        self.node = node
        self.adopted = False


class Task:
    __slots__ = ("done", "executed", "gen", "name", "proc")

    def __init__(self, gen: Generator[Any, Any, Any], proc: Any, name: str) -> None:
        self.gen = gen
        self.proc = proc
        self.name = name
        self.done = False
        self.executed = 0  # the tick at which its last command was executed


class Scheduler:
    """Runs tasks against one server. Subclasses say what a fault does (`fault`) and how a command is executed."""

    loss = 0.0
    repeat = 0.0
    faults = 0.0
    lag = 0.0

    def __init__(self, seed: int, trace: list[str] | None = None) -> None:
        self.rng = random.Random(seed)
        self.dice = self.rng.random
        self.trace = trace
        self.tick = 0
        self.now = 1_000
        self.unfinished = 0
        self.essential = 0
        self.current: Task | None = None
        self._ready: list[tuple[Task, int, Any]] = []
        self._late: list[tuple[Task, Connection, Any]] = []
        self._timers: list[tuple[int, int, tuple[Task, int, Any], Any]] = []
        self._serial = 0
        self._waiting: dict[Flight, list[Task]] = {}
        self._sleepers: dict[bytes, list[list[Any]]] = {}

    # -- what the world adds -------------------------------------------------------------------------------------

    def fault(self) -> None:
        raise NotImplementedError

    def execute(self, task: Task, connection: Connection, command: Any) -> Any:
        raise NotImplementedError

    # -- tasks ---------------------------------------------------------------------------------------------------

    def spawn(self, gen: Generator[Any, Any, Any], proc: Any, name: str, *, essential: bool = True) -> None:
        """A new task; the world runs until every essential one has ended."""
        task = Task(gen, proc, name)
        self.unfinished += 1
        if essential:
            self.essential += 1
        else:
            task.name = "~" + name
        proc.tasks.append(task)
        self._ready.append((task, RESUME, None))

    def landed(self, flight: Flight) -> None:
        """Let those go on who wait for *flight*."""
        for task in self._waiting.pop(flight, ()):
            self._ready.append((task, RESUME, None))

    def woken(self, key: bytes) -> None:
        """A wake-up for *key* stands in the store; some processes hear it, some don't."""
        for sleeper in self._sleepers.pop(key, ()):
            if sleeper[0] is not None and self.dice() < 0.9:
                self._ready.append((sleeper[0], RESUME, True))
                sleeper[0] = None

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until every essential task has ended."""
        ready, dice = self._ready, self.dice
        while self.essential:
            self.tick += 1
            if self.tick > EVENTS:
                raise Stuck(f"{self.essential} tasks are still busy after {EVENTS} events")
            chance = dice()
            self.now += 1 if chance > 0.02 else int(chance * 4_000)
            if self._timers and self._timers[0][0] <= self.now:
                self._ring()
            if chance > 1.0 - self.faults:
                self.fault()
            if self._late and dice() < 0.06:
                self._execute_late()
            if ready:
                i = int(dice() * len(ready))
                event = ready[i]
                ready[i] = ready[-1]
                ready.pop()
                self._handle(event)
            elif self._timers:
                self.now = max(self.now, self._timers[0][0])
            else:
                raise Stuck(f"{self.essential} tasks wait for nothing")

    def _ring(self) -> None:
        while self._timers and self._timers[0][0] <= self.now:
            _, _, event, sleeper = heappop(self._timers)
            if sleeper is None:
                self._ready.append(event)
            elif sleeper[0] is not None:
                sleeper[0] = None
                self._ready.append(event)

    def _at(self, when: int, event: tuple[Task, int, Any], sleeper: Any = None) -> None:
        self._serial += 1
        heappush(self._timers, (when, self._serial, event, sleeper))

    def _execute_late(self) -> None:
        task, connection, command = self._late.pop(int(self.dice() * len(self._late)))
        if self.trace is not None:
            self.note(task, f"late: {command}")
        self.execute(task, connection, command)

    def _handle(self, event: tuple[Task, int, Any]) -> None:
        task, kind, value = event
        if kind == EXECUTE:
            connection, command = value
            if connection is not task.proc.connection:
                self._ready.append((task, THROW, "broken"))
            else:
                task.executed = self.tick
                reply = self.execute(task, connection, command)
                if self.trace is not None:
                    self.note(task, f"executed: {command} -> {reply}")
                self._deliver((task, RESUME, reply))
            return
        proc = task.proc
        if proc.dead:
            self._end(task)
        elif proc.paused > self.now:
            self._at(proc.paused, event)
        else:
            self._step(task, kind, value)

    def _step(self, task: Task, kind: int, value: Any) -> None:
        self.current = task
        try:
            if kind == THROW:
                if self.trace is not None:
                    self.note(task, f"no answer ({value})")
                wanted = task.gen.throw(StoreUnavailable("no answer", reason=value))
            else:
                wanted = task.gen.send(value)
        except StopIteration:
            self._end(task)
            return
        if wanted is None:
            self._ready.append((task, RESUME, None))
            return
        kind_of = type(wanted)
        if kind_of is int:
            self._at(self.now + wanted, (task, RESUME, None))
        elif isinstance(wanted, Flight):
            if wanted.landing is None:
                self._waiting.setdefault(wanted, []).append(task)
            else:
                self._ready.append((task, RESUME, None))
        elif kind_of is Wait:
            sleeper = [task]
            self._sleepers.setdefault(wanted.key.id, []).append(sleeper)
            self._at(self.now + max(1, int(wanted.seconds * 1000)), (task, RESUME, False), sleeper)
        else:
            self._send(task, wanted)

    def _send(self, task: Task, command: Any) -> None:
        connection = task.proc.connect()
        chance = self.dice() if task.proc.cut <= self.now else self.dice() * self.loss
        if self.trace is not None:
            self.note(task, f"sends {command}" + (" (lost)" if chance < self.loss else ""))
        if chance < self.loss:
            self._ready.append((task, THROW, "timeout"))
            if chance < 0.6 * self.loss:
                self._late.append((task, connection, command))
            return
        self._deliver((task, EXECUTE, (connection, command)))
        if chance > 1.0 - self.repeat:
            self._late.append((task, connection, command))

    def crash(self, proc: Any) -> None:
        """Kill -9: its tasks are gone, its commands on the way are not."""
        proc.dead = True
        for task in proc.tasks:
            self._end(task)

    def _deliver(self, event: tuple[Task, int, Any]) -> None:
        """A message arrives soon, or much later than others that were sent after it."""
        chance = self.dice()
        if chance < self.lag:
            self._at(self.now + 3 + int(50 * chance / self.lag), event)
        else:
            self._ready.append(event)

    def _end(self, task: Task) -> None:
        if task.done:
            return
        task.done = True
        self.unfinished -= 1
        if not task.name.startswith("~"):
            self.essential -= 1
        task.gen.close()

    # -- telling what happened -----------------------------------------------------------------------------------

    def note(self, task: Task | None, text: str) -> None:
        """One line of the trace."""
        if self.trace is not None:
            who = "world" if task is None else f"{task.proc.name}/{task.name}"
            self.trace.append(f"{self.tick:5} {self.now:6} ms  {who:<14} {text}")
