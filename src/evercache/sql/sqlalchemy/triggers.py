"""Triggers of PostgreSQL that write every committed change of a table into the outbox, whoever makes it.

For what doesn't go through this library: psql, other languages, functions in the database. The triggers fire once for
each statement, look at the changed rows by their transition tables, and write the tags that `names` describes; a
notification rings the workers' bell when the transaction commits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql

from evercache.errors import ConfigurationError
from evercache.sql.names import OUTBOX_NAME, rows_tag
from evercache.sql.sqlalchemy.statement import has_key_name

if TYPE_CHECKING:
    from sqlalchemy.sql.schema import Table

__all__ = ["drop_trigger_ddl", "trigger_ddl"]

_MAX_ROWS = 256
"""Rows of one statement that get tags of their own; for more, all lookups in the table are dropped."""

_EVENTS = {
    "insert": "AFTER INSERT ON {table} REFERENCING NEW TABLE AS evercache_new",
    "update": "AFTER UPDATE ON {table} REFERENCING OLD TABLE AS evercache_old NEW TABLE AS evercache_new",
    "delete": "AFTER DELETE ON {table} REFERENCING OLD TABLE AS evercache_old",
    "truncate": "AFTER TRUNCATE ON {table}",
}

_FUNCTION = """\
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $evercache$
DECLARE
  keys text[];
BEGIN
  IF TG_OP = 'INSERT' THEN
    keys := ARRAY(SELECT DISTINCT {key} FROM evercache_new LIMIT {limit});
  ELSIF TG_OP = 'UPDATE' THEN
    keys := ARRAY(SELECT {key} FROM evercache_new UNION SELECT {key} FROM evercache_old LIMIT {limit});
  ELSIF TG_OP = 'DELETE' THEN
    keys := ARRAY(SELECT DISTINCT {key} FROM evercache_old LIMIT {limit});
  ELSE
    keys := ARRAY[{all}];
  END IF;
  IF cardinality(keys) = 0 THEN
    RETURN NULL;
  END IF;
  IF cardinality(keys) > {most} THEN
    keys := ARRAY[{all}];
  END IF;
  INSERT INTO {outbox} (tag) SELECT {name} UNION ALL SELECT unnest(keys);
  PERFORM pg_notify('{channel}', '');
  RETURN NULL;
END
$evercache$"""


def trigger_ddl(table: object) -> list[str]:
    """The statements that make the triggers of *table* (a mapped class or a Table). They may be run again."""
    found, quoted, function = _table(table)
    name = _literal(found.fullname)
    everything = _literal(rows_tag(found.fullname))
    made = [
        _FUNCTION.format(
            function=function,
            key=_key(found) if has_key_name(found) else everything,
            limit=_MAX_ROWS + 1,
            most=_MAX_ROWS,
            all=everything,
            outbox=OUTBOX_NAME,
            name=name,
            channel=OUTBOX_NAME,
        )
    ]
    for event, clause in _EVENTS.items():
        made.append(f"DROP TRIGGER IF EXISTS evercache_{event} ON {quoted}")
        made.append(
            f"CREATE TRIGGER evercache_{event} {clause.format(table=quoted)} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )
    return made


def drop_trigger_ddl(table: object) -> list[str]:
    """The statements that take the triggers of *table* away again."""
    _, quoted, function = _table(table)
    return [
        *(f"DROP TRIGGER IF EXISTS evercache_{event} ON {quoted}" for event in _EVENTS),
        f"DROP FUNCTION IF EXISTS {function}()",
    ]


def _table(table: object) -> tuple[Table, str, str]:
    found: Any = getattr(table, "__table__", table)
    if not hasattr(found, "primary_key"):
        raise ConfigurationError(f"{table!r} is no table; give a mapped class or a Table.")
    preparer = _preparer()
    function = preparer.quote(f"evercache_changed_{found.name}"[:63])
    if found.schema:
        function = f"{preparer.quote_schema(found.schema)}.{function}"
    return found, preparer.format_table(found), function


def _key(table: Table) -> str:
    """The tag of a row, as an expression over its columns; the same text as `names.row_tag`."""
    preparer = _preparer()
    parts = [f"{preparer.format_column(column)}::text" for column in table.primary_key.columns]
    if len(parts) > 1:
        # No percent sign and no colon before a word: to some drivers, and to text(), they mean parameters.
        escaped = "replace(replace({}, chr(37), chr(37) || '25'), chr(58), chr(37) || '3A')"
        parts = [escaped.format(part) for part in parts]
    return f"{_literal(table.fullname + ':')} || " + " || ':' || ".join(parts)


def _preparer() -> Any:
    dialect: Any = postgresql.dialect
    return dialect().identifier_preparer


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
