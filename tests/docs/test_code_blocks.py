"""Every Python block of the README and of docs/ runs, in the order of its page, against a real Redis.

- The blocks of one page share their names, as a reader's session would; `await` may stand outside of a function.
- `redis://localhost:6379` is the address that readers have; here it becomes that of the test's own server.
- A block under `<!-- not run: why -->` is only compiled.
- Pages that are made from the source are left out: their blocks are signatures.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

import pytest

ROOT = Path(__file__).parents[2]
MADE = ROOT / "docs" / "reference"
BLOCK = re.compile(r"(?P<note><!-- not run: .+? -->\s*)?^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
READERS_REDIS = re.compile(r"redis://localhost(:6379)?(?=[/\"'?])")


@dataclass
class Block:
    """One piece of code, where it stands, and whether it runs."""

    text: str
    line: int
    runs: bool

    def compiled(self, page: Path, redis_url: str) -> CodeType:
        """The block as code whose lines are those of its page."""
        text = "\n" * self.line + READERS_REDIS.sub(redis_url.removesuffix("/0"), self.text)
        return compile(text, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def pages() -> list[Path]:
    """The README and the written pages of docs/ that have Python blocks."""
    written = (page for page in sorted((ROOT / "docs").rglob("*.md")) if MADE not in page.parents)
    return [ROOT / "README.md", *(page for page in written if any(blocks(page)))]


def blocks(page: Path) -> Iterator[Block]:
    """The Python blocks of *page*."""
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        yield Block(match["code"], text.count("\n", 0, match.start("code")), runs=match["note"] is None)


def test_the_finder_sees_what_runs_and_what_does_not(tmp_path: Path):
    """
    A block is found with its line; a note above it keeps it from running, and only that one.
    """
    page = tmp_path / "page.md"
    page.write_text("# A\n\n```python\na = 1\n```\n\n<!-- not run: no key -->\n```python\nb = 2\n```\n\n```\nc\n```\n")
    assert [(block.text, block.line, block.runs) for block in blocks(page)] == [
        ("a = 1\n", 3, True),
        ("b = 2\n", 8, False),
    ]


@pytest.mark.expects_logs
@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages()])
async def test_the_blocks_of_a_page_run(page: Path, redis_url: str):
    """
    What a reader copies works.
    """
    space = ModuleType(f"page_{page.stem.replace('-', '_')}")
    sys.modules[space.__name__] = space
    try:
        for block in blocks(page):
            code = block.compiled(page, redis_url)
            if block.runs:
                answer = eval(code, space.__dict__)  # noqa: S307 - our own documents
                if code.co_flags & inspect.CO_COROUTINE:
                    await answer
    finally:
        del sys.modules[space.__name__]
