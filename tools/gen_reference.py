"""Make the pages of docs/reference/ that can be made from the source: api, settings, errors, events, lua.

Text and signatures are read from the source itself, so that a page is the same under every Python. A public name
without a docstring is an error: it would be an empty line on the page. What does not exist yet is left out.
``--check`` writes nothing and fails where a page is not up to date.
"""

from __future__ import annotations

import ast
import importlib
import sys
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from inspect import cleandoc
from itertools import pairwise
from pathlib import Path
from types import ModuleType

from pages import REFERENCE, ROOT, settle, table

SOURCE = ROOT / "src" / "evercache"
# The modules that users import from; each states its names in __all__.
PUBLIC = (
    "evercache",
    "evercache.errors",
    "evercache.starlette",
    "evercache.fastapi",
    "evercache.insight",
    "evercache.rules",
    "evercache.testing",
    "evercache.warming",
)
MADE = "*Made from the source by `make docs`.*\n"
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Reader:
    """Reads public names; *silent* collects those that say nothing about themselves."""

    silent: list[str] = field(default_factory=list)

    def module(self, name: str) -> str:
        """The section of one module: its first paragraph, then its names."""
        introduction = _first_paragraph(importlib.import_module(name).__doc__ or "")
        return f"## {name}\n\n{introduction}\n\n{self.names(name)}"

    def names(self, name: str) -> str:
        """The public names of one module: each with its signature, its docstring, and for classes its methods."""
        module = importlib.import_module(name)
        public: list[str] = sorted(getattr(module, "__all__", ()), key=str.lower)
        return "\n".join(part for each in public for part in self._name(name, each, getattr(module, each)))

    def _name(self, module: str, name: str, thing: object) -> list[str]:
        home, qualified = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
        node = _definition(home, qualified) if isinstance(home, str) and isinstance(qualified, str) else None
        title = f"### {name}\n"
        if isinstance(thing, ModuleType):
            return [title, _first_paragraph(thing.__doc__ or ""), ""]
        if isinstance(node, ast.ClassDef):
            return [
                title,
                _code(_class_line(node)),
                self._doc(node, f"{module}.{name}"),
                *self._methods(node, f"{module}.{name}"),
            ]
        if node is not None:
            return [title, _code(_signature(node)), self._doc(node, f"{module}.{name}")]
        text = _comment_of(module, name)
        if not text:
            self.silent.append(f"{module}.{name}")
        return [title, f"{text}\n"]

    def _methods(self, cls: ast.ClassDef, owner: str) -> list[str]:
        parts: list[str] = []
        seen: set[str] = set()
        overloads: dict[str, list[str]] = {}
        for node in cls.body:
            if not isinstance(node, Function) or node.name.startswith("_") or node.name in seen:
                continue
            if _is(node, "overload"):
                overloads.setdefault(node.name, []).append(_signature(node))
                continue
            seen.add(node.name)
            lines = overloads.get(node.name) or [_signature(node)]
            kind = "property" if _is(node, "property", "cached_property") else "method"
            text = self._doc(node, f"{owner}.{node.name}", optional=_is(node, "override"))
            parts += [
                f"#### {cls.name}.{node.name}\n",
                _code("\n".join(lines)) if kind == "method" else "*property*\n",
                text,
            ]
        return parts

    def _doc(self, node: ast.ClassDef | Function, name: str, *, optional: bool = False) -> str:
        text = ast.get_docstring(node)
        if not text and not optional:
            self.silent.append(name)
        return f"{text or ''}\n"


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _definition(module: str, qualified: str) -> ast.ClassDef | Function | None:
    """The node that defines *qualified* in *module*, if that is one of ours and says so plainly."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if not module.startswith("evercache") or file is None:
        return None
    found: ast.ClassDef | Function | None = None
    body: list[ast.stmt] = _tree(Path(file)).body
    for part in qualified.split("."):
        named = (node for node in body if isinstance(node, ast.ClassDef | Function) and node.name == part)
        found = next(reversed(list(named)), None)
        if found is None:
            return None
        body = found.body
    return found


def _comment_of(module: str, name: str) -> str:
    """The string that stands under the assignment of *name*, in the first module of ours that assigns it."""
    homes = [module, *(other for other in sorted(sys.modules) if other.startswith("evercache."))]
    for home in homes:
        file = getattr(sys.modules.get(home), "__file__", None)
        body = _tree(Path(file)).body if file else []
        for node, following in pairwise(body):
            names = (
                node.targets
                if isinstance(node, ast.Assign)
                else [node.target]
                if isinstance(node, ast.AnnAssign)
                else []
            )
            if any(isinstance(target, ast.Name) and target.id == name for target in names) and (
                text := _text(following)
            ):
                return text
    return ""


def _text(node: ast.stmt) -> str:
    """The string that *node* consists of, if it does."""
    value = node.value if isinstance(node, ast.Expr) else None
    return cleandoc(value.value) if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def _is(node: Function, *decorators: str) -> bool:
    return any(ast.unparse(decorator).rpartition(".")[2] in decorators for decorator in node.decorator_list)


def _signature(node: Function) -> str:
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    answer = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{word} {node.name}({ast.unparse(node.args)}){answer}"


def _class_line(node: ast.ClassDef) -> str:
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    maker = next((member for member in node.body if isinstance(member, Function) and member.name == "__init__"), None)
    made = f"\n{node.name}({ast.unparse(maker.args).removeprefix('self').removeprefix(', ')})" if maker else ""
    return f"class {node.name}{f'({bases})' if bases else ''}{made}"


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _first_paragraph(text: str) -> str:
    return cleandoc(text).split("\n\n")[0]


def api(reader: Reader) -> str:
    """The page of public names."""
    sections = [reader.module(name) for name in PUBLIC[:1] + PUBLIC[2:] if find_spec(name)]
    return "\n".join(["# Public names\n", MADE, *sections])


def settings() -> str:
    """The page of settings."""
    from evercache.config import SETTINGS

    rows = (
        (
            f"`{s.name}`",
            "<br>".join(f"`{env}`" for env in s.env),
            _default(s.default),
            s.unit,
            s.what,
            s.when,
            f"`{s.example}`",
        )
        for s in SETTINGS
    )
    head = ("setting", "environment", "default", "unit", "what it does", "when to touch it", "example")
    return "\n".join(["# Settings\n", MADE, f"{cleandoc(_doc_of('config.py'))}\n", table(head, rows), ""])


def _default(value: object) -> str:
    if value is None or value == "":
        return "none"
    return f"`{value}`" if isinstance(value, str | bool) else f"`{value!r}`"


def _doc_of(path: str) -> str:
    return ast.get_docstring(_tree(SOURCE / path)) or ""


def errors(reader: Reader) -> str:
    """The page of errors: the tree as errors.py draws it, then each error."""
    return "\n".join(["# Errors\n", MADE, _fenced(_doc_of("errors.py")), "", reader.names("evercache.errors")])


def _fenced(text: str) -> str:
    """*text* with its indented drawing as a code block, which survives every Markdown renderer."""
    blocks = text.split("\n\n")
    return "\n\n".join(f"```text\n{block}\n```" if block.startswith("    ") else block for block in blocks)


def events(reader: Reader) -> str:
    """The page of events that observers receive."""
    tree = _tree(SOURCE / "core" / "events.py")
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    parts = ["# Events\n", MADE, _fenced(_doc_of("core/events.py")), ""]
    for node in classes:
        text = ast.get_docstring(node)
        if not text:
            reader.silent.append(f"evercache.core.events.{node.name}")
        fields = [
            member for member in node.body if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name)
        ]
        parts += [f"## {node.name}\n", f"{text or ''}\n"]
        if fields:
            rows = ((f"`{ast.unparse(member.target)}`", f"`{ast.unparse(member.annotation)}`") for member in fields)
            parts += [table(("field", "type"), rows), ""]
    return "\n".join(parts)


def lua(reader: Reader) -> str:
    """The page of scripts: what stands on top of each file, for whoever reads MONITOR or writes ACL rules."""
    parts = ["# Lua scripts\n", MADE]
    for path in sorted((SOURCE / "stores" / "redis" / "lua").glob("*.lua")):
        head: list[str] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith(("--", "#!")):
                break
            head.append(line.removeprefix("--").removeprefix(" "))
        if not head:
            reader.silent.append(str(path.relative_to(ROOT)))
        parts += [f"## {path.stem}\n", "```text", *head, "```\n"]
    return "\n".join(parts)


def main(*words: str) -> int:
    """Write or check the pages; the exit code."""
    sys.path.insert(0, str(SOURCE.parent))
    reader = Reader()
    pages = {REFERENCE / "errors.md": errors(reader)}
    if (SOURCE / "__init__.py").exists():
        pages[REFERENCE / "api.md"] = api(reader)
    if (SOURCE / "config.py").exists():
        pages[REFERENCE / "settings.md"] = settings()
    if (SOURCE / "core" / "events.py").exists():
        pages[REFERENCE / "events.md"] = events(reader)
    if any((SOURCE / "stores" / "redis" / "lua").glob("*.lua")):
        pages[REFERENCE / "lua.md"] = lua(reader)
    if reader.silent:
        print(
            *(f"{name} says nothing about itself: give it a docstring" for name in reader.silent),
            sep="\n",
            file=sys.stderr,
        )
    return settle(pages, check="--check" in words) or (1 if reader.silent else 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
