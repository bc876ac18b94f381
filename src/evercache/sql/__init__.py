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
    from evercache.sql.names import EVERYTHING, row_tag, rows_tag
    from evercache.sql.sqlalchemy.execute import CachedQuery, cached_execute
    from evercache.sql.sqlalchemy.queries import QueryCache

__all__ = [
    "EVERYTHING",
    "CachedQuery",
    "QueryCache",
    "cached_execute",
    "row_tag",
    "rows_tag",
]

_HOMES = {
    "EVERYTHING": "names",
    "CachedQuery": "sqlalchemy.execute",
    "QueryCache": "sqlalchemy.queries",
    "cached_execute": "sqlalchemy.execute",
    "row_tag": "names",
    "rows_tag": "names",
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
