"""Hit ratios of eviction policies: `python -m benchmarks.hit_ratio [--traces DIR] [--json out.json]`.

Every trace runs at 1, 5, 10 and 25 % of its distinct keys. Two figures sum up a policy: the mean of its hit ratios, and
the mean share of the hits that Belady's optimum gets. Published traces come from the folder, in the formats of the
Caffeine simulator's resources, cut to their first million requests; without a folder there are the generated ones.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import TypedDict

from benchmarks.hit_ratio import traces
from benchmarks.hit_ratio.policies import available

SHARES = (0.01, 0.05, 0.10, 0.25)


class Cell(TypedDict):
    """One trace at one capacity: hits in % of requests, and CPU per request, by policy."""

    trace: str
    group: str
    requests: int
    distinct: int
    capacity: int
    share: float
    hit_ratio: dict[str, float]
    us_per_request: dict[str, float]


class Summary(TypedDict):
    """A policy over one group of traces: mean hit ratio in %, and mean share of the optimum's hits in %."""

    hit_ratio: float
    of_optimum: float


def measure(name: str, group: str, trace: Sequence[int], share: float, policies: Sequence[str]) -> Cell:
    distinct = len(set(trace))
    capacity = max(1, int(distinct * share))
    ratio: dict[str, float] = {}
    cost: dict[str, float] = {}
    for policy in policies:
        run = available()[policy]
        start = time.process_time()
        hits = run(trace, capacity)
        cost[policy] = round((time.process_time() - start) / len(trace) * 1e6, 3)
        ratio[policy] = round(100 * hits / len(trace), 3)
    return {
        "trace": name,
        "group": group,
        "requests": len(trace),
        "distinct": distinct,
        "capacity": capacity,
        "share": share,
        "hit_ratio": ratio,
        "us_per_request": cost,
    }


def groups(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """The cells by where the trace comes from, those of application-like traces, and all."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell["group"], []).append(cell)
        if cell["trace"] in traces.APPLICATION:
            found.setdefault("application", []).append(cell)
        found.setdefault("all", []).append(cell)
    return found


def summarise(cells: Sequence[Cell], policy: str) -> Summary:
    return {
        "hit_ratio": round(mean(cell["hit_ratio"][policy] for cell in cells), 2),
        "of_optimum": round(mean(100 * cell["hit_ratio"][policy] / cell["hit_ratio"]["belady"] for cell in cells), 2),
    }


def workloads(folder: Path | None, scale: float) -> Iterator[tuple[str, str, Sequence[int]]]:
    if folder is not None:
        for name, trace in traces.from_folder(folder):
            yield "published", name, trace
    for name, trace in traces.generated(scale):
        yield "generated", name, trace


def row(cell: Cell) -> str:
    figures = "".join(f"{ratio:11.2f}" for ratio in cell["hit_ratio"].values())
    return f"{cell['trace']:16}{cell['capacity']:8}{figures}"


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m benchmarks.hit_ratio", description=__doc__)
    ask.add_argument("--traces", type=Path, default=os.environ.get("EVERCACHE_TRACES"), help="folder of *.trace.gz|xz")
    ask.add_argument("--json", type=Path, help="where to write every figure")
    ask.add_argument("--policies", nargs="+", default=list(available()), choices=list(available()))
    ask.add_argument("--scale", type=float, default=1.0, help="length of the generated traces (1.0: 300,000 requests)")
    given = ask.parse_args()
    policies = list(dict.fromkeys(["belady", *given.policies]))
    print(f"{'trace':16}{'items':>8}" + "".join(f"{policy:>11}" for policy in policies))
    cells: list[Cell] = []
    for group, name, trace in workloads(given.traces and Path(given.traces), given.scale):
        for share in SHARES:
            cells.append(measure(name, group, trace, share, policies))
            print(row(cells[-1]), flush=True)
    summary = {
        group: {policy: summarise(of, policy) for policy in policies} for group, of in sorted(groups(cells).items())
    }
    for group, by_policy in summary.items():
        print(f"\n{group}: mean hit ratio, share of the optimum")
        for policy, figures in by_policy.items():
            print(f"{policy:12}{figures['hit_ratio']:8.2f}{figures['of_optimum']:8.2f}")
    if given.json is not None:
        given.json.write_text(json.dumps({"run": about(), "summary": summary, "cells": cells}, indent=1) + "\n")


def about() -> dict[str, str]:
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


if __name__ == "__main__":
    main()
