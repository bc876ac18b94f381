"""A result as it is stored: the rows that the database driver gave, before anything was made of them.

Entities are not stored, and neither are the values of mapped types. The rows go back into SQLAlchemy where a driver's
rows would, and everything behind that is its own work: the session's identity map, loader options, deferred columns,
joined and "selectin" relationships, enums and custom types. So what comes from the cache can't differ from what comes
from the database, and nothing needs to be pickled: drivers speak in plain values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any
from uuid import UUID

from evercache.errors import CodecError

__all__ = ["columns_of", "description_of", "pack", "rows_of"]

_FORMAT = 1
_CHANGEABLE = (list, dict, bytearray)


def pack(description: Sequence[Sequence[Any]], rows: Iterable[Sequence[Any]]) -> list[Any]:
    """What is cached of a cursor's description and rows."""
    kept = [[_plain(cell) for cell in row] for row in rows]
    changeable = any(isinstance(cell, _CHANGEABLE) for row in kept for cell in row)
    columns = [[column[0], column[1] if isinstance(column[1], int) else None] for column in description]
    return [_FORMAT, columns, kept, changeable]


def rows_of(packed: Any) -> list[tuple[Any, ...]]:
    """The rows, as a driver gives them: nobody who changes a cell of theirs changes it for the others."""
    rows = _demand(packed)[2]
    return [tuple(row) for row in (deepcopy(rows) if packed[3] else rows)]


def description_of(packed: Any) -> list[tuple[Any, ...]]:
    """The description, as PEP 249 has it."""
    return [(name, code, None, None, None, None, None) for name, code in _demand(packed)[1]]


def columns_of(packed: Any) -> int:
    """How many columns there are."""
    return len(_demand(packed)[1])


def _demand(packed: Any) -> Any:
    if not isinstance(packed, list) or len(packed) != 4 or packed[0] != _FORMAT:
        raise CodecError("a stored result has another form than this version writes; it counts as a miss")
    return packed


def _plain(cell: Any) -> Any:
    """Drivers have subclasses of their own for what Python has already; only the value counts."""
    kind = type(cell)
    if kind is not UUID and isinstance(cell, UUID):
        return UUID(int=cell.int)
    return bytes(cell) if kind is memoryview else cell
