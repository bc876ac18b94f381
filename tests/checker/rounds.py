"""One round: traffic, a fault, health again, and the verdict."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evercache.testing.servers import WaitedInVain, wait_until
from tests.checker.faults import Fault
from tests.checker.fleet import WRITER, Fleet
from tests.checker.judge import Verdict, judge
from tests.checker.story import FUNCTIONS, PLACES

__all__ = ["Round", "play"]

PATIENCE = 40.0
"""Seconds for a fact that is a law (R5). What it takes on a machine of one's own is in the figures, not here."""
WARM = 30
"""Reads and writes of each process before a fault begins, and after it."""


@dataclass
class Round:
    """What happened in one round; `proof` are the traces that the fault has left in the processes."""

    fault: str
    verdict: Verdict
    proof: Counter[str]
    recovery: float
    missing: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        verdict = self.verdict
        return {
            "reads": verdict.reads,
            "loads": verdict.loads,
            "invalidations": verdict.writes,
            "confirmed": verdict.confirmed,
            "confirmed_later": verdict.late,
            "exceptions": verdict.exceptions,
            "stale_reads": verdict.stale,
            "max_staleness_l1_seconds": round(verdict.max_staleness, 4),
            "recovery_seconds": round(self.recovery, 3),
            "proof": {name: int(number) for name, number in sorted(self.proof.items()) if number},
        }


def play(fleet: Fleet, fault: Fault, seconds: float, *, patience: float = PATIENCE, keep: Path | None = None) -> Round:
    """Play *fault* for *seconds*. A history that breaks a law is written to the folder *keep*."""
    known = _truth(fleet)
    fleet.begin()
    since = time.monotonic()
    before = fleet.ask("counters")
    fleet.ask("go")
    _warm(fleet)
    proof: Counter[str] = Counter()
    fault.act(fleet, seconds, proof)
    fleet.site.heal()
    recovery, unmet = _recover(fleet, patience)
    _warm(fleet)
    unmet += _settle(fleet, patience)
    after = fleet.ask("counters")
    histories = fleet.end()
    rejected = sum(_rejected(after[name]) - _rejected(before[name]) for name in after)
    verdict = judge(
        histories, delta=fleet.delta, known=known, since=since, without_faults=not fault.proofs, rejected=rejected
    )
    verdict.violations += unmet
    for name in after:
        proof.update(_traces(name, before[name], after[name]))
    proof["confirmed later"] = verdict.late
    if verdict.violations and keep is not None:
        _write(keep, fault.name, histories, verdict)
    missing = [trace for trace in fault.proofs if not proof[trace]]
    return Round(fault.name, verdict, proof, recovery, missing)


def _warm(fleet: Fleet) -> None:
    """Return when every process has read or written on."""
    start = fleet.ask("state")

    def gone_on() -> bool:
        now = fleet.ask("state")
        done = {name: "writes" if name == WRITER else "reads" for name in now}
        return all(now[name][what] >= start[name][what] + WARM for name, what in done.items())

    wait_until(gone_on, "every process works on", seconds=PATIENCE, every=0.05)


def _recover(fleet: Fleet, patience: float) -> tuple[float, list[str]]:
    """R5, first half: after how many seconds all caches are healthy and owe nothing."""
    healed = time.monotonic()
    unmet = _unmet(fleet.is_well, "R5: every cache is healthy and owes nothing", patience)
    return time.monotonic() - healed, unmet


def _settle(fleet: Fleet, patience: float) -> list[str]:
    """R5, second half. The traffic ends, the writer's first; then everything equals the truth, and is a hit."""
    fleet.writer.ask("pause")
    unmet = _unmet(fleet.is_well, "R5: nothing is owed any more", patience)
    for reader in fleet.readers:
        reader.ask("pause")
    truth = list(_truth(fleet).values())

    def agree() -> bool:
        sweeps = [reader.ask("sweep") for reader in fleet.readers]
        return all(sweep["versions"] == truth and not sweep["loads"] for sweep in sweeps)

    return unmet + _unmet(agree, "R5: every reader gets the truth, from the cache", patience)


def _unmet(fact: Callable[[], bool], law: str, patience: float) -> list[str]:
    try:
        wait_until(fact, law, seconds=patience, every=0.02)
    except WaitedInVain as waited:
        return [f"{law} ({waited})"]
    return []


def _truth(fleet: Fleet) -> dict[tuple[str, str, int], int]:
    """The version of every place, in the order of FUNCTIONS and PLACES."""
    with fleet.truth.connect() as wire:
        versions = [int(wire.command("GET", f"{tenant}:{number}") or 0) for tenant, number in PLACES]
    return {(name, *place): version for name in FUNCTIONS for place, version in zip(PLACES, versions, strict=True)}


def _rejected(counters: dict[str, Any]) -> int:
    return sum(function["rejected"] for function in counters["functions"].values())


def _traces(name: str, before: dict[str, Any], after: dict[str, Any]) -> Counter[str]:
    """What the counters of one process say has happened; a process that was killed has begun from zero."""
    role = name.partition("-")[0]
    old, new = (
        Counter(
            {
                f"{role} flushed": counters["flushes"],
                f"{role} degraded": sum(counters["degradations"].values()),
                f"{role} fills rejected": _rejected(counters),
                f"{role} pending": counters["invalidations"]["pending"],
                f"{role} clock jumped": int(counters["jumped"]),
            }
            | {f"{role} degraded: {reason}": number for reason, number in counters["degradations"].items()}
        )
        for counters in (before, after)
    )
    return new - old


def _write(folder: Path, fault: str, histories: dict[str, list[list[Any]]], verdict: Verdict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{fault.replace(' ', '-')}-{time.strftime('%H%M%S')}.json"
    path.write_text(json.dumps({"violations": verdict.violations, "histories": histories}))
