"""Make docs/reference/requirements.md: every row, and the tests and benchmarks that show it.

Rows come from docs/reference/requirements.toml, tests from the ``@pytest.mark.row("S1.4", ...)`` markers under
tests/, benchmarks from a constant ``ROWS = ("S1.13", ...)`` in their file; all read from the source without
importing it. A mark that names an unknown row, or one that the data calls "not code", is an error, so that a slip
of the pen can't pass for a proof. ``--check`` writes nothing and fails where the page is not up to date.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pages import REFERENCE, ROOT, settle, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DATA = REFERENCE / "requirements.toml"
PAGE = REFERENCE / "requirements.md"
INTRODUCTION = """# Requirements

What this library answers for, row by row, and what shows each row.

- *shown*: at least one test carries the row's marker, and `make test` runs it.
- *benchmark*: the row is a speed; the named benchmark measures it on your machine, and no test depends on it.
- *open*: nothing shows it yet.
- *not code*: no program can show it; the reason is given.

This page is made from `requirements.toml`, the markers in `tests/` and the constants `ROWS` in `benchmarks/` by `make docs`.
"""


STATUSES = ("shown", "benchmark", "open", "not code")


@dataclass(frozen=True)
class Document:
    """A group of rows: titles by row number, and why some of them are not code."""

    id: str
    title: str
    rows: dict[str, str]
    not_code: dict[str, str]

    def row_id(self, number: str) -> str:
        """The row's full name: ``S1.4``, ``F3.2``, ``W24``, ``FT2``, ``PR1``."""
        return f"{self.id}.{number}" if self.id.startswith("S") else f"{self.id}{number}"


@dataclass(frozen=True)
class Mark:
    """One row named by one test, or by a whole benchmark (no *test*)."""

    row: str
    test: str
    path: Path
    line: int

    @property
    def place(self) -> str:
        """Where to look: the file, and the test in it."""
        file = self.path.relative_to(ROOT)
        return f"`{file}::{self.test}`" if self.test else f"`{file}`"


# Which tests or benchmarks name a row.
Marks = dict[str, list[Mark]]


def documents() -> list[Document]:
    """The documents of requirements.toml."""
    with DATA.open("rb") as file:
        data = tomllib.load(file)
    return [
        Document(
            id=entry["id"],
            title=entry["title"],
            rows=dict(line.split(" ", 1) for line in entry["rows"].strip().splitlines()),
            not_code=entry.get("not_code", {}),
        )
        for entry in data["document"]
    ]


def marks() -> Iterator[Mark]:
    """Every row that a test names: on the function, on its class, or for the whole file by ``pytestmark``."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        rows = [row for value in _assigned(tree, "pytestmark") for row in _rows(_items(value))]
        yield from _marks_in(tree, path, rows, "")


def measured() -> Iterator[Mark]:
    """Every row that a benchmark names in its constant ``ROWS``."""
    for path in sorted((ROOT / "benchmarks").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        for value in _assigned(tree, "ROWS"):
            for item in _items(value):
                yield Mark(str(ast.literal_eval(item)), "", path, item.lineno)


def _marks_in(
    parent: ast.Module | ast.ClassDef, path: Path, inherited: list[ast.Constant], prefix: str
) -> Iterator[Mark]:
    for node in parent.body:
        if isinstance(node, ast.ClassDef):
            yield from _marks_in(node, path, inherited + _rows(node.decorator_list), f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            for row in inherited + _rows(node.decorator_list):
                yield Mark(str(row.value), prefix + node.name, path, row.lineno)


def _assigned(tree: ast.Module, name: str) -> list[ast.expr]:
    return [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    ]


def _items(value: ast.expr) -> list[ast.expr]:
    return value.elts if isinstance(value, ast.List | ast.Tuple) else [value]


def _rows(decorators: list[ast.expr]) -> list[ast.Constant]:
    """The names inside ``pytest.mark.row(...)``; anything but a plain string there is an error."""
    found: list[ast.Constant] = []
    for call in decorators:
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "row"):
            continue
        for argument in call.args:
            if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                sys.exit(f"line {argument.lineno}: a row marker holds plain strings, not {ast.unparse(argument)}")
            found.append(argument)
    return found


def page(groups: list[Document], shown: Marks, timed: Marks) -> str:
    """The page as Markdown: a summary, then one table per document."""
    parts = [INTRODUCTION, table(("", "rows", *STATUSES), (_summary(group, shown, timed) for group in groups))]
    for group in groups:
        rows = (
            (group.row_id(number), text, *_status(group, number, shown, timed)) for number, text in group.rows.items()
        )
        parts += [f"\n## {group.id}: {group.title}\n", table(("row", "what", "status", "shown by"), rows)]
    return "\n".join(parts) + "\n"


def _summary(group: Document, shown: Marks, timed: Marks) -> tuple[str, ...]:
    status = [_status(group, number, shown, timed)[0] for number in group.rows]
    return (f"**{group.id}**", str(len(status)), *(str(status.count(word)) for word in STATUSES))


def _status(group: Document, number: str, shown: Marks, timed: Marks) -> tuple[str, str]:
    if number in group.not_code:
        return "not code", group.not_code[number]
    row = group.row_id(number)
    places = "<br>".join(dict.fromkeys(mark.place for mark in shown.get(row, []) + timed.get(row, [])))
    return ("shown" if row in shown else "benchmark" if row in timed else "open"), places


def _by_row(found: Iterable[Mark]) -> Marks:
    sorted_out: Marks = defaultdict(list)
    for mark in found:
        sorted_out[mark.row].append(mark)
    return dict(sorted_out)


def wrong(groups: list[Document], found: Iterable[Mark]) -> list[str]:
    """A sentence for each mark that can't be true, and for each reason that belongs to no row."""
    known = {group.row_id(number) for group in groups for number in group.rows}
    unshowable = {group.row_id(number) for group in groups for number in group.not_code}
    said = [f"{DATA.name}: {row} is not code, but no row is called so" for row in sorted(unshowable - known)]
    for mark in found:
        where = f"{mark.path.relative_to(ROOT)}:{mark.line}"
        if mark.row not in known:
            said.append(f"{where}: no row is called {mark.row!r}")
        elif mark.row in unshowable:
            said.append(f"{where}: {mark.row} is marked here, and {DATA.name} says that it is not code")
    return list(dict.fromkeys(said))


def main(*words: str) -> int:
    """Write or check the page; the exit code."""
    groups, tests, benchmarks = documents(), list(marks()), list(measured())
    if said := wrong(groups, tests + benchmarks):
        print(*said, sep="\n", file=sys.stderr)
        return 1
    shown, timed = _by_row(tests), _by_row(benchmarks)
    count = sum(len(group.rows) for group in groups)
    print(f"{count} rows, {len(shown)} shown by tests, {len(timed.keys() - shown.keys())} by benchmarks alone")
    return settle({PAGE: page(groups, shown, timed)}, check="--check" in words)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
