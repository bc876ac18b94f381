"""Rows into SQLAlchemy where a driver's rows would come in.

Behind a session stands an engine, behind the engine a driver: connections and cursors as PEP 249 has them. Here is a
driver whose cursor doesn't ask a database but a function, and an engine over it that shares the real one's dialect. A
statement executed on it is compiled, bound and turned into a result by the same code as ever; only the rows come from
elsewhere. No connection of the real pool is touched before that function asks for one.

The session's transaction knows nothing of it: the connection lives for one statement.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

__all__ = ["Answer", "Replay"]

Answer = Callable[[str, Any, Any], tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]]
"""(sql, parameters, execution context) → description and rows."""


class Replay:
    """An engine whose rows come from a function."""

    def __init__(self, engine: Engine) -> None:
        dialect = engine.dialect
        pool = NullPool(cast("Any", _Connection), dialect=dialect, reset_on_return=None)
        self._engine = Engine(pool, dialect, engine.url, hide_parameters=engine.hide_parameters)
        event.listen(self._engine, "before_cursor_execute", _introduce)

    @contextmanager
    def connect(self, answer: Answer) -> Generator[Connection]:
        """A connection whose statements are answered by *answer*. A result outlives it."""
        with self._engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            driver.answer = answer
            yield connection


def _introduce(_: object, cursor: Any, __: object, ___: object, context: object, ____: object) -> None:
    cursor.context = context


class _Connection:
    """What a dialect needs of a driver's connection."""

    answer: Answer

    def cursor(self, *_: object, **__: object) -> _Cursor:
        return _Cursor(self)

    def commit(self) -> None:
        pass

    def rollback(self) -> None:
        pass

    def close(self) -> None:
        pass


class _Cursor:
    """What a dialect needs of a driver's cursor; any attribute may be set on it, as on a real one."""

    rowcount = -1
    arraysize = 1
    context: object = None

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self.description: list[tuple[Any, ...]] | None = None

    def execute(self, sql: str, parameters: Any = ()) -> None:
        self.description, rows = self._connection.answer(sql, parameters, self.context)
        self._rows = rows[::-1]

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows.pop() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        wanted = self.arraysize if size is None else size
        return [self._rows.pop() for _ in range(min(wanted, len(self._rows)))]

    def fetchall(self) -> list[tuple[Any, ...]]:
        rows, self._rows = self._rows[::-1], []
        return rows

    def close(self) -> None:
        self._rows = []

    async def _async_soft_close(self) -> None:
        """The statement is over, its rows may still be fetched."""

    def setinputsizes(self, *_: object) -> None:
        pass
