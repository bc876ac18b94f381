"""Run the project's checks and tests, one stage after the other: ``run_tests.py test | check | unit``.

The first failure stops. A stage whose folder does not exist yet is named and passed over; a folder in which
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
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "reports"
CODE = ("src", "tests", "tools", "benchmarks", "examples")
TYPED = ("src", "tests/typing", "examples", "tools")
# Samples that a type checker must refuse are run by the tests in tests/typing, one by one.
STRICT = ("src", "tests/typing/accepted")
NO_TESTS_COLLECTED = 5


@dataclass(frozen=True)
class Stage:
    """A name and the command behind it; of *paths*, the command is given those that exist."""

    name: str
    command: tuple[str, ...]
    paths: tuple[str, ...] = ()

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
    return Stage(name, python("-m", "pytest", "--quiet", *(["-m", only] if only else [])), (path,))


CHECKS = (
    Stage("format", python("-m", "ruff", "format", "--check"), CODE),
    Stage("lint", python("-m", "ruff", "check"), CODE),
    Stage("import contracts", (program("lint-imports"), "--no-logo")),
    Stage("types: mypy", python("-m", "mypy"), TYPED),
    Stage("types: basedpyright", (program("basedpyright"),), STRICT),
    Stage("requirements page", python("tools/gen_requirements.py", "--check")),
    Stage("reference pages", python("tools/gen_reference.py", "--check")),
    Stage("links", python("tools/check_links.py")),
)
UNIT = (
    pytest("unit", "tests/unit"),
    pytest("property", "tests/property"),
    pytest("contract", "tests/contract"),
)
# One topology at a time, and never beside the simulation: a cluster on two busy cores looks like a broken one.
SERVED = (
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
        verdict = {0: "ok", NO_TESTS_COLLECTED: "NO TEST FOUND"}.get(code, "FAILED") if self._is_pytest(stage) else ""
        self._note(stage.name, verdict or ("FAILED" if code else "ok"), time.monotonic() - began)
        return code == 0

    def close(self, *, whole: bool) -> None:
        """Print what ran, and the count as the last line."""
        print("\n── stages", *self.lines, sep="\n")
        if not whole:
            print("stopped at the first failure")
        if self.count.passed or self.count.failed or not whole:
            print(self.count, flush=True)

    def _run(self, stage: Stage, paths: list[str]) -> int:
        command = [*stage.command, *paths]
        if not self._is_pytest(stage):
            return subprocess.run(command, cwd=ROOT, check=False).returncode
        report = REPORTS / f"{stage.name.replace(': ', '-')}.xml"
        report.unlink(missing_ok=True)
        code = subprocess.run([*command, f"--junitxml={report}"], cwd=ROOT, check=False).returncode
        if report.exists():
            self.count.add_report(report)
        return code

    def _is_pytest(self, stage: Stage) -> bool:
        return "pytest" in stage.command

    def _note(self, name: str, verdict: str, seconds: float) -> None:
        self.lines.append(f"   {name:24}{verdict:20}{seconds:7.1f} s")


def require_redis_server() -> str | None:
    """Name the redis-server that the tests will start; None, and a sentence, if there is none."""
    try:
        from evercache.testing.servers import find_redis_server
    except ModuleNotFoundError as missing:
        print(f"redis-server: not looked for, {missing}")
        return "unknown"
    try:
        return str(find_redis_server())
    except Exception as absent:  # noqa: BLE001 - whatever it says is the sentence to print
        print(absent)
        return None


def main(plan: str = "test") -> int:
    """Run *plan*; the exit code is 0 only if every stage was fine."""
    if plan == "test":
        server = require_redis_server()
        if server is None:
            return 1
        print(f"redis-server: {server}")
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    run = Run()
    whole = all(run.stage(stage) for stage in PLANS[plan])
    run.close(whole=whole)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
