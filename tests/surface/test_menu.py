"""What the project's own commands do: the menu, the checks behind it, and the pages that they hold up to date."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tools import check_links, run_tests

ROOT = Path(__file__).parents[2]
MENU = (ROOT / "Makefile").read_text(encoding="utf-8")
DOCS = ROOT / "docs"


def recipe(target: str) -> str:
    """The commands of a target of the Makefile."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MENU, re.MULTILINE)
    assert found, f"make {target} is not on the menu"
    return found[1]


def check(name: str) -> run_tests.Stage:
    """One stage of `make check`."""
    return next(stage for stage in run_tests.CHECKS if stage.name == name)


@pytest.mark.row("S0.38")
def test_make_check_demands_formatted_code_of_every_folder_that_holds_some():
    """Nothing is formatted on the way: the check only looks, and fails."""
    stage = check("format")
    assert stage.command[-3:] == ("ruff", "format", "--check")
    assert {"src", "tests", "tools", "benchmarks", "examples"} == set(stage.paths)


@pytest.mark.row("S0.39")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lint", "ruff check"),
        ("import contracts", "lint-imports"),
        ("types: mypy", "mypy"),
        ("types: basedpyright", "basedpyright"),
    ],
)
def test_make_check_runs_the_linter_the_contracts_and_both_type_checkers(name: str, words: str):
    """Each is a stage of its own, and the code of the library is in all of them."""
    stage = check(name)
    assert words in " ".join(stage.command)
    assert not stage.paths or "src" in stage.paths


@pytest.mark.row("S0.40")
def test_make_test_checks_before_it_tests_and_make_fix_mends():
    """What is cheap to find is found first; the mending is a command of its own, so no check hides a change."""
    assert run_tests.PLANS["test"][: len(run_tests.CHECKS)] == run_tests.CHECKS
    assert "tools/run_tests.py test" in recipe("test")
    assert "tools/run_tests.py check" in recipe("check")
    assert "ruff check --fix" in recipe("fix")
    assert "ruff format" in recipe("fix")


@pytest.mark.row("S0.37", "S1.34")
def test_every_test_file_belongs_to_a_stage_of_make_test():
    """A test that nobody runs shows nothing."""
    folders = [ROOT / path for stage in run_tests.PLANS["test"] if stage.tests for path in stage.paths]
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if "__pycache__" not in path.parts]
    forgotten = [path for path in files if not any(folder in path.parents for folder in folders)]
    assert forgotten == []
    assert next(stage.paths for stage in run_tests.PLANS["unit"]) == ("tests/unit",)
    assert "tools/run_tests.py unit" in recipe("unit")


@pytest.mark.row("S1.34")
def test_continuous_integration_runs_make_test_and_nothing_else():
    """What is green there is green here, and the other way round."""
    lines = [line.strip() for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()]
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["exec make test"]
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.row("S0.37", "S1.34")
@pytest.mark.parametrize(("body", "code"), [("pass", 0), ("assert False", 1), (None, run_tests.NO_TESTS_COLLECTED)])
def test_a_stage_is_fine_only_if_a_test_ran_and_none_failed(tmp_path: Path, body: str | None, code: int):
    """The runner trusts pytest's exit code: an empty folder is no success."""
    if body is not None:
        (tmp_path / "test_sample.py").write_text(f"def test_sample():\n    {body}\n", encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    stage = run_tests.pytest("sample", str(tmp_path))
    done = subprocess.run([*stage.command, *stage.found()], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == code


@pytest.mark.row("S1.35")
def test_every_link_of_every_page_leads_somewhere():
    """Files and headings; `make check` says the same."""
    assert [sentence for page in check_links.pages() for sentence in check_links.broken(page)] == []


@pytest.mark.row("S1.35")
def test_every_page_of_the_documentation_can_be_reached_from_its_front_page():
    """A page that no link leads to is a page that nobody reads."""
    seen: set[Path] = set()
    waiting = [DOCS / "index.md", ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        links = [match[1] or match[2] for match in check_links.LINK.finditer(check_links.prose(page))]
        paths = [link.partition("#")[0] for link in links if not link.startswith(check_links.OUTSIDE)]
        waiting += [(page.parent / path).resolve() for path in paths if path]
    assert sorted(set(DOCS.rglob("*.md")) - seen) == []


@pytest.mark.row("S1.35")
@pytest.mark.parametrize("tool", ["gen_requirements.py", "gen_reference.py"])
def test_generated_pages_are_held_to_their_sources(tool: str):
    """`make check` compares each with what it would be written as; `make docs` writes them."""
    assert any(f"tools/{tool}" in stage.command and "--check" in stage.command for stage in run_tests.CHECKS)
    assert f"tools/{tool}" in recipe("docs")


def test_every_fragment_of_the_changelog_has_a_known_type_and_says_something():
    """A fragment of an unknown type would be left out of the release without a word."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        known = {kind["directory"] for kind in tomllib.load(file)["tool"]["towncrier"]["type"]}
    fragments = [path for path in (ROOT / "changelog.d").iterdir() if path.name != "README.md"]
    assert fragments
    for path in fragments:
        _slug, kind, suffix = path.name.split(".")
        assert (kind in known, suffix) == (True, "md"), path.name
        assert path.read_text(encoding="utf-8").strip().endswith((".", "`")), path.name
    assert "towncrier build --draft" in recipe("changelog")
