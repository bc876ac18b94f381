"""What can be known about SQL that is a text: which tables it writes, whether it reads from any.

No parser: a look at the words, made so that its mistakes are harmless. A write that it can't name is a write to
everything; a text that only looks like a write drops answers that would still have been good.
"""

from __future__ import annotations

import re

from evercache.sql.names import EVERYTHING

__all__ = ["reads_tables", "sets_isolation", "written_tables"]

_NAME = r'((?:[\w$]+|"[^"]+"|`[^`]+`|\[[^\]]+\])(?:\s*\.\s*(?:[\w$]+|"[^"]+"|`[^`]+`|\[[^\]]+\]))*)'
_TEXTS = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_WRITES = re.compile(
    r"\b(?:insert\s+(?:or\s+\w+\s+)?(?:ignore\s+)?into|replace\s+into|delete\s+from(?:\s+only)?|merge\s+into"
    r"|truncate(?:\s+table)?(?:\s+only)?|update(?:\s+or\s+\w+)?(?:\s+only)?|copy|drop\s+table(?:\s+if\s+exists)?"
    rf"|alter\s+table(?:\s+if\s+exists)?(?:\s+only)?)\s+{_NAME}",
    re.IGNORECASE,
)
_KEEPS = re.compile(r"update|insert(?!\s+or\s+replace)|copy", re.IGNORECASE)
_HARMLESS = re.compile(
    r"\s*(?:select|show|explain|values|table|pragma|set|begin|start|commit|rollback|savepoint|release|declare|fetch|close"
    r"|listen|unlisten|notify|create|comment|grant|revoke|analyze|vacuum|lock|discard|reset|deallocate|checkpoint)\b",
    re.IGNORECASE,
)
_READS = re.compile(r"\b(?:from|join|select|table)\b", re.IGNORECASE)
_LOCKS = re.compile(r"\bfor\s+(?:no\s+key\s+)?update\b", re.IGNORECASE)
_ISOLATION = re.compile(r"\bisolation\s+level\b|\btransaction_isolation\b|\btransaction\s+snapshot\b", re.IGNORECASE)


def written_tables(sql: str) -> dict[str, bool]:
    """The names of the tables that this text writes to, and whether rows may go; EVERYTHING if it doesn't say which."""
    plain = _LOCKS.sub(" ", _TEXTS.sub(" ", sql))
    found: dict[str, bool] = {}
    for match in _WRITES.finditer(plain):
        for name in _spellings(match[1]):
            found[name] = found.get(name, False) or _KEEPS.match(match[0]) is None
    if found or _HARMLESS.match(plain) or not plain.strip():
        return found
    if re.match(r"\s*with\b", plain, re.IGNORECASE):
        return {}  # a WITH that writes has one of the words above
    return {EVERYTHING: True}  # CALL, DO, EXECUTE, and whatever a database may add to SQL


def reads_tables(sql: str) -> bool:
    """Whether this piece of SQL may read a table that nobody else knows of."""
    return _READS.search(_TEXTS.sub(" ", sql)) is not None


def sets_isolation(sql: str) -> bool:
    """Whether this text changes how the transaction sees others, behind SQLAlchemy's back."""
    return _ISOLATION.search(sql) is not None


def _spellings(name: str) -> list[str]:
    """A table's name as it may be declared: unquoted names are folded by the database, so both forms count."""
    parts = re.findall(r'"[^"]+"|`[^`]+`|\[[^\]]+\]|[\w$]+', name)
    spelled = ".".join(part.strip('"`[]') for part in parts)
    folded = ".".join(part.strip('"`[]') if part[0] in '"`[' else part.lower() for part in parts)
    return list(dict.fromkeys((spelled, folded)))
