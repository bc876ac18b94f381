"""Cached queries of several processes over one Redis: one load for all, and nobody keeps what another has changed."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import async_sessionmaker

from evercache import Cache
from evercache.sql import QueryCache, cached_execute
from evercache.testing.proxy import TcpProxy
from tests.support.shop import Order, User, asked


@pytest.fixture
async def two(make_engine, engine, database_url, redis_url, redis_namespace):
    """Two caches with engines of their own, as two processes have them. Without L1, so that Redis answers."""
    async with (
        Cache(redis_url, namespace=redis_namespace, l1=False) as a,
        Cache(redis_url, namespace=redis_namespace, l1=False) as b,
    ):
        makers = [async_sessionmaker(engine), async_sessionmaker(make_engine(database_url))]
        with QueryCache(a, makers[0]), QueryCache(b, makers[1]):
            yield makers


async def names(session_of):
    async with session_of() as session:
        users = (await cached_execute(session, select(User).order_by(User.id), ttl="5m")).scalars().all()
        return [user.name for user in users]


@pytest.mark.row("S2.47", "S2.50", "S2.17")
async def test_one_process_loads_the_other_finds_and_a_commit_concerns_both(engine, two):
    first, second = two
    assert await names(first) == ["ann", "bob", "cat"]
    with asked(second.kw["bind"]) as sqls:
        assert await names(second) == ["ann", "bob", "cat"]
    assert sqls == []
    async with second() as session, session.begin():
        (await session.get(User, 2)).name = "bea"
    assert await names(first) == ["ann", "bea", "cat"]


@pytest.mark.row("S2.51")
@pytest.mark.expects_logs
async def test_without_redis_the_database_answers(engine, redis_server, redis_url, redis_namespace):
    """Queries go on while Redis is away, commits too, and nothing old is there when it comes back."""
    session_of = async_sessionmaker(engine)
    with TcpProxy(redis_server.address) as proxy:
        async with Cache(proxy.rewrite(redis_url), namespace=redis_namespace) as cache:
            with QueryCache(cache, session_of):
                assert (await names(session_of))[0] == "ann"
                proxy.refuse()
                proxy.cut()
                async with session_of() as session, session.begin():
                    (await session.get(User, 1)).name = "away"
                assert (await names(session_of))[0] == "away"
                proxy.heal()
                while cache.health().status != "healthy":
                    await asyncio.sleep(0.01)
                assert (await names(session_of))[0] == "away"


@pytest.mark.row("S4.3")
async def test_a_cached_function_carries_the_tags_of_the_queries_it_reads(engine, session_of, queries, cache):
    """Its value is dropped by the commit that changes one of their tables, and by no other."""
    loads = []

    @cache.cached(key="front-page", ttl="1h")
    async def front_page() -> list[str]:
        loads.append(1)
        return await names(session_of)

    assert await front_page() == ["ann", "bob", "cat"]
    async with session_of() as session, session.begin():
        session.add(Order(id=99, user_id=1))
    assert await front_page() == ["ann", "bob", "cat"]
    assert len(loads) == 1
    async with session_of() as session, session.begin():
        (await session.get(User, 3)).name = "cid"
    assert await front_page() == ["ann", "bob", "cid"]
    assert len(loads) == 2
