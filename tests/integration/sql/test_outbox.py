"""The outbox: what a commit changes is invalidated, also if its process dies before it could, and whoever has written."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import MetaData, select, text

from evercache import Cache
from evercache.sql import (
    EVERYTHING,
    OutboxWorker,
    QueryCache,
    cached_execute,
    drop_trigger_ddl,
    outbox_ddl,
    outbox_table,
    trigger_ddl,
)
from evercache.testing.proxy import TcpProxy
from tests.support.killed import play
from tests.support.shop import Member, Order, User

OUTBOX = outbox_table(MetaData())


@pytest.fixture
async def shared(redis_url, redis_namespace):
    async with Cache(redis_url, namespace=redis_namespace, ttl="1h", l1=False) as cache:
        yield cache


@pytest.fixture
async def outbox_engine(engine):
    async with engine.begin() as connection:
        await connection.run_sync(OUTBOX.metadata.drop_all)
        await connection.run_sync(OUTBOX.metadata.create_all)
    yield engine
    async with engine.begin() as connection:
        await connection.run_sync(OUTBOX.metadata.drop_all)


@pytest.fixture
def queries(shared, outbox_engine, session_of):
    with QueryCache(shared, session_of, outbox=True) as made:
        yield made


async def names(session_of):
    async with session_of() as session:
        return (await cached_execute(session, select(User.name).order_by(User.id))).scalars().all()


async def name_of(session_of, id):
    async with session_of() as session:
        return (await cached_execute(session, select(User.name).where(User.id == id))).scalar_one()


async def written(engine):
    async with engine.connect() as connection:
        return [
            tuple(row) for row in await connection.execute(select(OUTBOX.c.tag, OUTBOX.c.writer).order_by(OUTBOX.c.id))
        ]


async def test_tags_are_written_with_the_change_and_deleted_when_confirmed(outbox_engine, session_of, queries):
    """Visible together with the change, in one transaction; gone after the next round of a worker."""
    async with session_of() as session, session.begin():
        (await session.get(User, 2)).name = "bea"
    rows = await written(outbox_engine)
    assert [tag for tag, _ in rows] == ["users", "users:2"]
    assert len({writer for _, writer in rows} - {None}) == 1
    await OutboxWorker(queries, outbox_engine, grace="1h").round()
    assert await written(outbox_engine) == []


async def test_a_rollback_leaves_nothing_in_the_outbox(outbox_engine, session_of, queries):
    async with session_of() as session:
        (await session.get(User, 2)).name = "bea"
        await session.flush()
        await session.rollback()
    assert await written(outbox_engine) == []


async def test_a_writer_of_any_kind_is_carried_out(outbox_engine, session_of, queries):
    """A row by hand, in the transaction of a change that nobody hears: a worker drops what it names."""
    await names(session_of)
    queries.close()
    async with outbox_engine.begin() as connection:
        await connection.execute(text("UPDATE users SET name = 'foreign' WHERE id = 1"))
        await connection.execute(text("INSERT INTO evercache_outbox (tag) VALUES ('users')"))
    queries.bind(session_of)
    assert (await names(session_of))[0] == "ann"
    assert await OutboxWorker(queries, outbox_engine).round() == 1
    assert (await names(session_of))[0] == "foreign"
    assert await written(outbox_engine) == []


async def test_everything_can_be_dropped_through_the_outbox(outbox_engine, session_of, queries):
    await names(session_of)
    await name_of(session_of, 1)
    queries.close()
    async with outbox_engine.begin() as connection:
        await connection.execute(text("UPDATE users SET name = 'foreign'"))
        await connection.execute(OUTBOX.insert().values(tag=EVERYTHING))
    queries.bind(session_of)
    await OutboxWorker(queries, outbox_engine).round()
    assert await names(session_of) == ["foreign"] * 3
    assert await name_of(session_of, 1) == "foreign"


@pytest.mark.expects_logs
async def test_rows_stay_until_redis_confirms(outbox_engine, session_of, redis_server, redis_url, redis_namespace):
    """Redis is away at the commit and at the next round: nothing is deleted, and nothing is lost."""
    with TcpProxy(redis_server.address) as proxy:
        async with Cache(proxy.rewrite(redis_url), namespace=redis_namespace, l1=False) as cache:
            with QueryCache(cache, session_of, outbox=True) as queries:
                worker = OutboxWorker(queries, outbox_engine, grace=0.001)
                await names(session_of)
                proxy.refuse()
                proxy.cut()
                async with session_of() as session, session.begin():
                    (await session.get(User, 1)).name = "away"
                assert await worker.round() == 0
                assert len(await written(outbox_engine)) == 2
                assert (await names(session_of))[0] == "away", "the database answers while Redis is away"
                proxy.heal()
                while not await worker.round():
                    await asyncio.sleep(0.01)
                assert await written(outbox_engine) == []
                assert (await names(session_of))[0] == "away"


@pytest.mark.parametrize("database_url", ["asyncpg", "psycopg"], indirect=True)
async def test_workers_share_the_rows_between_them(outbox_engine, queries):
    """Two workers at once: each row is carried out by one of them, and neither waits for the other."""
    async with outbox_engine.begin() as connection:
        await connection.execute(OUTBOX.insert(), [{"tag": f"t:{i}"} for i in range(1500)])
    workers = [OutboxWorker(queries, outbox_engine) for _ in range(2)]
    done = await asyncio.gather(*(worker.round() for worker in workers))
    assert sum(done) == 1500
    assert await written(outbox_engine) == []


async def test_a_worker_works_until_it_is_told_to_stop(outbox_engine, session_of, queries):
    async with OutboxWorker(queries, outbox_engine, every=0.01):
        async with outbox_engine.begin() as connection:
            await connection.execute(text("INSERT INTO evercache_outbox (tag) VALUES ('users')"))
        while await written(outbox_engine):
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("database_url", ["sqlite", "asyncpg"], indirect=True)
async def test_the_ddl_makes_the_table(engine):
    async with engine.begin() as connection:
        await connection.run_sync(OUTBOX.metadata.drop_all)
        for statement in outbox_ddl(engine.dialect).split(";\n"):
            if statement.strip():
                await connection.exec_driver_sql(statement)
        await connection.execute(OUTBOX.insert().values(tag="users"))
    assert await written(engine) == [("users", None)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["asyncpg"], indirect=True)
async def test_twenty_five_writers_killed_between_commit_and_invalidation(database_url, redis_server, redis_url):
    """kill -9 after the commit, while the invalidation is under way: old answers are there, and a worker drops them."""
    with TcpProxy(redis_server.address) as proxy:
        count = await play(database_url, redis_url, proxy, 25, seed=7)
    assert count.killed > 0
    assert count.lost > 0, "no invalidation was lost: the test has shown nothing"
    assert count.stale == 0


# -- triggers ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def triggers(outbox_engine):
    async with outbox_engine.begin() as connection:
        for table in (User, Order, Member):
            for statement in trigger_ddl(table):
                await connection.exec_driver_sql(statement)
    yield
    async with outbox_engine.begin() as connection:
        for table in (User, Order, Member):
            for statement in drop_trigger_ddl(table):
                await connection.exec_driver_sql(statement)


CHANGES = {
    "insert": ("INSERT INTO users (id, name, role, age, bio) VALUES (7, 'x', 'BUYER', 1, '')", ["users", "users:7"]),
    "update": ("UPDATE users SET name = 'x' WHERE id IN (1, 2)", ["users", "users:1", "users:2"]),
    "key": ("UPDATE users SET id = 70 WHERE id = 3", ["users", "users:3", "users:70"]),
    "nothing": ("UPDATE users SET name = 'x' WHERE id = 99", []),
    "cascade": ("DELETE FROM users WHERE id = 1", ["orders", "orders:3", "orders:6", "users", "users:1"]),
    "truncate": ("TRUNCATE members", ["members", "members:*"]),
    "text key": ("INSERT INTO members VALUES ('a:b%', 1, 0)", ["members", "members:a%3Ab%25:1"]),
    "many": ("INSERT INTO members SELECT 'r' || i, i, 0 FROM generate_series(1, 300) i", ["members", "members:*"]),
    "rolled back": ("BEGIN; UPDATE users SET name = 'x'; ROLLBACK", []),
}


@pytest.mark.parametrize("database_url", ["asyncpg"], indirect=True)
@pytest.mark.parametrize("change", CHANGES)
async def test_triggers_write_what_psql_changes(outbox_engine, triggers, postgres, change):
    """Every committed change of psql, by the names that the reading side uses."""
    sql, tags = CHANGES[change]
    if change == "key":
        await asyncio.to_thread(postgres.psql, "DELETE FROM orders; DELETE FROM evercache_outbox")
    await asyncio.to_thread(postgres.psql, sql)
    assert sorted(tag for tag, _ in await written(outbox_engine)) == tags


@pytest.mark.row("S2.17")
@pytest.mark.parametrize("database_url", ["asyncpg", "psycopg"], indirect=True)
async def test_a_change_by_psql_reaches_the_cache_by_the_bell(outbox_engine, session_of, shared, triggers, postgres):
    """The worker would look again in an hour; the notification makes it look now."""
    with QueryCache(shared, session_of) as queries:
        async with OutboxWorker(queries, outbox_engine, every="1h"):
            await _listened(outbox_engine, postgres)
            assert (await names(session_of))[0] == "ann"
            assert await name_of(session_of, 1) == "ann"
            await asyncio.to_thread(postgres.psql, "UPDATE users SET name = 'psql' WHERE id = 1")
            while await written(outbox_engine):
                await asyncio.sleep(0.005)
            assert (await names(session_of))[0] == "psql"
            assert await name_of(session_of, 1) == "psql"


async def _listened(engine, postgres):
    """Somebody listens."""
    question = "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'listen%'"
    while (await asyncio.to_thread(postgres.psql, question)).strip() == "0":
        await asyncio.sleep(0.01)
