"""The benchmarks: `python -m benchmarks.run [--quick] [--case NAME ...] [--json results.json]`.

Each case runs in a process of its own and compares with what else there is, in the same rounds. Ratios travel between
machines, absolute figures don't. `--page` writes docs/reference/benchmarks.md from the committed results, `--check`
only says whether it is up to date.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
RESULTS = ROOT / "results" / "benchmarks.json"
PAGE = ROOT.parent / "docs" / "reference" / "benchmarks.md"
CASES = ("l1_hit", "l1_memory", "l1_stall", "l2_get", "tag_invalidation", "stampede", "keys", "import_time", "http")
PACKAGES = (
    "redis", "hiredis", "msgspec", "cachebox", "async-lru", "theine", "fastapi-cache2", "aiocache", "cashews",
    "valkey-glide", "uvicorn", "uvloop", "httptools", "starlette", "fastapi", "fastapi-cachex", "hishel",
)  # fmt: skip
Results = dict[str, dict[str, dict[str, Any]]]  # Any: the fields of a Figure


def one(name: str, *, quick: bool) -> Results:
    """Run a case in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.run", "--inside", name, *(["--quick"] if quick else [])]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT.parent)
    results: Results = json.loads(done.stdout.splitlines()[-1])
    return results


def about() -> dict[str, Any]:
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    load = os.getloadavg()[0]
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "shared": load > 0.5,
        "load_before": round(load, 1),
        "python": platform.python_version(),
        "packages": found,
        "date": time.strftime("%Y-%m-%d"),
    }


def table(results: Results, goals: dict[str, dict[str, float]]) -> str:
    """Markdown: a row for each candidate of each shape, with its ratio to evercache in the same rounds."""
    lines = ["| what | candidate | median (least - most) | evercache / it | goal |", "|---|---|---:|---:|---:|"]
    for shape, figures in results.items():
        ours = figures.get("evercache", {}).get("median")
        for name, found in figures.items():
            spread = f"{found['median']:g} ({found['least']:g} - {found['most']:g}) {found['unit']}"
            comparable = (
                ours is not None
                and found["median"]
                and name != "evercache"
                and found["unit"] == figures["evercache"]["unit"]
            )
            ratio = f"{ours / found['median']:.2f}" if comparable else ""
            goal = goals.get(shape, {}).get(name)
            lines.append(f"| {shape} | {name} | {spread} | {ratio} | {'' if goal is None else f'{goal:.3g}'} |")
    return "\n".join(lines)


def page(run: dict[str, Any]) -> str:
    """The reference page of a results file."""
    what = run["run"]
    packages = ", ".join(f"{name} {number}" for name, number in what["packages"].items())
    shared = (
        f"The machine was shared while this ran (load {what['load_before']} before): ratios hold, absolute figures are "
        "worse than on a quiet one."
        if what["shared"]
        else "The machine was quiet."
    )
    parts = [
        "# Benchmarks\n",
        "*Made from benchmarks/results/benchmarks.json by `python -m benchmarks.run --page`.*\n",
        f"{what['date']}, {what['machine']}, CPython {what['python']}; {packages}. {shared}\n",
        (
            "Candidates take turns within each round of one process; a figure is the median over the rounds, with the least "
            "and the most. The column *evercache / it* divides medians of the same rounds: of times less is better, of rates "
            "more. A goal is the ratio (or, without a ratio, the figure) that this project set itself, whether it is met or "
            "not.\n"
        ),
    ]
    for name, results in run["cases"].items():
        case = importlib.import_module(f"benchmarks.cases.{name}")
        parts += [f"## {name}\n", " ".join((case.__doc__ or "").split()) + "\n", table(results, case.GOALS) + "\n"]
    return "\n".join(parts)


def settle(*, check: bool) -> None:
    text = page(json.loads(RESULTS.read_text()))
    if not check:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        raise SystemExit(f"{PAGE.relative_to(ROOT.parent)} is not up to date: python -m benchmarks.run --page")


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    ask.add_argument("--quick", action="store_true", help="few rounds: does everything run?")
    ask.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    ask.add_argument("--json", type=Path, help="where to write every figure; cases that aren't run keep theirs")
    ask.add_argument("--page", action="store_true", help="write the reference page from the committed results")
    ask.add_argument("--check", action="store_true", help="fail if the reference page is not up to date")
    ask.add_argument("--inside", choices=CASES, help=argparse.SUPPRESS)
    given = ask.parse_args()
    if given.inside:
        case = importlib.import_module(f"benchmarks.cases.{given.inside}")
        print(json.dumps(asyncio.run(case.run(quick=given.quick))))
        return
    if given.page or given.check:
        settle(check=given.check)
        return
    run: dict[str, Any] = {"run": about(), "cases": {}}
    if given.json is not None and given.json.exists():
        before = json.loads(given.json.read_text())
        run["cases"] = before["cases"]
        # One line speaks for all figures, and those that are kept may have been taken on a busier machine.
        busier = max(run["run"], before["run"], key=lambda about: about["load_before"])
        run["run"] |= {name: busier[name] for name in ("shared", "load_before")}
    for name in given.case:
        run["cases"][name] = results = one(name, quick=given.quick)
        case = importlib.import_module(f"benchmarks.cases.{name}")
        print(f"\n{name}\n\n{table(results, case.GOALS)}", flush=True)
        if given.json is not None:
            given.json.write_text(json.dumps(run, indent=1) + "\n")


if __name__ == "__main__":
    main()
