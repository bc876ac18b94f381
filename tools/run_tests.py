"""Run the project's checks and tests, one stage after the other: ``run_tests.py test | check | unit [--go-on]``.

The first failure stops, unless ``--go-on`` asks for all of them. A stage whose folder does not exist yet is named and passed over; a folder in which
pytest finds no test is a failure, because somebody believes that something is shown there. The last line
counts what really ran, read from pytest's own reports.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "reports"
CODE = ("src", "tests", "tools", "benchmarks", "examples")
TYPED = ("src", "examples", "tools", "tests/typing/accepted")
# Samples that a type checker must refuse are run by the tests in tests/typing, one by one.
STRICT = ("src", "tests/typing/accepted")
NO_TESTS_COLLECTED = 5


@dataclass(frozen=True)
class Stage:
    """A name and the command behind it; of *paths*, the command is given those that exist."""

    name: str
    command: tuple[str, ...]
    paths: tuple[str, ...] = ()
    tests: bool = False

    def found(self) -> list[str]:
        """The paths that exist now."""
        return [path for path in self.paths if (ROOT / path).exists()]


@dataclass
class Count:
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add_report(self, report: Path) -> None:
        """Count what pytest wrote into *report*."""
        for suite in ET.parse(report).getroot().iter("testsuite"):
            number = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
            bad = number["failures"] + number["errors"]
            self.failed += bad
            self.skipped += number["skipped"]
            self.passed += max(0, number["tests"] - bad - number["skipped"])

    def __str__(self) -> str:
        """The closing line: ``12 passed, 0 failed``."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def python(*words: str) -> tuple[str, ...]:
    """A command that this environment's Python runs."""
    return (sys.executable, *words)


def program(name: str) -> str:
    """A program of this environment."""
    return str(Path(sys.executable).with_name(name))


def pytest(name: str, path: str, *, only: str = "") -> Stage:
    """A stage that pytest runs, *only* tests with these markers; *name* becomes the name of its report."""
    return Stage(name, python("-m", "pytest", "--quiet", *(["-m", only] if only else [])), (path,), tests=True)


CHECKS = (
    Stage("format", python("-m", "ruff", "format", "--check"), CODE),
    Stage("lint", python("-m", "ruff", "check"), CODE),
    Stage("import contracts", (program("lint-imports"), "--no-logo")),
    Stage("types: mypy", python("-m", "mypy"), TYPED),
    Stage("types: basedpyright", (program("basedpyright"),), STRICT),
    Stage("requirements page", python("tools/gen_requirements.py", "--check")),
    Stage("reference pages", python("tools/gen_reference.py", "--check")),
    Stage("benchmarks page", python("-m", "benchmarks.run", "--check")),
    Stage("figures", python("tools/gen_figures.py", "--check")),
    Stage("links", python("tools/check_links.py")),
)
UNIT = (
    pytest("unit", "tests/unit"),
    pytest("property", "tests/property"),
    pytest("formats", "tests/formats"),
)
# One topology at a time, and never beside the simulation: a cluster on two busy cores looks like a broken one.
SERVED = (
    pytest("contract", "tests/contract"),
    pytest("simulation", "tests/simulation"),
    pytest("integration", "tests/integration", only="not sentinel and not cluster"),
    pytest("integration: sentinel", "tests/integration", only="sentinel"),
    pytest("integration: cluster", "tests/integration", only="cluster"),
    pytest("chaos", "tests/chaos"),
    pytest("concurrency", "tests/concurrency"),
    pytest("apps", "tests/apps"),
    pytest("typing", "tests/typing"),
    pytest("surface", "tests/surface"),
    pytest("docs", "tests/docs"),
)
PLANS = {"check": CHECKS, "unit": UNIT, "test": CHECKS + UNIT + SERVED}


@dataclass
class Run:
    """What happened so far: a line per stage, and the count of tests."""

    count: Count = field(default_factory=Count)
    lines: list[str] = field(default_factory=list)

    def stage(self, stage: Stage) -> bool:
        """Run *stage*; True if it is fine to go on."""
        paths = stage.found()
        if stage.paths and not paths:
            self._note(stage.name, "nothing there yet", 0.0)
            return True
        print(f"\n── {stage.name}", flush=True)
        began = time.monotonic()
        code = self._run(stage, paths)
        verdict = "ok" if code == 0 else "NO TEST FOUND" if stage.tests and code == NO_TESTS_COLLECTED else "FAILED"
        self._note(stage.name, verdict, time.monotonic() - began)
        return code == 0

    def all(self, stages: Iterable[Stage], *, go_on: bool) -> bool:
        """Run *stages*, after a failure only if told to *go on*; True if every one was fine."""
        fine = True
        for stage in stages:
            fine = self.stage(stage) and fine
            if not fine and not go_on:
                self.lines.append("   stopped at the first failure")
                break
        return fine

    def close(self) -> None:
        """Print what ran; the last line is the count of tests, where there were any."""
        print("\n── stages", *self.lines, sep="\n")
        if self.count != Count():
            print(self.count, flush=True)

    def _run(self, stage: Stage, paths: list[str]) -> int:
        report = REPORTS / f"{stage.name.replace(': ', '-')}.xml"
        wanted = [f"--junitxml={report}"] if stage.tests else []
        code = subprocess.run([*stage.command, *paths, *wanted], cwd=ROOT, check=False).returncode
        if report.exists():
            self.count.add_report(report)
        return code

    def _note(self, name: str, verdict: str, seconds: float) -> None:
        self.lines.append(f"   {name:24}{verdict:20}{seconds:7.1f} s")


def require_redis_server() -> None:
    """Name the redis-server that the tests will start, or end with the sentence that says what to install."""
    from evercache.testing.servers import ServerNotFound, find_redis_server

    try:
        print(f"redis-server: {find_redis_server()}")
    except ServerNotFound as absent:
        sys.exit(str(absent))


def main(plan: str = "test", *words: str) -> int:
    """Run *plan*; the exit code is 0 only if every stage was fine."""
    if plan == "test":
        require_redis_server()
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    run = Run()
    fine = run.all(PLANS[plan], go_on="--go-on" in words)
    run.close()
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
