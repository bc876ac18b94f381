"""The laws that a history of several real processes is held against. Pure: events in, verdict out.

All stamps are CLOCK_MONOTONIC, which the processes of one host share.

R1   A read that starts at s returns at least the version of every invalidation that was confirmed at e ≤ s (`near`,
     which L1 may answer: e + Δ ≤ s) and called after that version was committed. An invalidation that was PENDING
     counts from its later confirmation. Expiries are no invalidations.
     An invalidation that waited for everyone (PR3) counts from its return, for L1 too.
Own  The process that invalidated a key, or put a value, sees that at once, confirmed or not.
R2   Nobody gets another key's or another tenant's value, or a version that was not yet committed.
R3   A process whose reads of a key don't overlap never goes back behind a version that was confirmed before.
R4   Without faults: loads ≤ processes x invalidations of the key, plus what was rejected.
R5   When the faults are over: every key equals the truth, hits resume (asked by `rounds`, which waits for it).
R6   No exception reaches a caller.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Read", "Verdict", "Write", "judge"]

Place = tuple[str, str, int]  # function, tenant, number
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Read:
    process: str
    start: float
    end: float
    place: Place
    version: int
    said: tuple[str, int]  # whose value the answer says it is


@dataclass(slots=True)
class Write:
    """One invalidation; `versions` are what had been committed when it was called, by place."""

    process: str
    kind: str
    committing: float
    returned: float
    confirmed: float
    versions: dict[Place, int]


@dataclass
class Verdict:
    reads: int = 0
    loads: int = 0
    exceptions: int = 0
    writes: int = 0
    confirmed: int = 0
    late: int = 0
    stale: int = 0
    max_staleness: float = 0.0
    violations: list[str] = field(default_factory=list)


class _Marks:
    """The versions of one place that were confirmed, by when."""

    def __init__(self, marks: Iterable[tuple[float, int]]) -> None:
        self.moments: list[float] = []
        self.versions: list[int] = []  # the highest so far: grows with time
        for moment, version in sorted(marks):
            self.moments.append(moment)
            self.versions.append(max(version, self.versions[-1] if self.versions else 0))

    def demanded(self, moment: float) -> int:
        index = bisect_right(self.moments, moment)
        return self.versions[index - 1] if index else 0

    def staleness(self, version: int, moment: float) -> float:
        """For how long *version* had been overtaken at *moment*; negative if it wasn't yet."""
        index = bisect_right(self.versions, version)
        return moment - self.moments[index] if index < len(self.moments) else -NEVER


def judge(
    histories: dict[str, list[list[Any]]],
    *,
    delta: float,
    known: dict[Place, int],
    since: float,
    without_faults: bool = False,
    processes: int = 4,
    rejected: int = 0,
) -> Verdict:
    """The verdict on what was noted since *since*, when every place had the version that *known* says."""
    verdict = Verdict()
    writes = _writes(histories)
    reads = [read for process, events in histories.items() for read in _reads(process, events)]
    verdict.reads, verdict.writes = len(reads), len(writes)
    verdict.confirmed = sum(write.confirmed < NEVER for write in writes)
    verdict.late = sum(write.returned < write.confirmed < NEVER for write in writes)
    _uncaught(histories, verdict)
    marks = _marks(writes, known, since, lambda write: write.confirmed)
    strict = [write for write in writes if write.kind == "everyone" and write.confirmed == write.returned]
    _fresh(reads, marks, _marks(strict, known, since, lambda write: write.returned), delta, verdict)
    _own(reads, writes, verdict)
    _nobody_elses(reads, _marks(writes, known, since, lambda write: write.committing), verdict)
    _forward(reads, marks, verdict)
    _few_loads(histories, writes, verdict, processes if without_faults else 0, rejected)
    return verdict


def _marks(writes: list[Write], known: dict[Place, int], since: float, when: Any) -> dict[Place, _Marks]:
    found: defaultdict[Place, list[tuple[float, int]]] = defaultdict(list)
    for place, version in known.items():
        found[place].append((since, version))
    for write in writes:
        for place, version in write.versions.items():
            found[place].append((when(write), version))
    return {place: _Marks(marks) for place, marks in found.items()}


def _fresh(
    reads: list[Read], marks: dict[Place, _Marks], strict: dict[Place, _Marks], delta: float, verdict: Verdict
) -> None:
    for read in reads:
        in_l1 = read.place[0] == "near"
        mark = marks.get(read.place)
        if mark is None or (behind := mark.staleness(read.version, read.start)) < 0:
            continue
        demanded = mark.demanded(read.start - delta if in_l1 else read.start)
        if read.place in strict:
            demanded = max(demanded, strict[read.place].demanded(read.start))
        if in_l1:
            verdict.max_staleness = max(verdict.max_staleness, behind)
        if read.version < demanded:
            verdict.stale += 1
            verdict.violations.append(f"R1: {read} is {behind:.4f} s behind, and not version {demanded}")


def _own(reads: list[Read], writes: list[Write], verdict: Verdict) -> None:
    own: defaultdict[tuple[str, Place], list[tuple[float, int]]] = defaultdict(list)
    for write in writes:
        if write.kind in ("key", "put"):
            for place, version in write.versions.items():
                own[write.process, place].append((write.returned, version))
    for (process, place), versions in own.items():
        mark = _Marks(versions)
        for read in reads:
            if read.process == process and read.place == place and read.version < mark.demanded(read.start):
                verdict.violations.append(f"Own: {read} is behind version {mark.demanded(read.start)}, its own")


def _nobody_elses(reads: list[Read], committed: dict[Place, _Marks], verdict: Verdict) -> None:
    # What is committed for one function is committed for the other: the truth is the same.
    for read in reads:
        if read.said != read.place[1:]:
            verdict.violations.append(f"R2: {read} is another key's value")
            continue
        newest = max(
            (
                committed[place].demanded(read.end)
                for name in ("near", "far")
                if (place := (name, *read.said)) in committed
            ),
            default=read.version,
        )
        if read.version > newest:
            verdict.violations.append(f"R2: {read} comes from the future; the newest was {newest}")


def _forward(reads: list[Read], marks: dict[Place, _Marks], verdict: Verdict) -> None:
    lanes: defaultdict[tuple[str, Place], list[Read]] = defaultdict(list)
    for read in reads:
        lanes[read.process, read.place].append(read)
    for lane in lanes.values():
        lane.sort(key=lambda read: read.start)
        last: Read | None = None
        ended = -NEVER
        for number, read in enumerate(lane):
            alone = read.start > ended and (number + 1 == len(lane) or lane[number + 1].start > read.end)
            ended = max(ended, read.end)
            mark = marks.get(read.place)
            if not alone or mark is None:
                last = None
                continue
            if last is not None and read.version < last.version <= mark.demanded(last.start):
                verdict.violations.append(f"R3: {read} goes back behind {last}")
            last = read


def _few_loads(
    histories: dict[str, list[list[Any]]], writes: list[Write], verdict: Verdict, processes: int, rejected: int
) -> None:
    loads: defaultdict[Place, int] = defaultdict(int)
    for events in histories.values():
        for event in events:
            if event[0] == "l":
                loads[event[3], event[4], event[5]] += 1
    verdict.loads = sum(loads.values())
    if not processes:
        return
    touched: defaultdict[Place, int] = defaultdict(lambda: 1)
    for write in writes:
        for place in write.versions:
            touched[place] += 1
    for events in histories.values():
        for event in events:
            if event[0] == "s":  # an expiry: a reason to load again, too
                touched[event[2], event[3], event[4]] += 1
    for place, number in loads.items():
        if number > processes * touched[place] + rejected:
            verdict.violations.append(f"R4: {number} loads of {place} after {touched[place]} invalidations")


def _uncaught(histories: dict[str, list[list[Any]]], verdict: Verdict) -> None:
    for process, events in histories.items():
        for event in events:
            if event[0] in ("x", "e"):
                verdict.exceptions += 1
                verdict.violations.append(f"R6: {process}: {event}")


def _reads(process: str, events: list[list[Any]]) -> Iterable[Read]:
    for event in events:
        if event[0] == "r":
            _, start, end, name, tenant, number, version, *said = event
            yield Read(process, start, end, (name, tenant, number), version, (said[0], said[1]))


def _writes(histories: dict[str, list[list[Any]]]) -> list[Write]:
    found: dict[tuple[str, int], Write] = {}
    for process, events in histories.items():
        for event in events:
            if event[0] == "w":
                _, number, kind, committing, returned, confirmed, names, versions = event
                places = {(name, tenant, n): version for name in names for tenant, n, version in versions}
                when = returned if confirmed else NEVER
                found[process, number] = Write(process, kind, committing, returned, when, places)
        for event in events:
            if event[0] == "c" and (process, event[1]) in found:
                found[process, event[1]].confirmed = event[2]
    return list(found.values())
