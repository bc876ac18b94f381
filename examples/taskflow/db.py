"""The database: one engine with an owner, sessions for a request or a load, and a time that keeps its zone."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, DateTime, Dialect, MetaData, event, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


_ALONE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7451)"}


class Base(DeclarativeBase):
    """What every table of TaskFlow derives from."""

    metadata = MetaData(naming_convention=NAMES)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, stored in UTC and always given back with its zone (SQLite forgets zones)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC)

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utc_now() -> datetime:
    """This moment, with its zone."""
    return datetime.now(UTC)


class Database:
    """One engine and its sessions.  Made without a connection; `opened` by whoever closes it."""

    def __init__(self) -> None:
        self._engine: AsyncEngine | None = None

    @asynccontextmanager
    async def opened(self, url: str) -> AsyncIterator["Database"]:
        """Ready for statements, on the database at *url*; at the end every connection is closed."""
        if self._engine is not None:
            raise RuntimeError("This database is open already; a process runs one TaskFlow at a time.")
        self._engine = create_async_engine(url, pool_pre_ping=not url.startswith("sqlite"))
        if self.kind == "sqlite":
            event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
        try:
            yield self
        finally:
            await self._engine.dispose()
            self._engine = None

    @property
    def engine(self) -> AsyncEngine:
        """The engine.  Raises RuntimeError while the database is not open."""
        if self._engine is None:
            raise RuntimeError("The database is not open; the application's lifespan opens it.")
        return self._engine

    @property
    def kind(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session that takes a connection at its first statement; what was not committed is rolled back."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session

    async def prepare(self, change: Callable[[Connection], None]) -> None:
        """Makes *change* to the tables, in one transaction, and no other process at the same time."""
        async with self.engine.begin() as connection:
            # One at a time: workers that start together would all see no table and all create it.
            await connection.exec_driver_sql(_ALONE[self.kind])
            await connection.run_sync(change)

    async def ping(self) -> None:
        """Returns if the database answers, raises what it raised if not."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))


database = Database()
"""The application's; its lifespan opens it."""

session_scope = database.session
"""A session for one load of the cache, which belongs to no request."""


def _prepare_sqlite(connection: Any, _record: object) -> None:  # Any: DBAPI connections have no common type
    cursor = connection.cursor()
    # WAL: readers don't wait for the writer.  busy_timeout: writers of other workers queue, up to 5 s.
    for pragma in ("busy_timeout = 5000", "journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
