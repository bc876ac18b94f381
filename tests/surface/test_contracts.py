"""The import contracts bite: a copy of the package with one wrong line is refused, and the untouched copy is not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package and its contracts, where they may be spoiled."""
    shutil.copytree(ROOT / "src" / "evercache", tmp_path / "evercache", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def verdict(folder: Path) -> tuple[int, str]:
    """The linter's exit code and what it said about *folder*."""
    done = subprocess.run(
        [LINTER, "--no-cache", "--no-logo"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_package_keeps_its_contracts(copy: Path):
    """
    Floors are stacked, and foreign packages stay where their name is.
    """
    code, said = verdict(copy)
    assert code == 0, said


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("core/entry.py", "import asyncio", "The core decides"),
        ("core/entry.py", "import msgspec", "The core decides"),
        ("core/entry.py", "import evercache.codecs", "Floors"),
        ("stores/memory.py", "import redis", "Only evercache.stores.redis imports redis"),
        ("codecs/base.py", "import pydantic", "A file named after a package"),
        ("stores/redis/__init__.py", "import pickle", "Nothing reads or writes pickles"),
        ("attic.py", "", "Floors"),
    ],
)
def test_a_wrong_import_breaks_a_contract(copy: Path, file: str, line: str, broken: str):
    """
    Each contract refuses what it is there for; a new module that says nowhere where it stands is refused too.
    """
    target = copy / "evercache" / file
    source = target.read_text(encoding="utf-8") if target.exists() else ""
    target.write_text(f"{source}\n{line}\n", encoding="utf-8")
    code, said = verdict(copy)
    assert code == 1, said
    refused = said.partition("Broken contracts")[2]
    assert broken in refused, said
