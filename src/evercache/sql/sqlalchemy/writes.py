"""What an executed statement has changed, by the names of tags.

A change of a table drops every result made from it (`users`). If the rows are known, by the key in the WHERE or the key
that was inserted, it drops what is about these rows (`users:7`); if not, all lookups in the table (`users:*`). Where the
database itself changes more (ON DELETE CASCADE, SET NULL), the tables behind foreign keys count as changed too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.ddl import DDLElement, DropTable
from sqlalchemy.sql.dml import Delete, Insert, Update, UpdateBase
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.sql.schema import Column, Table
from sqlalchemy.sql.selectable import TextualSelect

from evercache.sql.names import EVERYTHING, key_text, rows_tag
from evercache.sql.rawsql import written_tables
from evercache.sql.sqlalchemy.statement import Keys, base_table, has_key_name, parts_of, pinned_by

__all__ = ["changes_of", "changes_of_text", "is_text"]

_MAX_ROWS = 256
"""Rows of one statement that are named one by one; more than these are "all lookups in the table"."""

_BY_ITSELF = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})


@dataclass(frozen=True, slots=True)
class _Change:
    """One INSERT, UPDATE or DELETE within a statement. *moves*: the key columns that it sets."""

    kind: type[UpdateBase]
    table: Table
    keys: Keys | None
    moves: frozenset[str]
    plain: bool


_known: WeakKeyDictionary[Any, tuple[_Change, ...]] = WeakKeyDictionary()


def is_text(context: Any) -> bool:
    """Whether what was executed is SQL that somebody wrote as a text."""
    compiled = context.compiled
    return compiled is None or isinstance(compiled.statement, TextClause | TextualSelect)


def changes_of_text(sql: str, known: Mapping[str, Table]) -> list[str]:
    """The tags of what a piece of plain SQL changes. *known*: tables by name, for what follows from foreign keys."""
    names: list[str] = []
    for name, goes in written_tables(sql).items():
        names += (name, rows_tag(name)) if name != EVERYTHING else (name,)
        if name in known:
            names += _consequences(known[name], goes=goes)
    return names


def changes_of(element: Any, context: Any, result: Any) -> list[str]:
    """The tags of what this execution has changed."""
    if isinstance(element, DDLElement):
        table = element.element if isinstance(element, DropTable) else None
        return [table.fullname, rows_tag(table.fullname)] if isinstance(table, Table) else []
    compiled = context.compiled
    changes = _known.get(compiled)
    if changes is None:
        changes = _known[compiled] = tuple(_changes(compiled))
    names: list[str] = []
    for change in changes:
        names += _names(change, context, result, top=len(changes) == 1)
    return names


def _changes(compiled: Any) -> Iterator[_Change]:
    state = compiled.compile_state
    statement = compiled.statement if state is None else getattr(state, "statement", compiled.statement)
    if not compiled.isinsert and not compiled.isupdate and not compiled.isdelete and not _has_ctes(statement):
        return
    for element in parts_of(statement):
        if isinstance(element, UpdateBase):
            table = base_table(element.table)
            if isinstance(table, Table):
                yield _change(element, table, compiled)


def _has_ctes(statement: Any) -> bool:
    return bool(getattr(statement, "_independent_ctes", ())) or any(
        isinstance(part, UpdateBase) for part in parts_of(statement)
    )


def _change(element: UpdateBase, table: Table, compiled: Any) -> _Change:
    where = getattr(element, "whereclause", None)
    if isinstance(element, Insert):
        return _Change(Insert, table, None, moves=frozenset(), plain=_is_plain(element))
    keys = next((keys for keys in pinned_by(where, compiled) if keys.table is table), None)
    if isinstance(element, Delete):
        return _Change(Delete, table, keys, moves=frozenset(), plain=True)
    key_names = {column.key for column in table.primary_key.columns}
    moves = frozenset(_set_by(element, compiled) & key_names)
    return _Change(Update, table, keys, moves=moves, plain=True)


def _is_plain(insert: Insert) -> bool:
    """Whether it inserts the rows it is given, and nothing else: no upsert, no INSERT FROM SELECT."""
    return getattr(insert, "_post_values_clause", None) is None and insert.select is None


def _set_by(update: Any, compiled: Any) -> set[str]:
    """The keys of the columns that an UPDATE sets."""
    given = [*(update._values or ()), *(getattr(compiled.compile_state, "_dict_parameters", None) or ())]
    names = {str(getattr(column, "key", column)) for column in given}
    return names | {str(name) for name in (compiled.column_keys or ())}


def _names(change: _Change, context: Any, result: Any, *, top: bool) -> list[str]:
    table = change.table.fullname
    texts: list[str] | None = None
    if has_key_name(change.table):
        if change.kind is Insert:
            texts = _inserted(change, context, result) if change.plain and top else None
        elif change.keys is not None:
            texts = _pinned(change.keys, change.moves, context)
    rows = [rows_tag(table)] if texts is None else [f"{table}:{text}" for text in texts]
    stays = change.kind is Insert or (change.kind is Update and not change.moves)
    return [table, *rows, *([] if stays else _consequences(change.table, goes=change.kind is Delete))]


def _pinned(keys: Keys, moves: frozenset[str], context: Any) -> list[str] | None:
    """The keys in the WHERE, and those that the rows have afterwards."""
    executions: Sequence[Mapping[str, Any]] = context.compiled_parameters
    if len(executions) > _MAX_ROWS:
        return None
    found: list[str] = []
    for values in executions:
        texts = keys.texts(values, context._expanded_parameters)
        after = _moved(keys, moves, values) if moves else []
        if texts is None or after is None:
            return None
        found += texts + after
    return found


def _moved(keys: Keys, moves: frozenset[str], values: Mapping[str, Any]) -> list[str] | None:
    if keys.many or not moves.issubset(values):  # set to an expression: only the database knows
        return None
    pairs = zip(keys.table.primary_key.columns, keys.parameters, strict=True)
    key = [values[column.key] if column.key in moves else values[old] for column, old in pairs]
    text = key_text(key)
    return None if text is None else [text]


def _inserted(change: _Change, context: Any, result: Any) -> list[str] | None:
    """The keys of inserted rows: as given, or as the database has told them."""
    columns = list(change.table.primary_key.columns)
    executions: Sequence[Mapping[str, Any]] = context.compiled_parameters
    if len(executions) > _MAX_ROWS:
        return None
    return _texts(_given(columns, values) for values in executions) or _texts(_told(result))


def _given(columns: Iterable[Column[Any]], values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(values.get(column.key) for column in columns)


def _told(result: Any) -> list[tuple[Any, ...]]:
    for attribute in ("inserted_primary_key_rows", "returned_defaults_rows"):
        with suppress(SQLAlchemyError, AttributeError):
            rows = getattr(result, attribute)
            if rows and all(row is not None and None not in tuple(row) for row in rows):
                return [tuple(row) for row in rows]
    return []


def _texts(keys: Iterable[Sequence[Any]]) -> list[str] | None:
    found = [key_text(tuple(key)) for key in keys]
    return [text for text in found if text is not None] if found and None not in found else None


def _consequences(table: Table, *, goes: bool) -> list[str]:
    """What the database changes by itself when rows of *table* go, or else change their key."""
    seen: set[Table] = {table}
    waiting, names = [table], list[str]()
    while waiting:
        gone = waiting.pop()
        for other in gone.metadata.tables.values():
            if other not in seen and any(_follows(key, gone, goes=goes) for key in other.foreign_key_constraints):
                seen.add(other)
                waiting.append(other)
                names += (other.fullname, rows_tag(other.fullname))
    return names


def _follows(constraint: Any, table: Table, *, goes: bool) -> bool:
    try:
        referred = constraint.referred_table
    except SQLAlchemyError:  # a table that isn't declared here
        return False
    action = constraint.ondelete if goes else constraint.onupdate
    return referred is table and str(action or "").upper() in _BY_ITSELF
