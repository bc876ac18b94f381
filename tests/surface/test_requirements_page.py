"""The list of rows can't claim what nothing shows: each mark is held to the rows, each reason to a row."""

import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest

ROOT = Path(__file__).parents[2]
DATA = '''
[[document]]
id = "S9"
title = "A sample"
rows = """
1 is tested
2 is measured
3 is nothing yet
4 is a plan
"""

[document.not_code]
4 = "planning"
'''
TEST = 'import pytest\n\n\n@pytest.mark.row("{row}")\ndef test_it():\n    pass\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one document, one test and one benchmark, with the real tools."""
    copytree(ROOT / "tools", tmp_path / "tools", ignore=lambda *_: {"__pycache__"})
    for folder in ("docs/reference", "tests", "benchmarks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "docs/reference/requirements.toml").write_text(DATA, encoding="utf-8")
    (tmp_path / "tests/test_sample.py").write_text(TEST.format(row="S9.1"), encoding="utf-8")
    (tmp_path / "benchmarks/speed.py").write_text('ROWS = ("S9.2",)\n', encoding="utf-8")
    return tmp_path


def generate(project: Path, *words: str) -> tuple[int, str]:
    """The exit code of the generator in *project*, and what it said."""
    done = subprocess.run(
        [sys.executable, project / "tools/gen_requirements.py", *words], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_each_row_is_shown_measured_open_or_not_code(project: Path):
    """By a test, by a benchmark, by nothing, or with the reason why nothing can."""
    assert generate(project)[0] == 0
    lines = (project / "docs/reference/requirements.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("| S9.")] == [
        "| S9.1 | is tested | shown | `tests/test_sample.py::test_it` |",
        "| S9.2 | is measured | benchmark | `benchmarks/speed.py` |",
        "| S9.3 | is nothing yet | open |  |",
        "| S9.4 | is a plan | not code | planning |",
    ]
    assert generate(project, "--check")[0] == 0


@pytest.mark.parametrize(("row", "complaint"), [("S9.5", "no row is called 'S9.5'"), ("S9.4", "it is not code")])
def test_a_mark_on_what_is_no_row_is_refused(project: Path, row: str, complaint: str):
    """A slip of the pen can't pass for a proof."""
    (project / "tests/test_sample.py").write_text(TEST.format(row=row), encoding="utf-8")
    code, said = generate(project)
    assert code == 1
    assert "tests/test_sample.py:4: " in said
    assert complaint in said


def test_a_page_that_is_not_up_to_date_fails_the_check(project: Path):
    """And the check writes nothing."""
    generate(project)
    (project / "benchmarks/speed.py").unlink()
    before = (project / "docs/reference/requirements.md").read_bytes()
    code, said = generate(project, "--check")
    assert (code, "run make docs" in said) == (1, True)
    assert (project / "docs/reference/requirements.md").read_bytes() == before
