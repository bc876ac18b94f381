"""Every relative link in the project's Markdown leads to a file, and every anchor to a heading."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
OUTSIDE = ("http://", "https://", "mailto:")


def pages() -> list[Path]:
    """The project's own Markdown files."""
    found = [*ROOT.glob("*.md")]
    for folder in ("docs", "benchmarks", "changelog.d", "deploy", "examples", "tests"):
        found += (ROOT / folder).rglob("*.md")
    return sorted(found)


def prose(page: Path) -> str:
    """The text of *page* without its code blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """The anchors that a Markdown renderer gives to the headings of *page*."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#{1,6}\s+(.+?)\s*#*$", text, re.MULTILINE)
    named = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    return named | {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    """A sentence for each link of *page* that leads nowhere."""
    wrong: list[str] = []
    for match in LINK.finditer(prose(page)):
        link = match.group(1) or match.group(2)
        if link.startswith(OUTSIDE):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            wrong.append(f"{page.relative_to(ROOT)}: {link} leads to no file")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            wrong.append(f"{page.relative_to(ROOT)}: {link} leads to no heading of {target.name}")
    return wrong


def main() -> int:
    """Print every broken link; the exit code says whether there was one."""
    wrong = [sentence for page in pages() for sentence in broken(page)]
    print(*wrong, f"{len(pages())} pages, {len(wrong)} broken links", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
