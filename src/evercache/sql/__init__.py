"""Results of SQL queries, cached, and invalidated by the commits that change them. For SQLAlchemy 2.1.

    queries = QueryCache(cache, Session)                     # an (async_)sessionmaker, or an engine

    async with Session() as session:
        found = await cached_execute(session, select(User).where(User.active), ttl="5m")
        found.scalars().all()                                # as from the database: your session's own entities

Every commit on that engine invalidates what it has changed, once it is committed: flushes, bulk statements, plain SQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evercache.sql.names import EVERYTHING, OUTBOX_NAME, row_tag, rows_tag
    from evercache.sql.sqlalchemy.execute import CachedQuery, cached_execute
    from evercache.sql.sqlalchemy.outbox import outbox_ddl, outbox_table
    from evercache.sql.sqlalchemy.queries import QueryCache
    from evercache.sql.sqlalchemy.triggers import drop_trigger_ddl, trigger_ddl
    from evercache.sql.sqlalchemy.worker import OutboxWorker

__all__ = [
    "EVERYTHING",
    "OUTBOX_NAME",
    "CachedQuery",
    "OutboxWorker",
    "QueryCache",
    "cached_execute",
    "drop_trigger_ddl",
    "outbox_ddl",
    "outbox_table",
    "row_tag",
    "rows_tag",
    "trigger_ddl",
]

_HOMES = {
    "EVERYTHING": "names",
    "OUTBOX_NAME": "names",
    "CachedQuery": "sqlalchemy.execute",
    "OutboxWorker": "sqlalchemy.worker",
    "QueryCache": "sqlalchemy.queries",
    "cached_execute": "sqlalchemy.execute",
    "drop_trigger_ddl": "sqlalchemy.triggers",
    "outbox_ddl": "sqlalchemy.outbox",
    "outbox_table": "sqlalchemy.outbox",
    "row_tag": "names",
    "rows_tag": "names",
    "trigger_ddl": "sqlalchemy.triggers",
}


def __getattr__(name: str) -> object:
    """SQLAlchemy is imported when it is first needed."""
    import importlib

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'evercache.sql' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"evercache.sql.{home}"), name)
    globals()[name] = value
    return value
