"""`python -m tests.soak --duration 10m`: real processes, real faults, until the time is over.

A line for each round, a table at the end; the exit code is 1 if a law was broken, and the history of that round is in
the folder that `--keep` names. `--report FILE` plays every fault at least once and writes the figures as JSON.
The faults are dealt like cards: shuffled, each once, then shuffled again.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from evercache.core.duration import parse_seconds
from evercache.testing.servers import RedisCluster, SentinelTrio, WaitedInVain
from tests.checker.faults import FAULTS, PAIRS
from tests.checker.fleet import Fleet
from tests.checker.rounds import Round, play
from tests.checker.sabotage import SABOTAGE
from tests.checker.sites import ClusterSite, SentinelSite, Site, StandaloneSite

SITES = ("standalone", "cluster", "sentinel")
SUMMED = ("rounds", "reads", "loads", "invalidations", "confirmed", "confirmed_later", "exceptions", "stale_reads")
HIGHEST = ("max_staleness_l1_seconds", "recovery_seconds")
BEFORE_A_NEW_FLEET = 50


class Soak:
    """What was wished, and what has come of it so far."""

    def __init__(self, wish: Any) -> None:
        self.wish = wish
        self.faults = {name: fault for name, fault in (FAULTS | PAIRS).items() if wish.site in fault.sites}
        if wish.faults:
            self.faults = {name: (FAULTS | PAIRS)[name] for name in wish.faults.split(",")}
        self.chance = random.Random(wish.seed)
        self.cards = _dealt(list(self.faults), self.chance)
        self.end = time.monotonic() + parse_seconds(wish.duration, "--duration")
        self.table: dict[str, dict[str, Any]] = {}
        self.played = self.broken = 0

    def goes_on(self) -> bool:
        return (
            not self.played
            or time.monotonic() < self.end
            or (bool(self.wish.report) and self.played < len(self.faults))
        )

    def run(self) -> None:
        while self.goes_on():
            with ExitStack() as stack:
                try:
                    self._use(stack.enter_context(_fleet(stack, self.wish)))
                except (AssertionError, WaitedInVain) as stuck:
                    self.broken += 1
                    say(f"      BROKEN {stuck}")

    def _use(self, fleet: Fleet) -> None:
        """Some rounds with one fleet."""
        before = [child.mebibytes() for child in fleet.children.values()]
        for _ in range(BEFORE_A_NEW_FLEET):
            if not self.goes_on():
                break
            self.played += 1
            seconds = self.wish.each * self.chance.uniform(0.7, 1.5)
            result = play(fleet, self.faults[next(self.cards)], seconds, keep=self.wish.keep)
            self.broken += bool(result.verdict.violations or result.missing)
            _tell(self.played, result)
            _add(self.table, result)
        after = [child.mebibytes() for child in fleet.children.values()]
        say(f"      memory of the four processes: {before} MiB before, {after} MiB after")


def main() -> int:
    wish = _wish()
    soak = Soak(wish)
    say(f"{wish.site}, Δ = {wish.delta:g} s, seed {wish.seed}, {len(soak.faults)} faults, for {wish.duration}")
    soak.run()
    _tell_all(soak.table)
    if wish.report:
        _report(wish, soak.table)
    say(
        f"{soak.played} rounds, {soak.broken} broken" + (f"; their histories are in {wish.keep}" if soak.broken else "")
    )
    return bool(soak.broken)


def _wish() -> Any:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--duration", default="10m")
    parser.add_argument("--each", type=float, default=3.0, help="about how many seconds a fault lasts")
    parser.add_argument("--site", choices=SITES, default="standalone")
    parser.add_argument("--faults", default="", help="only these, with commas between: " + ", ".join(FAULTS))
    parser.add_argument("--delta", type=float, default=1.0, help="the lease of L1 in seconds")
    parser.add_argument("--on-failover", choices=("distrust", "replay", "ignore"), default="distrust")
    parser.add_argument("--sabotage", choices=sorted(SABOTAGE), default="", help="with a cache that breaks a promise")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--keep", type=Path, default=Path("build/soak"), help="where histories of broken laws go")
    parser.add_argument("--report", type=Path, help="write the figures to this file")
    return parser.parse_args()


def _dealt(names: list[str], chance: random.Random) -> Iterator[str]:
    while True:
        yield from chance.sample(names, len(names))


def _fleet(stack: ExitStack, wish: Any) -> Fleet:
    site: Site
    if wish.site == "cluster":
        site = ClusterSite(stack.enter_context(RedisCluster()))
    elif wish.site == "sentinel":
        site = SentinelSite(stack.enter_context(SentinelTrio()))
    else:
        site = StandaloneSite()
    return Fleet(site, delta=wish.delta, sabotage=wish.sabotage, on_failover=wish.on_failover)


def _tell(number: int, result: Round) -> None:
    verdict = result.verdict
    say(
        f"{number:5} {result.fault:29} {verdict.reads:7} reads {verdict.writes:6} invalidations {verdict.late:5} later "
        f"{verdict.stale:3} stale  L1 behind by at most {verdict.max_staleness:.3f} s, well after {result.recovery:.3f} s"
    )
    for violation in verdict.violations[:5]:
        say(f"      BROKEN {violation}")
    for trace in result.missing:
        say(f"      NOT PROVEN: the fault left no trace of {trace!r}")


def _add(table: dict[str, dict[str, Any]], result: Round) -> None:
    figures = result.figures() | {"rounds": 1, "laws_broken": len(result.verdict.violations)}
    row = table.setdefault(result.fault, dict.fromkeys((*SUMMED, "laws_broken", *HIGHEST), 0) | {"proof": {}})
    for name in (*SUMMED, "laws_broken"):
        row[name] += figures[name]
    for name in HIGHEST:
        row[name] = max(row[name], figures[name])
    for trace, number in figures["proof"].items():
        row["proof"][trace] = row["proof"].get(trace, 0) + number


def _tell_all(table: dict[str, dict[str, Any]]) -> None:
    say(
        f"\n{'fault':29}{'rounds':>8}{'reads':>10}{'invalid.':>10}{'later':>8}{'stale':>7}{'broken':>8}{'L1 behind':>11}"
    )
    for fault, row in sorted(table.items()):
        counts = f"{row['rounds']:8}{row['reads']:10}{row['invalidations']:10}{row['confirmed_later']:8}"
        say(f"{fault:29}{counts}{row['stale_reads']:7}{row['laws_broken']:8}{row['max_staleness_l1_seconds']:9.3f} s")


def _report(wish: Any, table: dict[str, dict[str, Any]]) -> None:
    setting = {"site": wish.site, "delta_seconds": wish.delta, "on_failover": wish.on_failover, "seed": wish.seed}
    machine = {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine()}
    report = {"setting": setting | machine, "readers": 3, "writers": 1, "faults": dict(sorted(table.items()))}
    before = json.loads(wish.report.read_text()) if wish.report.exists() else {}
    wish.report.parent.mkdir(parents=True, exist_ok=True)
    wish.report.write_text(json.dumps(before | {wish.site: report}, indent=1) + "\n")


def say(what: str) -> None:
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
