"""What the tags of tables and rows are called. Triggers in the database build the same names (`sqlalchemy.triggers`).

    users        every result that depends on which rows there are: any change of the table drops it
    users:7      results that hold row 7, and lookups of row 7 by its key: a change of this row drops them
    users:*      all lookups by key: dropped by a change whose rows nobody knows (a bulk statement, TRUNCATE)

A key has a name only where its text is the same wherever it is written: integers, texts and UUIDs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

__all__ = ["EVERYTHING", "OUTBOX_NAME", "bounded", "key_text", "row_tag", "rows_tag"]

EVERYTHING = "*"
"""Stands for all tables, where a writer can't say which ones it has changed."""

OUTBOX_NAME = "evercache_outbox"
"""The table of what is still to be invalidated; also the channel of its notifications. It is no data of anybody's."""

_MANY = 256
"""More rows of one table than these, changed by one transaction, are all its rows."""


def row_tag(table: str, *key: object) -> str:
    """The tag of one row by its primary key: `users:7`; of a key of several columns: `members:7:12`."""
    text = key_text(key)
    if text is None:
        raise TypeError(f"a key of {table} has a tag only if it is made of int, str and UUID; use rows_tag({table!r}).")
    return f"{table}:{text}"


def rows_tag(table: str) -> str:
    """The tag of all lookups by key in one table."""
    return f"{table}:*"


def bounded(names: Iterable[str]) -> list[str]:
    """Each name once, in order; a table of which very many rows have changed by the tag of all its rows."""
    found = list(dict.fromkeys(names))
    if len(found) <= _MANY:
        return found
    rows = Counter(name.partition(":")[0] for name in found if ":" in name)
    many = {table for table, count in rows.items() if count > _MANY}
    return list(
        dict.fromkeys(
            rows_tag(table) if (table := name.partition(":")[0]) in many and ":" in name else name for name in found
        )
    )


def key_text(key: Sequence[object]) -> str | None:
    """The text of a primary key, or None if it has none that everybody would write alike."""
    if not key:
        return None
    if len(key) == 1:
        return _text(key[0])
    parts = [_text(part) for part in key]
    return None if None in parts else ":".join(_escaped(part) for part in parts if part is not None)


def _text(value: object) -> str | None:
    kind = type(value)
    if kind is int or kind is str:
        return str(value) or None
    return str(value) if isinstance(value, UUID) else None


def _escaped(part: str) -> str:
    return part.replace("%", "%25").replace(":", "%3A")
