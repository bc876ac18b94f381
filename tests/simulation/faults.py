"""What breaks in a world: keys are evicted, the log is trimmed, links break, processes stop, a replica takes over."""

from __future__ import annotations

from typing import Any

from tests.simulation.scheduler import Scheduler

__all__ = ["Faults"]


class Faults(Scheduler):
    """The faults of a mix; the world adds the mix, its server and its processes."""

    mix: Any
    kit: Any
    server: Any
    processes: list[Any]
    snapshot: dict[str, Any] | None
    node: int
    incarnation: int
    delta: int

    def fault(self) -> None:
        chance, server = self.dice(), self.server
        if self.mix.failover and chance < 0.6:
            self._fail_over() if chance < 0.2 and self.snapshot is not None else self._replicate()
        elif chance < 0.7:
            self._evict()
        elif chance < 0.76:
            self.note(None, "FLUSHALL")
            server.flush()
        elif chance < 0.84:
            self.note(None, "the log is trimmed")
            del server.log[: int(self.dice() * (len(server.log) + 1))]
        elif chance < 0.9:
            process = self._any_process()
            self.note(None, f"{process.name} loses its connection")
            process.connection = None
        elif chance < 0.93:
            process = self._any_process()
            process.cut = self.now + int(self.dice() * 3 * self.delta)
            self.note(None, f"{process.name} gets no answers until {process.cut}")
        elif chance < 0.985:
            process = self._any_process()
            process.paused = self.now + int(self.dice() * 4 * self.delta)
            self.note(None, f"{process.name} is paused until {process.paused}")
        elif len(self.processes) > 1 and not any(process.dead for process in self.processes):
            process = self._any_process()
            self.note(None, f"{process.name} is killed")
            self.crash(process)

    def between(self) -> None:
        """Between two commands that leave together, others may come."""
        if self.dice() >= self.mix.between:
            return
        if self.dice() < 0.5:
            self.note(None, "the log is lost between two commands")
            self.server.log.clear()
        elif self._late:
            self._execute_late()

    def _any_process(self) -> Any:
        return self.processes[int(self.dice() * len(self.processes))]

    def _evict(self) -> None:
        server = self.server
        slots: list[Any] = [*server.data, "bans", "log"]
        slot = slots[int(self.dice() * len(slots))]
        self.note(None, f"{slot} is evicted")
        if slot == "bans":
            server.bans.clear()
        elif slot == "log":
            server.log.clear()
        else:
            del server.data[slot]

    def _replicate(self) -> None:
        """The replica has received everything up to now."""
        self.note(None, "the replica is up to date")
        server = self.server
        self.snapshot = {"data": dict(server.data), "log": list(server.log), "bans": list(server.bans)}

    def _fail_over(self) -> None:
        """The replica takes over, without what it had not received; positions of its log go on with the clock."""
        before, lost = self.server, self.snapshot
        assert lost is not None
        self.incarnation += 1
        self.node = 1 - self.node
        self.note(None, f"failover to r{self.incarnation}")
        server = self.kit.partition(
            self.clock,
            run=self.kit.identify(self.incarnation, self.node),
            log_length=before.log_length,
            max_bans=before.max_bans,
        )
        server.data, server.log, server.bans = dict(lost["data"]), list(lost["log"]), list(lost["bans"])
        server._serial = before._serial + 1_000
        self.server = server
        for process in self.processes:
            process.connection = None

    def clock(self) -> int:
        """The server's clock."""
        return self.now
