"""Invalidation follows commits: what a transaction has changed is dropped once it is committed, and not if it isn't."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from evercache.sql import cached_execute
from tests.support.shop import Member, Order, User, asked


async def names(session):
    return (await cached_execute(session, select(User.name).order_by(User.id))).scalars().all()


async def name_of(session, id):
    return (await cached_execute(session, select(User.name).where(User.id == id))).scalar_one_or_none()


async def warm(session_of):
    """Everything that the tests ask for is cached."""
    async with session_of() as session:
        await names(session)
        await cached_execute(session, select(Order.total))
        for id in (1, 2, 3, 9):
            await name_of(session, id)


@asynccontextmanager
async def reloads(engine, session_of, *expected):
    """Inside, something is committed; afterwards exactly the *expected* reads ask the database again."""
    await warm(session_of)
    yield
    found = set()
    for label, read in READS.items():
        async with session_of() as session:
            with asked(engine) as sqls:
                await read(session)
        if sqls:
            found.add(label)
    assert found == set(expected)


READS = {
    "users": names,
    "orders": lambda session: cached_execute(session, select(Order.total)),
    "user 1": lambda session: name_of(session, 1),
    "user 2": lambda session: name_of(session, 2),
    "user 3": lambda session: name_of(session, 3),
    "user 9": lambda session: name_of(session, 9),
}
LOOKUPS = ("user 1", "user 2", "user 3", "user 9")


@pytest.mark.row("S2.50", "S2.17")
async def test_a_flushed_update_drops_its_row_and_the_results_of_its_table(engine, session_of, queries):
    async with reloads(engine, session_of, "users", "user 2"), session_of() as session, session.begin():
        (await session.get(User, 2)).name = "bea"


@pytest.mark.row("S2.50")
async def test_a_flushed_insert_drops_the_lookup_that_had_found_nothing(engine, session_of, queries):
    async with reloads(engine, session_of, "users", "user 9"), session_of() as session, session.begin():
        session.add(User(id=9, name="new"))


@pytest.mark.row("S2.50")
async def test_many_inserts_with_keys_of_the_database_leave_the_lookups_alone(engine, session_of, queries):
    """The keys that the database gives are known after the flush; only their lookups are dropped."""
    async with reloads(engine, session_of, "orders"), session_of() as session, session.begin():
        if engine.dialect.name == "postgresql":
            await session.execute(text("SELECT setval('orders_id_seq', 100)"))
        session.add_all([Order(user_id=1, total=i) for i in range(3)])


@pytest.mark.row("S2.50")
async def test_a_flushed_delete_also_drops_what_the_database_deletes_behind_it(engine, session_of, queries):
    """ON DELETE CASCADE: the orders of a user go with the user, and nobody says so but the schema."""
    async with reloads(engine, session_of, "users", "user 1", "orders"), session_of() as session, session.begin():
        await session.delete(await session.get(User, 1))


@pytest.mark.row("S2.50")
async def test_a_changed_key_drops_the_old_row_and_the_new_one(engine, session_of, queries):
    async with session_of() as session, session.begin():
        await session.execute(delete(Order))
    async with (
        reloads(engine, session_of, "users", "user 2", "user 9"),
        session_of() as session,
        session.begin(),
    ):
        (await session.get(User, 2)).id = 9


@pytest.mark.row("S2.50")
@pytest.mark.parametrize("how", ["by key", "by keys", "bulk", "by expression"])
async def test_bulk_statements_drop_rows_they_name_and_all_lookups_if_they_don_t(engine, session_of, queries, how):
    statement, expected = {
        "by key": (update(User).where(User.id == 2).values(name="x"), ["user 2"]),
        "by keys": (update(User).where(User.id.in_([2, 3])).values(name="x"), ["user 2", "user 3"]),
        "bulk": (update(User).where(User.age > 0).values(name="x"), LOOKUPS),
        "by expression": (update(User).where(User.id + 0 == 2).values(name="x"), LOOKUPS),
    }[how]
    async with reloads(engine, session_of, "users", *expected), session_of() as session, session.begin():
        await session.execute(statement)


@pytest.mark.row("S2.50")
async def test_core_statements_and_plain_sql_count_without_a_session_too(engine, session_of, queries):
    async with reloads(engine, session_of, "users", "user 1"), engine.begin() as connection:
        await connection.execute(update(User.__table__).where(User.__table__.c.id == 1).values(name="core"))
    async with reloads(engine, session_of, "users", *LOOKUPS), engine.begin() as connection:
        await connection.execute(text("UPDATE users SET name = 'plain' WHERE id = 1"))
    async with reloads(engine, session_of, "users", *LOOKUPS), engine.begin() as connection:
        await connection.exec_driver_sql("update users set name = 'driver' where id = 1")


@pytest.mark.row("S2.50")
async def test_insert_from_select_and_writes_in_a_cte(engine, session_of, queries):
    copy = insert(User).from_select(["name", "age", "bio", "role"], select(User.name, User.age, User.bio, User.role))
    if engine.dialect.name == "postgresql":
        async with engine.begin() as connection:
            await connection.execute(text("SELECT setval('users_id_seq', 100)"))
        changed = update(User).where(User.id == 1).values(name="cte").returning(User.id).cte("changed")
        async with reloads(engine, session_of, "users", "user 1"), session_of() as session, session.begin():
            await session.execute(select(changed.c.id))
    async with reloads(engine, session_of, "users", *LOOKUPS), session_of() as session, session.begin():
        await session.execute(copy)


@pytest.mark.row("S2.50", "S2.17")
async def test_nothing_is_dropped_before_the_commit_and_nothing_after_a_rollback(engine, session_of, queries):
    await warm(session_of)
    async with session_of() as session:
        (await session.get(User, 2)).name = "bea"
        await session.flush()
        async with session_of() as other:
            with asked(engine) as sqls:
                assert await names(other) == ["ann", "bob", "cat"]
            assert sqls == []
        await session.rollback()
    async with reloads(engine, session_of):
        pass


@pytest.mark.row("S2.50")
async def test_a_savepoint_that_is_rolled_back_drops_nothing_and_the_rest_does(engine, session_of, queries):
    async with reloads(engine, session_of, "users", "user 1"), session_of() as session, session.begin():
        (await session.get(User, 1)).name = "kept"
        with pytest.raises(IntegrityError):
            await lose_a_change(session)
        async with session.begin_nested():
            pass


async def lose_a_change(session):
    async with session.begin_nested():
        (await session.get(User, 3)).name = "lost"
        await session.flush()
        session.add(Order(id=1, user_id=2))


@pytest.mark.row("S2.50")
async def test_a_savepoint_that_is_released_drops_with_the_commit(engine, session_of, queries):
    async with (
        reloads(engine, session_of, "users", "user 3"),
        session_of() as session,
        session.begin(),
        session.begin_nested(),
        session.begin_nested(),
    ):
        (await session.get(User, 3)).name = "kept"


@pytest.mark.row("S2.51")
async def test_a_transaction_that_has_written_reads_its_own(engine, session_of, queries):
    """It sees what it has written, what it sees is not cached, and after the rollback everybody sees what is committed."""
    await warm(session_of)
    async with session_of() as session:
        session.add(User(id=9, name="mine"))
        assert await names(session) == ["ann", "bob", "cat", "mine"]  # flushed by itself, as ever
        async with session_of() as other:
            assert await names(other) == ["ann", "bob", "cat"]
        await session.rollback()
        assert await names(session) == ["ann", "bob", "cat"]


@pytest.mark.row("S2.17")
async def test_after_the_commit_the_writer_and_everybody_else_see_it(engine, session_of, queries):
    await warm(session_of)
    async with session_of() as session, session_of() as other:
        (await session.get(User, 2)).name = "bea"
        await session.commit()
        assert (await names(session))[1] == "bea"
        assert (await names(other))[1] == "bea"
        assert await name_of(other, 2) == "bea"


@pytest.mark.row("S2.17")
async def test_a_load_that_began_before_a_commit_does_not_survive_it(engine, session_of, queries):
    """The old rows were read, the commit came, then the fill: it is refused."""
    async with session_of() as writer, session_of() as reader:
        user = await writer.get(User, 2)
        user.name = "bea"
        await writer.flush()
        reading = asyncio.create_task(names(reader))
        with asked(engine) as sqls:
            while not sqls:
                await asyncio.sleep(0)
            committing = asyncio.create_task(writer.commit())
            await asyncio.gather(reading, committing)
    async with session_of() as session:
        assert (await names(session))[1] == "bea"


async def test_keys_of_several_columns_have_tags_of_their_own(engine, session_of, queries, cache):
    async with session_of() as session, session.begin():
        session.add_all([Member(room="a:b", user_id=1), Member(room="a", user_id=1)])
    statements = [select(Member.since).where(Member.room == room, Member.user_id == 1) for room in ("a:b", "a")]
    for statement in statements:
        async with session_of() as session:
            await cached_execute(session, statement)
    async with session_of() as session, session.begin():
        (await session.get(Member, ("a:b", 1))).since = 7
    answers = []
    with asked(engine) as sqls:
        for statement in statements:
            async with session_of() as session:
                answers.append((await cached_execute(session, statement)).scalar_one())
    assert answers == [7, 0]
    assert len(sqls) == 1


async def test_tables_can_be_dropped_by_hand(engine, session_of, queries):
    """For what no commit here has told: all results of a table, or all of them."""
    async with reloads(engine, session_of, "users", *LOOKUPS):
        await queries.invalidate(User)
    async with reloads(engine, session_of, *READS):
        await queries.invalidate()


@pytest.mark.row("S4.3")
async def test_a_row_tag_drops_the_small_results_that_hold_the_row(engine, session_of, queries, cache):
    async with reloads(engine, session_of, "user 2"):
        await cache.invalidate_tags("users:2")
    async with session_of() as session:
        await cached_execute(session, select(User))
        await cache.invalidate_tags("users:2")
        with asked(engine) as sqls:
            await cached_execute(session, select(User))
        assert len(sqls) == 1


@pytest.mark.parametrize("database_url", ["asyncpg"], indirect=True)
async def test_autocommit_tells_at_once(engine, session_of, queries):
    async with reloads(engine, session_of, "users", "user 1"), engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(update(User.__table__).where(User.__table__.c.id == 1).values(name="now"))


async def test_close_leaves_the_engine_as_it_was(engine, session_of, queries):
    do_commit = type(engine.dialect).do_commit
    queries.close()
    assert engine.sync_engine.dialect.do_commit.__func__ is do_commit
    async with session_of() as session:
        with asked(engine) as sqls:
            for _ in range(2):
                await session.execute(select(User.id), execution_options={"evercache": "5m"})
    assert len(sqls) == 2
