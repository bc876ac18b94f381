"""A process that changes one row and is to be killed: `python -m tests.support.outbox_writer DB REDIS NS ID NAME`."""

from __future__ import annotations

import asyncio
import sys

from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from evercache import Cache
from evercache.sql import QueryCache
from tests.support.shop import User


async def main(database: str, redis: str, namespace: str, id: str, name: str) -> None:
    engine = create_async_engine(database)
    session_of = async_sessionmaker(engine)
    async with Cache(redis, namespace=namespace) as cache:
        with QueryCache(cache, session_of, database="shop", outbox=True):
            async with session_of() as session:
                (await session.get_one(User, int(id))).name = name
                await session.commit()
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
