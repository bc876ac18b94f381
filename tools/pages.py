"""What the page generators share: write a page, or check that it says what it would be written as."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [list(head)]
    lines += [["---"] * len(lines[0])]
    lines += [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def settle(pages: Mapping[Path, str], *, check: bool) -> int:
    """Write *pages*, or with *check* only say which of them are not up to date; the exit code."""
    late = [page for page, text in pages.items() if not page.exists() or page.read_text(encoding="utf-8") != text]
    for page in late:
        name = page.relative_to(ROOT)
        if check:
            print(f"{name} is not up to date: run make docs", file=sys.stderr)
            continue
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text := pages[page], encoding="utf-8")
        print(f"{name}: {len(text.splitlines())} lines")
    return 1 if check and late else 0
