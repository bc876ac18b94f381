"""Real databases for the tests of cached queries: SQLite in a file, PostgreSQL by two drivers. None is ever skipped."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    Date,
    DateTime,
    Enum,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Uuid,
)
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from evercache import Cache
from evercache.sql import QueryCache
from evercache.testing.servers.postgres import PostgresServer
from tests.support.shop import Role, fill

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

# A driver says goodbye to the server before its socket closes.
TURNS_TO_CLOSE = 20
DATABASES = ["sqlite", "asyncpg", "psycopg"]


@pytest.fixture(scope="session", autouse=True)  # so that what it opens is nobody's fault in the audit of a test
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the session; each test fills its tables anew."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path) -> str:
    """The URL of a database; tests are run with each kind that they name, by default with all."""
    kind = getattr(request, "param", "sqlite")
    if kind == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}"
    return request.getfixturevalue("postgres").url(kind)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = any(marker.args[0] == "database_url" for marker in metafunc.definition.iter_markers("parametrize"))
    if "database_url" in metafunc.fixturenames and not chosen:
        metafunc.parametrize("database_url", DATABASES, indirect=True)


@pytest.fixture
async def make_engine() -> AsyncIterator[Callable[..., AsyncEngine]]:
    """Makes engines that are disposed of after the test."""
    async with AsyncExitStack() as stack:

        def make(url: str, **options: object) -> AsyncEngine:
            engine = create_async_engine(url, **options)
            stack.push_async_callback(engine.dispose)
            return engine

        yield make
    for _ in range(TURNS_TO_CLOSE):
        await asyncio.sleep(0)


@pytest.fixture
async def engine(database_url: str, make_engine) -> AsyncEngine:
    made = make_engine(database_url)
    await fill(made)
    return made


@pytest.fixture
def session_of(engine) -> async_sessionmaker[AsyncSession]:
    return async_sessionmaker(engine)


@pytest.fixture
async def cache() -> AsyncIterator[Cache]:
    async with Cache(ttl="1h") as made:
        yield made


@pytest.fixture
def queries(cache: Cache, session_of) -> Iterator[QueryCache]:
    with QueryCache(cache, session_of) as made:
        yield made


@pytest.fixture
async def typed_table(engine):
    """A table with one row of what PostgreSQL's drivers have types for."""
    metadata = MetaData()
    table = Table(
        "typed",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("at", DateTime(timezone=True)),
        Column("day", Date),
        Column("price", Numeric(12, 4)),
        Column("data", JSON),
        Column("numbers", ARRAY(Integer)),
        Column("raw", LargeBinary),
        Column("long", Interval),
        Column("role", Enum(Role, name="role_of_typed")),
    )
    async with engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        await connection.execute(
            table.insert().values(
                id=UUID(int=7),
                at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
                day=date(2026, 1, 2),
                price=Decimal("12.3400"),
                data={"a": [1, None, "x"]},
                numbers=[1, 2, 3],
                raw=b"\x00\xff",
                long=timedelta(days=1, seconds=2),
                role=Role.SELLER,
            )
        )
    yield table
    async with engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
