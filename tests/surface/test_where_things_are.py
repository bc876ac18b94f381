"""The table of docs/reference/where-things-are.md is true: what it names can be imported, or is a file."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "where-things-are.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ")
][2:]
THINGS = sorted({name for _, here, _ in ROWS for name in re.findall(r"`(evercache[\w.]*)`", here)})
FILES = sorted({link for _, here, shown in ROWS for link in re.findall(r"\]\(([^)]+)\)", f"{here} {shown}")})
ELSEWHERE = sorted({path for row in ROWS for path in re.findall(r"`([\w/]+\.py)`", row[0])})


def found(name: str) -> object:
    """The module *name*, or what a module calls so."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


@pytest.mark.row("S0.1", "S0.2", "S0.3", "S0.18", "S1.15", "S1.26", "S2.22")
@pytest.mark.parametrize("name", THINGS)
def test_what_is_said_to_be_here_can_be_imported(name: str):
    """A file of the documents has a module of ours, or several."""
    assert found(name) is not None


@pytest.mark.row("S0.33", "S0.35", "S2.104")
@pytest.mark.parametrize("link", FILES)
def test_a_file_that_is_named_exists_and_a_test_file_holds_tests(link: str):
    """What shows a thing is there to be run."""
    file = (PAGE.parent / link).resolve()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    if "tests" in file.relative_to(ROOT).parts:
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        assert any(name.startswith("test_") for name in names)


@pytest.mark.row("S0.3")
@pytest.mark.parametrize(
    "path",
    [
        "src/cache/__init__.py",
        "src/cache/redis_client.py",
        "src/cache/decorators.py",
        "src/main.py",
        "src/routers/tasks.py",
        "app/core/redis_client.py",
        "app/services/cache_service.py",
        "app/services/redis_service.py",
        "app/core/config.py",
        "app/core/exceptions.py",
        "tests/unit/test_redis_client.py",
        "tests/unit/test_decorators.py",
        "tests/unit/test_redis_service.py",
    ],
)
def test_each_file_of_the_documents_has_a_line(path: str):
    """Who looks for a file by its old name finds it."""
    assert path in ELSEWHERE


@pytest.mark.row("S0.4")
def test_redis_py_is_the_client_library():
    """The raw client that `RedisClient` hands out is redis-py's own."""
    redis = importlib.import_module("redis.asyncio")
    client = importlib.import_module("evercache").RedisClient("redis://127.0.0.1:1")
    assert type(client.client) is redis.Redis
