"""Whether what a transaction reads now is what is committed now.

A fill is accepted if nothing was invalidated since the load *began*. That is only worth something if the load sees what
was committed when it began. A transaction with one snapshot for all its statements sees what was committed when its
first statement ran, perhaps long before an invalidation; such a fill would bring the old rows back. So:

    no transaction is open in the database    the load opens one, after the fill has got its stamps: fine
    PostgreSQL, READ COMMITTED                each statement has a snapshot of its own: fine
    REPEATABLE READ, SERIALIZABLE             one snapshot, and the user wants exactly that: never cached
    SQLite                                    serializable by nature: fine while no transaction is open on the file
    others, or not known                      only while none is open

Nothing here asks the database: the settings are known, SQLite's driver knows whether a transaction is open, and a
`SET TRANSACTION` by hand is noticed when it is executed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

__all__ = ["asks_for_one_snapshot", "sees_the_present"]

_ONE_SNAPSHOT = frozenset({"REPEATABLE READ", "SERIALIZABLE", "SNAPSHOT"})
_EACH_STATEMENT = frozenset({"READ COMMITTED", "READ UNCOMMITTED", "AUTOCOMMIT"})
_PRESENT_AT_READ_COMMITTED = frozenset({"postgresql", "mysql", "mariadb"})


def asks_for_one_snapshot(bind: Engine | Connection) -> bool:
    """Whether the settings ask for transactions that see one moment only. SQLite can't do otherwise, and isn't asked."""
    return bind.dialect.name != "sqlite" and _level(bind, said=True) in _ONE_SNAPSHOT


def sees_the_present(connection: Connection) -> bool:
    """Whether the next statement on this connection, which may have been used before, sees all that is committed."""
    name = connection.dialect.name
    if name == "sqlite":
        driver: Any = connection.connection.driver_connection
        return not driver.in_transaction
    return name in _PRESENT_AT_READ_COMMITTED and _level(connection, said=False) in _EACH_STATEMENT


def _level(bind: Engine | Connection, *, said: bool) -> str:
    """The isolation level that somebody has *said*, or else the database's own."""
    dialect = bind.dialect
    level: Any = bind.get_execution_options().get("isolation_level") or dialect._on_connect_isolation_level
    if level is None and not said:
        level = getattr(dialect, "default_isolation_level", None)
    return str(level or "").replace("_", " ").upper()
