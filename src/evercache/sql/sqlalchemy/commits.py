"""What transactions change, told once they are committed, and never before.

Everything that is executed on an engine is heard by its events: flushes, bulk statements, Core, plain SQL, of sessions
and of connections without one. What it changes is collected for each connection; a rollback forgets it, to a savepoint
as much as it concerns.

The moment after a commit. SQLAlchemy's engines have an event before the COMMIT is sent; only sessions have one after
it, and many transactions have no session. So the one method of the dialect through which every commit goes,
`do_commit`, is wrapped for this engine, and unwrapped again by `close`. If the answer to a COMMIT is lost, or the wait for it is
cancelled, it may have happened: then the tags are told as well. They only drop what can be loaded again.

Two-phase commits are not followed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.sql.elements import ReleaseSavepointClause, RollbackToSavepointClause, SavepointClause

from evercache.sql.ledger import Ledger
from evercache.sql.names import OUTBOX_NAME
from evercache.sql.rawsql import sets_isolation
from evercache.sql.sqlalchemy.writes import changes_of, changes_of_text, is_text

if TYPE_CHECKING:
    from sqlalchemy.sql.schema import Table

__all__ = ["Commits"]

Before = Callable[[Connection, Sequence[str]], object]
After = Callable[[Sequence[str], object], None]


class Commits:
    """Listens to one engine.

    - *before*, called within the transaction, before its COMMIT: what it returns is handed to
    - *after*, called with the tags once the transaction is committed. Neither is called for a rollback.
    - *tables*: tables by name, for what follows from plain SQL.
    """

    def __init__(self, engine: Engine, *, before: Before, after: After, tables: dict[str, Table]) -> None:
        self.engine = engine
        self._before = before
        self._after = after
        self._tables = tables
        self._ledgers: WeakKeyDictionary[Connection, Ledger] = WeakKeyDictionary()
        self._closing: dict[int, tuple[list[str], object]] = {}
        self._listeners: list[tuple[str, Callable[..., Any]]] = [
            ("begin", self._begun),
            ("after_cursor_execute", self._executed_text),
            ("after_execute", self._executed),
            ("rollback", self._rolled_back),
            ("commit", self._commits),
        ]
        for name, listener in self._listeners:
            event.listen(engine, name, listener)
        dialect: Any = engine.dialect
        self._original: Callable[[Any], None] = dialect.do_commit
        dialect.do_commit = self._do_commit

    def close(self) -> None:
        """Leave the engine as it was."""
        for name, listener in self._listeners:
            if event.contains(self.engine, name, listener):
                event.remove(self.engine, name, listener)
        dialect: Any = self.engine.dialect
        if vars(dialect).get("do_commit") == self._do_commit:
            dialect.do_commit = self._original

    def ledger(self, connection: Connection) -> Ledger:
        """What the transaction that is open on *connection* has changed so far."""
        found = self._ledgers.get(connection)
        if found is None:
            found = self._ledgers[connection] = Ledger()
        return found

    # -- what is executed ----------------------------------------------------------------------------------------

    def _begun(self, connection: Connection) -> None:
        self._ledgers[connection] = Ledger()

    def _executed_text(
        self, connection: Connection, _: object, sql: str, __: object, context: Any, ___: object
    ) -> None:
        if context is None or not is_text(context):
            return
        ledger = self.ledger(connection)
        ledger.repeats = ledger.repeats or sets_isolation(sql)
        self._changed(connection, changes_of_text(sql, self._tables))

    def _executed(self, connection: Connection, element: Any, _: object, __: object, ___: object, result: Any) -> None:
        if isinstance(element, SavepointClause | ReleaseSavepointClause | RollbackToSavepointClause):
            self._marked(self.ledger(connection), element)
            return
        context = getattr(result, "context", None)
        if context is not None and (getattr(context, "isddl", False) or not is_text(context)):
            self._changed(connection, changes_of(element, context, result))

    @staticmethod
    def _marked(ledger: Ledger, element: SavepointClause | ReleaseSavepointClause | RollbackToSavepointClause) -> None:
        # The events of savepoints don't say their names while they are made; the statements do.
        if isinstance(element, SavepointClause):
            ledger.savepoint(element.ident)
        elif isinstance(element, ReleaseSavepointClause):
            ledger.release(element.ident)
        else:
            ledger.rollback_to(element.ident)

    def _changed(self, connection: Connection, names: Sequence[str]) -> None:
        names = [name for name in names if name != OUTBOX_NAME and not name.startswith(f"{OUTBOX_NAME}:")]
        if not names:
            return
        if _commits_by_itself(connection):
            self._after(list(dict.fromkeys(names)), self._before(connection, names))
        else:
            self.ledger(connection).add(names)

    # -- how it ends ---------------------------------------------------------------------------------------------

    def _rolled_back(self, connection: Connection) -> None:
        self._ledgers.pop(connection, None)

    def _commits(self, connection: Connection) -> None:
        ledger = self._ledgers.pop(connection, None)
        if ledger is not None and ledger.wrote:
            names = ledger.take()
            self._closing[id(connection.connection)] = names, self._before(connection, names)
            self._ledgers.pop(connection, None)  # what `before` has written is none of ours

    def _do_commit(self, connection: Any) -> None:
        closing = self._closing.pop(id(connection), None)
        try:
            self._original(connection)
        finally:
            if closing is not None:
                self._after(*closing)


def _commits_by_itself(connection: Connection) -> bool:
    level: Any = connection.get_execution_options().get("isolation_level")
    return str(level or connection.dialect._on_connect_isolation_level or "").upper() == "AUTOCOMMIT"
