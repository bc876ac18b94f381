"""Glob patterns over logical keys: `*` any run, `?` one character, `[abc]`, `[!abc]`; a backslash takes the next
character literally. A prefix is a pattern whose text is escaped, with a star behind it.

Patterns are matched in this process against the readable logical key; Redis never scans for them.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["compile_glob", "escape", "matches", "prefix"]

_SPECIAL = re.compile(r"([*?\[\]\\])")


def escape(text: str) -> str:
    """A pattern that matches *text* and nothing else."""
    return _SPECIAL.sub(r"\\\1", text)


def prefix(text: str) -> str:
    """A pattern that matches everything that begins with *text*."""
    return escape(text) + "*"


@lru_cache(maxsize=512)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """The regular expression of a glob. An unclosed bracket stands for itself; no glob is an error."""
    out: list[str] = []
    i = 0
    while i < len(pattern):
        char = pattern[i]
        i += 1
        if char == "*":
            if not out or out[-1] != ".*":
                out.append(".*")
        elif char == "?":
            out.append(".")
        elif char == "\\" and i < len(pattern):
            out.append(re.escape(pattern[i]))
            i += 1
        elif char == "[" and (end := pattern.find("]", i + 1)) > 0:
            body = pattern[i:end]
            i = end + 1
            negated = body.startswith("!")
            out.append(_charset(body[1:] if negated else body, negated=negated))
        else:
            out.append(re.escape(char))
    return re.compile("".join(out), re.DOTALL)


def _charset(body: str, *, negated: bool) -> str:
    """A character class; ranges such as `a-z` work, a range the wrong way round matches nothing."""
    parts: list[str] = []
    i = 0
    while i < len(body):
        if i + 2 < len(body) and body[i + 1] == "-":
            low, high = body[i], body[i + 2]
            if low <= high:
                parts.append(f"{re.escape(low)}-{re.escape(high)}")
            i += 3
        else:
            parts.append(re.escape(body[i]))
            i += 1
    if not parts:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{''.join(parts)}]"


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of *text* matches *pattern*."""
    return compile_glob(pattern).fullmatch(text) is not None
