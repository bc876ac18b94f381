"""Results of queries from the cache are those of the database, in every form that SQLAlchemy gives them."""

from __future__ import annotations

import asyncio
import gc
from uuid import UUID

import pytest
from sqlalchemy import bindparam, exists, func, inspect, literal, select, text, union_all
from sqlalchemy.exc import IntegrityError, MissingGreenlet, MultipleResultsFound, ProgrammingError, StatementError
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import aliased, joinedload, load_only, raiseload, selectinload, undefer

from evercache.errors import ConfigurationError
from evercache.sql import CachedQuery, cached_execute
from tests.support.shop import Member, Order, Role, User, asked

CACHED = {"execution_options": {"evercache": "5m"}}


async def both(engine, session_of, work):
    """What *work* finds in a session that has to load, and in another one that hasn't."""
    async with session_of() as session:
        loaded = await work(session)
    with asked(engine) as sqls:
        async with session_of() as session:
            found = await work(session)
    assert sqls == [], "the second session asked the database"
    assert found == loaded
    return found


@pytest.mark.row("S2.47", "S2.2")
async def test_a_query_is_asked_once_and_answered_again(engine, session_of, queries):
    async def names(session):
        found = await cached_execute(session, select(User).order_by(User.id), ttl="5m")
        return [user.name for user in found.scalars()]

    assert await both(engine, session_of, names) == ["ann", "bob", "cat"]


@pytest.mark.row("S2.47")
async def test_the_session_option_and_the_function_are_one(engine, session_of, queries):
    """Whether said by the function, the option of the call, or the option of the statement: one entry."""
    statement = select(User.name).where(User.age > 21).order_by(User.id)
    async with session_of() as session:
        first = (await cached_execute(session, statement, ttl="5m")).scalars().all()
    with asked(engine) as sqls:
        async with session_of() as session:
            assert (await session.scalars(statement, **CACHED)).all() == first
            assert (await session.execute(statement.execution_options(evercache="5m"))).scalars().all() == first
            assert (
                await session.scalars(statement, execution_options={"evercache": CachedQuery(ttl=300)})
            ).all() == first
    assert sqls == []


FORMS = {
    "all": lambda r: [tuple(row) for row in r.all()],
    "mappings": lambda r: [dict(row) for row in r.mappings()],
    "scalars": lambda r: r.scalars().all(),
    "columns": lambda r: [tuple(row) for row in r.columns(1)],
    "first": lambda r: tuple(r.first()),
    "partitions": lambda r: [[tuple(row) for row in part] for part in r.partitions(2)],
    "fetchmany": lambda r: [tuple(row) for row in [*r.fetchmany(2), *r.fetchmany(5)]],
    "keys": lambda r: [list(r.keys()), r.all() and None],
    "unique": lambda r: r.unique().scalars().all(),
    "names": lambda r: [row.name for row in r],
}


@pytest.mark.row("S2.47")
@pytest.mark.parametrize("form", FORMS)
async def test_a_result_has_every_form(engine, session_of, queries, form):
    """Rows of columns come back in all the forms of a Result."""
    statement = select(User.id, User.name, User.role).order_by(User.id)

    async def read(session):
        return FORMS[form](await session.execute(statement, **CACHED))

    await both(engine, session_of, read)


@pytest.mark.row("S2.47")
async def test_one_and_none_say_what_they_always_say(engine, session_of, queries):
    async def read(session):
        with pytest.raises(MultipleResultsFound):
            (await session.execute(select(User.id), **CACHED)).one()
        none = (await session.execute(select(User).where(User.id == 99), **CACHED)).one_or_none()
        return none, (await session.execute(select(func.count(User.id)), **CACHED)).scalar_one()

    assert await both(engine, session_of, read) == (None, 3)


@pytest.mark.row("S2.47")
async def test_entities_belong_to_the_session_that_asked(engine, session_of, queries):
    """They are persistent, one for each identity, and can be changed and committed."""
    statement = select(User).where(User.id == 2)
    for name in ("bea", "bud"):
        async with session_of() as session:
            user = (await session.execute(statement, **CACHED)).scalar_one()
            assert inspect(user).persistent
            assert user is await session.get(User, 2)
            assert user.role is Role.BUYER
            user.name = name
            await session.commit()
    async with session_of() as session:
        assert (await session.execute(statement, **CACHED)).scalar_one().name == "bud"


@pytest.mark.row("S2.47")
async def test_what_the_session_has_changed_is_not_overwritten(engine, session_of, queries):
    """As from the database: an entity that the session has already keeps its state, unless populate_existing is said."""
    statement = select(User).order_by(User.id)
    async with session_of() as session:
        await session.execute(statement, **CACHED)
    async with session_of(autoflush=False) as session:
        user = await session.get(User, 1)
        user.name = "unsaved"
        again = (await session.execute(statement, **CACHED)).scalars().first()
        assert again is user
        assert again.name == "unsaved"
        fresh = (
            await session.execute(statement, execution_options={"evercache": "5m", "populate_existing": True})
        ).scalars()
        assert fresh.first().name == "ann"


@pytest.mark.row("S2.47")
async def test_deferred_columns_stay_deferred_and_eager_ones_are_there(engine, session_of, queries):
    async def read(session):
        plain = (await session.execute(select(User).where(User.id == 1), **CACHED)).scalar_one()
        unloaded = set(inspect(plain).unloaded)
        session.expunge_all()
        full = await session.scalar(select(User).where(User.id == 1).options(undefer(User.bio)), **CACHED)
        session.expunge(full)
        part = await session.scalar(select(User).where(User.id == 1).options(load_only(User.name)), **CACHED)
        return unloaded, full.bio, set(inspect(part).unloaded)

    unloaded, bio, rest = await both(engine, session_of, read)
    assert unloaded == {"bio", "orders"}
    assert bio == "long"
    assert rest == {"bio", "orders", "age", "role"}


@pytest.mark.row("S2.47")
@pytest.mark.parametrize("eager", [selectinload, joinedload])
async def test_eager_relationships_come_from_the_cache_too(engine, session_of, queries, eager):
    """No lazy load behind a cached entity: what was loaded eagerly is there, both ways of the relationship."""

    async def read(session):
        users = await session.execute(select(User).order_by(User.id).options(eager(User.orders)), **CACHED)
        return [(user.id, sorted(order.total for order in user.orders)) for user in users.unique().scalars()]

    assert await both(engine, session_of, read) == [(1, [30, 60]), (2, [10, 40]), (3, [20, 50])]


# The driver's own coroutine, which SQLAlchemy leaves behind when it refuses to load lazily.
@pytest.mark.filterwarnings(
    "ignore:coroutine 'Connection.cursor' was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.row("S2.47")
async def test_what_was_not_loaded_eagerly_is_as_unloaded_as_ever(engine, session_of, queries):
    """A lazy relationship of a cached entity behaves as one of a loaded entity does: an error in an async session, also
    with raiseload, and never a query that nobody asked for."""
    for _ in range(2):
        async with session_of() as session:
            user = await session.scalar(select(User).where(User.id == 1), **CACHED)
            with pytest.raises((MissingGreenlet, StatementError), match="greenlet"):
                _ = user.orders
            session.expunge_all()
            user = await session.scalar(select(User).where(User.id == 1).options(raiseload("*")), **CACHED)
            with pytest.raises(Exception, match="raise"):
                _ = user.orders
    gc.collect()  # that coroutine goes here, where its warning is expected


STATEMENTS = {
    "alias": lambda: select(aliased(User, name="u")).order_by(text("1")),
    "join": lambda: select(User.name, Order.total).join(Order).order_by(Order.id),
    "outer join": lambda: (
        select(User.name, func.count(Order.id)).outerjoin(Order).group_by(User.name).order_by(User.name)
    ),
    "subquery": lambda: (
        select(User.name).where(User.id.in_(select(Order.user_id).where(Order.total > 30))).order_by(User.id)
    ),
    "exists": lambda: select(User.name).where(exists().where(Order.user_id == User.id)).order_by(User.id),
    "cte": lambda: select(big_orders().c.user_id).order_by(big_orders().c.user_id),
    "union": lambda: union_all(select(User.id), select(Order.id)).order_by(text("1")),
    "scalar subquery": lambda: select(
        User.name, select(func.max(Order.total)).where(Order.user_id == User.id).scalar_subquery()
    ).order_by(User.id),
    "core": lambda: select(User.__table__).order_by(User.__table__.c.id),
    "literal": lambda: select(literal(1), literal("x")),
}


def big_orders():
    return select(Order.user_id).where(Order.total > 30).cte("big")


@pytest.mark.row("S2.47")
@pytest.mark.parametrize("name", STATEMENTS)
async def test_statements_of_every_shape(engine, session_of, queries, name):
    async def read(session):
        rows = (await session.execute(STATEMENTS[name](), **CACHED)).all()
        return [tuple(cell.id if isinstance(cell, User) else cell for cell in row) for row in rows]

    await both(engine, session_of, read)


@pytest.mark.row("S2.48")
async def test_other_parameters_are_other_entries(engine, session_of, queries):
    """The key holds the statement and its parameters, typed: lists of other lengths, other values, bound late or early."""
    by_age = select(User.name).where(User.age == bindparam("age"))
    async with session_of() as session:
        for ids in ([1], [1, 2], [2, 1], []):
            found = (await session.scalars(select(User.id).where(User.id.in_(ids)).order_by(User.id), **CACHED)).all()
            assert found == sorted(ids)
        assert (await session.scalars(by_age, {"age": 21}, **CACHED)).all() == ["ann"]
        assert (await session.scalars(by_age, {"age": 22}, **CACHED)).all() == ["bob"]
        assert (await session.scalars(select(User.id).limit(1).order_by(User.id), **CACHED)).all() == [1]
        assert (await session.scalars(select(User.id).limit(2).order_by(User.id), **CACHED)).all() == [1, 2]


async def test_vary_tells_answers_of_one_statement_apart(engine, session_of, queries):
    statement = select(User.name).order_by(User.id)
    async with session_of() as session:
        await cached_execute(session, statement, vary="tenant 1")
        with asked(engine) as sqls:
            await cached_execute(session, statement, vary="tenant 1")
            assert sqls == []
            await cached_execute(session, statement, vary="tenant 2")
            assert len(sqls) == 1


async def test_plain_sql_that_reads_says_its_tags(engine, session_of, queries, cache):
    """What a text reads nobody can see: without tags it is an error, with them it is cached, and they drop it."""
    async with session_of() as session:
        with pytest.raises(ConfigurationError, match="plain SQL"):
            await cached_execute(session, text("SELECT name FROM users"))
    async with session_of() as session:
        with asked(engine) as sqls:
            for _ in range(2):
                await cached_execute(session, text("SELECT count(*) FROM users"), tags=["users"])
            assert len(sqls) == 1
            await cache.invalidate_tags("users")
            await cached_execute(session, text("SELECT count(*) FROM users"), tags=["users"])
            assert len(sqls) == 2


async def test_a_session_without_a_query_cache_is_an_error_of_the_function_only(engine):
    """cached_execute says so; the option alone is harmless: a script reads from the database."""
    async with async_sessionmaker(engine)() as session:
        with pytest.raises(ConfigurationError, match="QueryCache"):
            await cached_execute(session, select(User.id))
        assert len((await session.scalars(select(User.id), **CACHED)).all()) == 3


async def test_an_error_of_the_database_is_the_callers(engine, session_of, queries):
    """It comes as SQLAlchemy raises it, once, and isn't cached."""
    async with session_of() as session:
        for _ in range(2):
            with pytest.raises((ProgrammingError, IntegrityError, Exception), match="no_such"):
                await cached_execute(session, text("SELECT no_such_thing FROM users"), tags=["x"])
            await session.rollback()
        assert len((await cached_execute(session, select(User.id))).all()) == 3


async def test_concurrent_sessions_share_one_load(engine, session_of, queries):
    async def read():
        async with session_of() as session:
            return (await cached_execute(session, select(User.name).order_by(User.id))).scalars().all()

    with asked(engine) as sqls:
        answers = await asyncio.gather(*(read() for _ in range(20)))
    assert answers == [["ann", "bob", "cat"]] * 20
    assert len(sqls) == 1


@pytest.mark.row("S2.90")
async def test_a_hit_takes_no_connection_from_the_pool(engine, session_of, queries):
    async with session_of() as session:
        await cached_execute(session, select(User))
    async with session_of() as session:
        await cached_execute(session, select(User))
        assert engine.pool.checkedout() == 0


async def test_keys_of_two_columns_and_lookups(engine, session_of, queries):
    async with session_of() as session, session.begin():
        session.add(Member(room="a:b", user_id=1, since=5))
    async with session_of() as session:
        statement = select(Member).where(Member.room == "a:b", Member.user_id == 1)
        for _ in range(2):
            assert (await cached_execute(session, statement)).scalar_one().since == 5
            session.expunge_all()


@pytest.mark.parametrize("database_url", ["asyncpg", "psycopg"], indirect=True)
async def test_the_types_of_postgresql_come_back_as_they_are(engine, session_of, queries, typed_table):
    """Timestamps, numerics, UUIDs, arrays, JSON, bytes, enums: from memory and from the database alike."""
    statement = select(typed_table)
    rows = []
    for _ in range(2):
        async with session_of() as session:
            rows.append((await cached_execute(session, statement)).one())
    assert tuple(rows[0]) == tuple(rows[1])
    assert [type(cell) for cell in rows[0]] == [type(cell) for cell in rows[1]]
    assert UUID(int=7) in rows[1]
    rows[1].data["changed"] = True
    rows[1].numbers.append(9)
    async with session_of() as session:
        assert tuple((await cached_execute(session, statement)).one()) == tuple(rows[0]), (
            "an answer was changed by a reader"
        )
