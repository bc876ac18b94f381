"""What type checkers accept and refuse. Both run as a project of ours would run them: strictly."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MARK = "# refused"


def marked(sample: Path) -> set[int]:
    """The lines that have to be refused."""
    lines = sample.read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, start=1) if line.endswith(MARK)}


def refused_by_mypy(sample: Path) -> set[int]:
    """The lines of *sample* with an error."""
    command = [sys.executable, "-m", "mypy", "--no-pretty", "--hide-error-context", "--no-error-summary", str(sample)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stderr + run.stdout
    pattern = re.compile(rf"^{re.escape(str(sample.relative_to(ROOT)))}:(\d+): error:", re.MULTILINE)
    return {int(number) for number in pattern.findall(run.stdout.replace(f"{ROOT}/", ""))}


def refused_by_basedpyright(sample: Path) -> set[int]:
    """The lines of *sample* with an error."""
    program = str(Path(sys.executable).with_name("basedpyright"))
    command = [program, "--pythonpath", sys.executable, "--outputjson", str(sample)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stderr + run.stdout
    found = json.loads(run.stdout)["generalDiagnostics"]
    return {item["range"]["start"]["line"] + 1 for item in found if item["severity"] == "error"}


@pytest.mark.parametrize("checker", [refused_by_mypy, refused_by_basedpyright])
@pytest.mark.parametrize("sample", sorted(HERE.glob("*/*.py")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_exactly_the_marked_lines_are_refused(checker, sample):
    """
    Signatures survive the decorators: right calls are accepted, wrong ones refused, by mypy and by basedpyright.
    """
    assert checker(sample) == marked(sample)
    assert bool(marked(sample)) == (sample.parent.name == "refused")
