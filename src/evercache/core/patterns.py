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
    """The regular expression of a glob. An unclosed bracket stands for itself; no glob is an error.

    What stands between two stars is looked for once, at its first place, and never reconsidered: matching takes time by
    the product of the lengths, whatever the pattern. A regular expression with several `.*` may take years.
    """
    first, *others = _between_stars(pattern)
    if not others:
        return re.compile(first, re.DOTALL)
    *middle, last = others
    return re.compile(first + "".join([f"(?>.*?{part})" for part in middle if part]) + ".*" + last, re.DOTALL)


def _between_stars(pattern: str) -> list[str]:
    """The expressions of the parts between the stars."""
    parts: list[list[str]] = [[]]
    i = 0
    while i < len(pattern):
        char = pattern[i]
        i += 1
        if char == "*":
            parts.append([])
        elif char == "?":
            parts[-1].append(".")
        elif char == "\\" and i < len(pattern):
            parts[-1].append(re.escape(pattern[i]))
            i += 1
        elif char == "[" and (end := _closing(pattern, i)) > 0:
            body = pattern[i:end]
            i = end + 1
            negated = body.startswith("!")
            parts[-1].append(_charset(body[1:] if negated else body, negated=negated))
        else:
            parts[-1].append(re.escape(char))
    return ["".join(part) for part in parts]


def _closing(pattern: str, i: int) -> int:
    """Where the bracket that was opened before *i* is closed; a `]` at its beginning is one of its characters."""
    return pattern.find("]", i + (2 if pattern.startswith("!", i) else 1))


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
