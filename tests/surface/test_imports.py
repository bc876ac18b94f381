"""What `import evercache` costs and needs: nothing but itself and a few modules of the standard library.

Milliseconds depend on the machine; the list of modules does not, so that is what is held here.
"""

import ast
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import evercache

# What a package may bring along, and what of the standard library is slow to import.
FOREIGN = {
    "cryptography",
    "fastapi",
    "hiredis",
    "httpx",
    "msgspec",
    "pydantic",
    "redis",
    "sqlalchemy",
    "starlette",
    "structlog",
    "uvicorn",
    "zstandard",
}
HEAVY = {"asyncio", "concurrent.futures", "email", "http", "importlib.metadata", "multiprocessing", "socket", "ssl"}

LIST_MODULES = "import json, sys; print(json.dumps(sorted(sys.modules)))"
# msgspec is the one package that comes along with ours; it is still imported only when it is needed.
EXTRAS = FOREIGN - {"msgspec"}
# A finder that comes first and refuses, as if nothing but this package had been installed.
NOTHING_INSTALLED = f"""
import importlib.abc, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
"""


def run(code: str) -> str:
    """What a fresh interpreter prints for *code*."""
    # -P: the current folder must not stand in for an installed package.
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(statement: str) -> set[str]:
    """The modules that *statement* adds to those of a bare interpreter."""
    return set(json.loads(run(f"{statement}\n{LIST_MODULES}"))) - set(json.loads(run(LIST_MODULES)))


def test_importing_the_package_brings_no_other_package():
    """
    An application pays only for the parts that it uses, at the moment when it uses them.
    """
    assert {name.partition(".")[0] for name in loaded_by("import evercache")} & FOREIGN == set()


def test_importing_the_package_brings_no_event_loop_and_no_network():
    """
    Declaring a cache at import is free: asyncio alone costs more than all of our own modules.
    """
    assert loaded_by("import evercache") & HEAVY == set()


def test_the_version_is_the_one_that_was_installed():
    """
    There is one place for the version; the package asks for it only when asked.
    """
    told = run("import evercache; print(evercache.__version__)").strip()
    assert told == run("from importlib.metadata import version; print(version('evercache'))").strip()


# The names that are nothing without an extra.
NEED_REDIS = {"RedisClient", "SyncRedisClient", "get_redis_client"}
GET_ALL = f"""
import evercache
for name in evercache.__all__:
    try:
        getattr(evercache, name)
    except ImportError as error:
        assert name in {NEED_REDIS!r} and "pip install 'evercache[redis]'" in str(error), (name, error)
"""


def test_every_public_name_exists_without_any_extra():
    """
    `pip install evercache` alone works in memory; what needs an extra says which one to install.
    """
    run(NOTHING_INSTALLED + GET_ALL)


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_the_package_imports_without(extra: str):
    """
    Each extra alone may be missing.
    """
    run(NOTHING_INSTALLED.replace(repr(EXTRAS), repr({extra})) + GET_ALL)


def test_every_name_in_all_exists():
    """
    `__all__` is true: every name is there, none twice, and a star import brings exactly these.
    """
    assert len(set(evercache.__all__)) == len(evercache.__all__)
    space: dict[str, object] = {}
    exec("from evercache import *", space)  # noqa: S102 - the statement under test
    assert set(space) - {"__builtins__"} == set(evercache.__all__) - {"__builtins__"}


def test_nothing_public_is_left_out_of_all():
    """
    A name without an underscore that the package itself shows is meant to be used, so `__all__` says so.
    """
    modules = {module.name for module in pkgutil.iter_modules(evercache.__path__)}
    shown = {name for name in vars(evercache) if not name.startswith("_")} - modules
    assert shown - {"annotations", "TYPE_CHECKING"} <= set(evercache.__all__)


@pytest.mark.row("W7")
def test_no_module_of_the_package_can_read_a_pickle():
    """
    What can turn bytes into code is not imported anywhere, not even inside a function or by a name in a string.
    """
    refused = {"cloudpickle", "dill", "jsonpickle", "marshal", "pickle", "shelve"}
    named = {
        f"{path.name}: {name}"
        for path in Path(evercache.__path__[0]).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in names_in(node)
        if name.partition(".")[0] in refused
    }
    assert named == set()


def names_in(node: ast.AST) -> list[str]:
    """The modules that *node* imports, or could by a string that is nothing but a name."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case ast.Constant(value=str(text)):
            return [text]
        case _:
            return []
