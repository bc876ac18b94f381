"""Plain sessions in plain threads: the same cache, waited for."""

from __future__ import annotations

import logging
import threading

import pytest
from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import Session, selectinload, sessionmaker

from evercache import Cache, SyncCache
from evercache.sql import QueryCache, cached_execute
from tests.support.shop import Base, Role, User


@pytest.fixture(params=["sqlite", "psycopg"])
def engine(request, tmp_path, postgres):
    url = f"sqlite:///{tmp_path / 'shop.db'}" if request.param == "sqlite" else postgres.url("psycopg")
    made = create_engine(url)
    Base.metadata.drop_all(made)
    Base.metadata.create_all(made)
    with Session(made) as session, session.begin():
        session.add_all([User(id=i, name=name, role=Role.BUYER) for i, name in enumerate(("ann", "bob"), 1)])
    yield made
    made.dispose()


@pytest.fixture
def selects(engine):
    found = []

    def hear(_, __, sql, *___):
        if sql.lstrip().startswith("SELECT"):
            found.append(sql)

    event.listen(engine, "before_cursor_execute", hear)
    return found


def names(session):
    return cached_execute(session, select(User.name).order_by(User.id), ttl="5m").scalars().all()


@pytest.mark.row("S2.47", "S2.50")
def test_a_plain_session_reads_and_invalidates(engine, selects):
    session_of = sessionmaker(engine)
    with SyncCache() as cache, QueryCache(cache.cache, session_of):
        for _ in range(3):
            with session_of() as session:
                assert names(session) == ["ann", "bob"]
        assert len(selects) == 1
        with session_of() as session, session.begin():
            session.get_one(User, 2).name = "bea"
        with session_of() as session:
            assert names(session) == ["ann", "bea"]
            users = session.scalars(
                select(User).options(selectinload(User.orders)), execution_options={"evercache": True}
            )
            assert [user.orders for user in users] == [[], []]


def test_many_threads_share_loads_and_see_every_commit(engine, selects):
    session_of = sessionmaker(engine)
    with SyncCache() as cache, QueryCache(cache.cache, session_of):
        for round in range(5):
            with session_of() as session, session.begin():
                session.get_one(User, 1).name = f"n{round}"
            selects.clear()
            barrier, answers = threading.Barrier(8), []
            threads = [threading.Thread(target=read_at_once, args=(session_of, barrier, answers)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert answers == [f"n{round}"] * 8


def read_at_once(session_of, barrier, answers):
    barrier.wait()
    with session_of() as session:
        answers.append(names(session)[0])


async def test_a_plain_session_on_the_loop_reads_the_database_and_says_so_once(engine, selects, caplog):
    """It can't wait for the loop that it stands on. What it commits is invalidated all the same, a turn later."""
    session_of = sessionmaker(engine)
    async with Cache() as cache:
        with QueryCache(cache, session_of), caplog.at_level(logging.WARNING, "evercache.sql"):
            for _ in range(2):
                with session_of() as session:
                    assert names(session) == ["ann", "bob"]
            with session_of() as session, session.begin():
                session.get_one(User, 2).name = "bea"
    assert len(selects) >= 2
    assert len([record for record in caplog.records if "event loop" in record.getMessage()]) == 1
