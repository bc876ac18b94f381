"""A transaction that sees an older moment neither fills the cache nor is answered from it."""

from __future__ import annotations

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.ext.asyncio import async_sessionmaker

from evercache.sql import QueryCache, cached_execute
from tests.support.shop import User, asked, fill

NAMES = select(User.name).order_by(User.id)


async def names(session):
    return (await cached_execute(session, NAMES)).scalars().all()


async def rename(session_of, name):
    async with session_of() as session, session.begin():
        (await session.get(User, 1)).name = name


@pytest.mark.row("S2.17")
@pytest.mark.parametrize("database_url", ["asyncpg", "psycopg"], indirect=True)
@pytest.mark.parametrize("how", ["option of the session", "option of the engine", "by hand"])
async def test_an_old_snapshot_is_read_from_the_database_and_fills_nothing(make_engine, database_url, cache, how):
    """REPEATABLE READ: opened before a commit, it reads the old rows after it, and nobody else ever gets them."""
    options = {"isolation_level": "REPEATABLE READ"} if how == "option of the engine" else {}
    engine, plain = make_engine(database_url, **options), make_engine(database_url)
    await fill(plain)
    session_of, writer_of = async_sessionmaker(engine), async_sessionmaker(plain)
    with QueryCache(cache, session_of, writer_of, database="shop"):
        async with session_of() as old:
            if how == "option of the session":
                await old.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            if how == "by hand":
                await old.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            await old.execute(text("SELECT 1 FROM users"))
            await rename(writer_of, "amy")
            assert (await names(old))[0] == "ann"
            async with writer_of() as session:
                assert (await names(session))[0] == "amy"
            assert (await names(old))[0] == "ann", "its own snapshot, not the cache"
        async with writer_of() as session:
            assert (await names(session))[0] == "amy"


@pytest.mark.parametrize("database_url", ["asyncpg", "psycopg"], indirect=True)
async def test_read_committed_fills_also_late_in_a_transaction(engine, session_of, queries):
    """Each statement has a snapshot of its own, so a long transaction may fill as any other."""
    async with session_of() as session:
        await session.execute(text("SELECT 1 FROM users"))
        await rename(session_of, "amy")
        assert (await names(session))[0] == "amy"
        async with session_of() as other:
            with asked(engine) as sqls:
                assert (await names(other))[0] == "amy"
    assert sqls == []


@pytest.mark.row("S2.17")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_open_transaction_of_sqlite_fills_nothing(make_engine, database_url, cache):
    """With BEGIN and WAL, a reader stays at its moment while others commit."""
    engine, plain = make_engine(database_url), make_engine(database_url)
    await fill(plain)
    async with plain.begin() as connection:
        await connection.exec_driver_sql("SELECT 1")
    async with plain.connect() as connection:
        await connection.exec_driver_sql("PRAGMA journal_mode = wal")

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    session_of, writer_of = async_sessionmaker(engine), async_sessionmaker(plain)
    with QueryCache(cache, session_of, writer_of):
        async with session_of() as old:
            await old.execute(select(User.id))
            await rename(writer_of, "amy")
            assert (await names(old))[0] == "ann"
        async with writer_of() as session:
            assert (await names(session))[0] == "amy"
