"""What a compiled statement reads: its tables, and the rows that it looks up by their keys.

Which rows a result has depends on whole tables: a row that changes, comes or goes anywhere in them may belong into it. So
a result carries the tag of each table it reads from, with one exception. Where the WHERE fixes the primary key of a
table ("users.id = :id AND …", or IN), nothing but those rows can change the answer, and it carries their tags instead:
`users:7` and `users:*`, not `users`. That holds only while the table occurs once, in a plain SELECT: a subquery on the
same table would read others of its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import types as sqltypes
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ClauseElement,
    ColumnClause,
    ColumnElement,
    Grouping,
    TextClause,
)
from sqlalchemy.sql.schema import Column, Table
from sqlalchemy.sql.selectable import Alias, FromClause, Select, SelectBase, TableClause, TextualSelect

from evercache.sql.names import key_text
from evercache.sql.rawsql import reads_tables

__all__ = [
    "Keys",
    "Reading",
    "base_table",
    "has_key_name",
    "has_text_key",
    "parts_of",
    "pinned_by",
    "reading_of",
    "spelled",
]

_MAX_KEYS = 64
"""A lookup of more rows than these is treated like any other result."""

_TEXTS = frozenset({"string", "text", "unicode", "unicode_text", "VARCHAR", "NVARCHAR", "TEXT"})
"""Types of text columns whose equality is that of Python; CITEXT is none, and CHAR is filled with blanks."""


_COMPARES_EXACTLY = frozenset({"postgresql", "sqlite"})
"""Databases where two different texts are never equal, unless the column says so. MySQL's are, by itself."""


@dataclass(frozen=True, slots=True)
class Keys:
    """A primary key that a WHERE fixes: for each column of it, the name of the parameter that it is compared with.

    Names and not values: one compiled statement is executed with the parameters of many.
    """

    table: Table
    parameters: tuple[str, ...]
    many: bool

    def texts(self, values: Mapping[str, Any], expanded: Mapping[str, Sequence[str]]) -> list[str] | None:
        """The texts of the keys, with the parameters of one execution; None if they have none, or are too many.
        *expanded*: the names that the elements of a list have."""
        if self.many:
            keys = [(values[name],) for name in expanded.get(self.parameters[0], ())]
        elif all(name in values for name in self.parameters):
            keys = [tuple(values[name] for name in self.parameters)]
        else:
            return None
        if self.many and self.parameters[0] not in expanded:
            return None
        if len(keys) > _MAX_KEYS or not all(map(self._means_itself, keys)):
            return None
        texts = [key_text(key) for key in keys]
        return [text for text in texts if text is not None] if None not in texts else None

    def _means_itself(self, key: Sequence[Any]) -> bool:
        """Whether the database compares these values as Python does: an integer with an integer column."""
        return all(map(_fits, self.table.primary_key.columns, key))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a statement reads. *opaque*: a piece of plain SQL in it may read more; *keyed*: tables of which only rows
    with known keys are read; *held*: where in a row the key of which table stands."""

    tables: tuple[TableClause, ...]
    keyed: tuple[Keys, ...]
    held: tuple[tuple[TableClause, tuple[int, ...]], ...]
    opaque: bool


_known: WeakKeyDictionary[Any, Reading] = WeakKeyDictionary()


def reading_of(compiled: Any) -> Reading:
    """What this compiled statement reads. SQLAlchemy keeps compiled statements, so it is found out once for each."""
    found = _known.get(compiled)
    if found is None:
        found = _known[compiled] = _read(compiled)
    return found


def _read(compiled: Any) -> Reading:
    state = compiled.compile_state
    statement = compiled.statement if state is None else getattr(state, "statement", compiled.statement)
    occurrences: dict[FromClause, TableClause] = {}
    selects, opaque = 0, False
    for element in parts_of(statement):
        opaque = opaque or _is_opaque(element)
        selects += isinstance(element, SelectBase)
        clause = element.table if isinstance(element, ColumnClause) else element
        if isinstance(clause, FromClause) and (table := base_table(clause)) is not None:
            occurrences[_bare(clause)] = table
    tables = tuple(dict.fromkeys(occurrences.values()))
    keyed: tuple[Keys, ...] = ()
    if selects == 1 and isinstance(statement, Select) and not opaque:
        once = [table for table in tables if list(occurrences.values()).count(table) == 1]
        plain = compiled.dialect.name in _COMPARES_EXACTLY
        found = (keys for keys in pinned_by(statement.whereclause, compiled) if keys.table in once)
        keyed = tuple(keys for keys in found if plain or not has_text_key(keys.table))
    return Reading(tables, keyed, tuple(_held(compiled)), opaque)


def parts_of(statement: Any) -> Iterator[Any]:
    seen: set[int] = set()
    waiting: list[Any] = [statement]
    while waiting:
        for element in visitors.iterate(waiting.pop()):
            if id(element) in seen:
                continue
            seen.add(id(element))
            yield element
            # What an alias, a CTE or a subquery stands for is not always among the children.
            inner = getattr(element, "element", None)
            if isinstance(inner, ClauseElement) and id(inner) not in seen:
                waiting.append(inner)
            if isinstance(element, ColumnClause) and element.table is not None and id(element.table) not in seen:
                waiting.append(element.table)


def _is_opaque(element: Any) -> bool:
    if isinstance(element, TextualSelect):
        return True
    if isinstance(element, TextClause):
        return reads_tables(element.text)
    return isinstance(element, ColumnClause) and element.is_literal and reads_tables(element.name)


def _bare(clause: FromClause) -> FromClause:
    """Without annotations: the same table or alias, annotated twice, occurs once."""
    bare: Any = clause._deannotate() if hasattr(clause, "_deannotate") else clause
    return bare if isinstance(bare, FromClause) else clause


def base_table(clause: Any) -> TableClause | None:
    """The table behind a FROM, an alias of one included; None for subqueries, joins and the like."""
    while isinstance(clause, Alias):
        clause = clause.element
    if not isinstance(clause, TableClause):
        return None
    bare: Any = clause._deannotate()
    return bare if isinstance(bare, TableClause) else clause


# -- keys in a WHERE ---------------------------------------------------------------------------------------------


def pinned_by(where: ClauseElement | None, compiled: Any) -> Iterator[Keys]:
    """The primary keys that this WHERE fixes, by comparisons that all have to be true."""
    compared: dict[FromClause, dict[str, str]] = {}
    several: dict[FromClause, str] = {}
    for condition in _conjuncts(where):
        found = _comparison(condition)
        if found is None:
            continue
        column, parameter, many = found
        place, name = _bare(column.table), compiled.bind_names.get(parameter)
        if name is None:
            continue
        if many:
            several[place] = name
        else:
            compared.setdefault(place, {})[column.name] = name
    for place in {**compared, **several}:
        table = base_table(place)
        if not isinstance(table, Table) or not len(table.primary_key.columns):
            continue
        names = [column.name for column in table.primary_key.columns]
        known = compared.get(place, {})
        if all(name in known for name in names):
            yield Keys(table, tuple(known[name] for name in names), many=False)
        elif place in several and len(names) == 1:
            yield Keys(table, (several[place],), many=True)


def _conjuncts(where: Any) -> Iterator[Any]:
    if isinstance(where, Grouping):
        yield from _conjuncts(where.element)
    elif isinstance(where, BooleanClauseList) and where.operator is operators.and_:
        for part in where.clauses:
            yield from _conjuncts(part)
    elif where is not None:
        yield where


def _comparison(condition: Any) -> tuple[Column[Any], BindParameter[Any], bool] | None:
    """Column = parameter, parameter = column, or column IN parameters; of a column of a primary key."""
    if not isinstance(condition, BinaryExpression):
        return None
    sides: list[Any] = [condition.left, condition.right]
    if isinstance(sides[1], Grouping):
        sides[1] = sides[1].element
    if condition.operator is operators.eq and isinstance(sides[0], BindParameter):
        sides.reverse()
    column, parameter = sides
    many = condition.operator is operators.in_op
    if not (many or condition.operator is operators.eq) or not isinstance(parameter, BindParameter):
        return None
    if many != bool(parameter.expanding) or not isinstance(column, ColumnElement):
        return None
    origin: Any = column
    if not isinstance(origin, Column) or not origin.primary_key:
        return None
    return (origin, parameter, many) if not many or len(base_key(origin)) == 1 else None


def base_key(column: Column[Any]) -> list[Column[Any]]:
    """The columns of the primary key of this column's table."""
    table = base_table(column.table)
    return list(table.primary_key.columns) if isinstance(table, Table) else []


def has_key_name(table: Table) -> bool:
    """Whether rows of this table have tags of their own, as far as the types of its key tell."""
    return bool(len(table.primary_key.columns)) and all(
        _kind(column) is not None for column in table.primary_key.columns
    )


def has_text_key(table: Table) -> bool:
    """Whether a text is part of this table's key."""
    return any(_kind(column) is str for column in table.primary_key.columns)


def _fits(column: Column[Any], value: Any) -> bool:
    kind = _kind(column)
    return kind is not None and (isinstance(value, UUID) if kind is UUID else type(value) is kind)


def _kind(column: Column[Any]) -> type | None:
    """int, str or UUID, where the column's equality is that type's equality; else None."""
    declared: Any = column.type
    if isinstance(declared, sqltypes.TypeDecorator):
        return None
    if isinstance(declared, sqltypes.Integer):
        return int
    if isinstance(declared, sqltypes.Uuid):
        return UUID if declared.as_uuid else None
    if isinstance(declared, sqltypes.Enum) or declared.__visit_name__ not in _TEXTS or declared.collation:
        return None
    return str


# -- keys in the rows --------------------------------------------------------------------------------------------


def _held(compiled: Any) -> Iterator[tuple[TableClause, tuple[int, ...]]]:
    """For each table in the FROM whose whole key is among the columns: where it stands in a row."""
    places: dict[FromClause, dict[str, int]] = {}
    for index, entry in enumerate(compiled._result_columns):
        for origin in entry[2]:
            if isinstance(origin, Column) and origin.primary_key:
                places.setdefault(_bare(origin.table), {}).setdefault(origin.name, index)
    for clause, found in places.items():
        table = base_table(clause)
        if isinstance(table, Table) and has_key_name(table):
            names = [column.name for column in table.primary_key.columns]
            if all(name in found for name in names):
                yield table, tuple(found[name] for name in names)


def spelled(table: Table, dialect: Any, cells: Sequence[Any]) -> str | None:
    """The text of a key, from the cells that the driver gave."""
    values: list[Any] = []
    for column, cell in zip(table.primary_key.columns, cells, strict=True):
        process = column.type.dialect_impl(dialect).result_processor(dialect, None)
        value = cell if process is None or cell is None else process(cell)
        if not _fits(column, value):
            return None
        values.append(value)
    return key_text(values)
