"""Make docs/reference/requirements.md: every row, and the tests that show it.

Rows come from docs/reference/requirements.toml, tests from the ``@pytest.mark.row("S1.4", ...)`` markers under
tests/, read from the source without importing it. A marker that names an unknown row is an error, so that a
slip of the pen can't pass for a proof. ``--check`` writes nothing and fails where the page is not up to date.
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
    from collections.abc import Iterator

DATA = REFERENCE / "requirements.toml"
PAGE = REFERENCE / "requirements.md"
INTRODUCTION = """# Requirements

What this library answers for, row by row, and the tests that show each row.
*Shown* means that at least one test carries the row's marker, and `make test` runs it; *open* means that none does yet; *process* rows are about the work itself, and no test can show them.
This page is made from `requirements.toml` and the markers in `tests/` by `make docs`.
"""


@dataclass(frozen=True)
class Document:
    """A group of rows: titles by row number, and the numbers that no test can show."""

    id: str
    title: str
    rows: dict[str, str]
    process: frozenset[str]

    def row_id(self, number: str) -> str:
        """The row's full name: ``S1.4``, ``F3.2``, ``W24``, ``FT2``, ``PR1``."""
        return f"{self.id}.{number}" if self.id.startswith("S") else f"{self.id}{number}"


@dataclass(frozen=True)
class Mark:
    """One row named by one test."""

    row: str
    test: str
    path: Path
    line: int


def documents() -> list[Document]:
    """The documents of requirements.toml."""
    with DATA.open("rb") as file:
        data = tomllib.load(file)
    return [
        Document(
            id=entry["id"],
            title=entry["title"],
            rows=dict(line.split(" ", 1) for line in entry["rows"].strip().splitlines()),
            process=frozenset(map(str, entry.get("process", ()))),
        )
        for entry in data["document"]
    ]


def marks() -> Iterator[Mark]:
    """Every row that a test names: on the function, on its class, or for the whole file by ``pytestmark``."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        yield from _marks_in(tree, path, _rows_of_file(tree), "")


def _marks_in(
    parent: ast.Module | ast.ClassDef, path: Path, inherited: list[ast.Constant], prefix: str
) -> Iterator[Mark]:
    for node in parent.body:
        if isinstance(node, ast.ClassDef):
            yield from _marks_in(node, path, inherited + _rows(node.decorator_list), f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            for row in inherited + _rows(node.decorator_list):
                yield Mark(str(row.value), prefix + node.name, path, row.lineno)


def _rows_of_file(tree: ast.Module) -> list[ast.Constant]:
    values = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(name, ast.Name) and name.id == "pytestmark" for name in node.targets)
    ]
    return [row for value in values for row in _rows(value.elts if isinstance(value, ast.List) else [value])]


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


def page(groups: list[Document], shown: dict[str, list[Mark]]) -> str:
    """The page as Markdown: a summary, then one table per document."""
    parts = [
        INTRODUCTION,
        table(("", "rows", "shown", "open", "process"), (_summary(group, shown) for group in groups)),
    ]
    for group in groups:
        rows = ((group.row_id(number), text, *_status(group, number, shown)) for number, text in group.rows.items())
        parts += [f"\n## {group.id}: {group.title}\n", table(("row", "what", "status", "tests"), rows)]
    return "\n".join(parts) + "\n"


def _summary(group: Document, shown: dict[str, list[Mark]]) -> tuple[str, ...]:
    status = [_status(group, number, shown)[0] for number in group.rows]
    return (f"**{group.id}**", str(len(status)), *(str(status.count(word)) for word in ("shown", "open", "process")))


def _status(group: Document, number: str, shown: dict[str, list[Mark]]) -> tuple[str, str]:
    tests = shown.get(group.row_id(number), [])
    if not tests:
        return ("process" if number in group.process else "open"), ""
    return "shown", "<br>".join(dict.fromkeys(f"`{mark.path.relative_to(ROOT)}::{mark.test}`" for mark in tests))


def main(*words: str) -> int:
    """Write or check the page; the exit code."""
    groups = documents()
    known = {group.row_id(number) for group in groups for number in group.rows}
    shown: dict[str, list[Mark]] = defaultdict(list)
    unknown: list[str] = []
    for mark in marks():
        shown[mark.row].append(mark)
        if mark.row not in known:
            unknown.append(f"{mark.path.relative_to(ROOT)}:{mark.line}: no row is called {mark.row!r}")
    if unknown:
        print(*dict.fromkeys(unknown), sep="\n", file=sys.stderr)
        return 1
    print(f"{len(known)} rows, {len(shown)} shown by tests")
    return settle({PAGE: page(groups, shown)}, check="--check" in words)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
