"""Writers that die between the commit and its invalidation: `python -m tests.support.killed 500`.

Each round starts a process that changes one row, and kills it (-9) at a random moment after the change is committed.
Its way to Redis is slow, so that the invalidation is still under way. Then a worker must drop the old answer.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine

from evercache import Cache
from evercache.sql import OutboxWorker, QueryCache, cached_execute, outbox_table
from evercache.testing.proxy import TcpProxy
from evercache.testing.servers import RedisServer
from evercache.testing.servers.postgres import PostgresServer
from tests.support.shop import Base, User, fill

if TYPE_CHECKING:
    from collections.abc import Callable

SLOW = 0.03
AT_ONCE = 5
IDS = range(1, AT_ONCE + 1)


@dataclass
class Count:
    """What has come of the rounds: *lost* invalidations are those that only the outbox knew."""

    killed: int = 0
    lost: int = 0
    stale: int = 0


async def play(
    database: str, redis: str, proxy: TcpProxy, rounds: int, seed: int, say: Callable[[str], object] = str
) -> Count:
    """Kill *rounds* writers; count whose invalidation was lost at first, and what stayed stale in the end."""
    chance, count = random.Random(seed), Count()
    engine = create_async_engine(database)
    await fill(engine)
    outbox_table(Base.metadata)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(
            User.__table__.insert(),
            [{"id": id, "name": "x", "age": 1, "bio": "", "role": "BUYER"} for id in IDS if id > 3],
        )
    session_of = async_sessionmaker(engine)
    async with Cache(redis, namespace="killed", ttl="1h", l1=False) as cache:
        with QueryCache(cache, session_of, database="shop", outbox=True) as queries:
            worker = OutboxWorker(queries, engine, grace=0.001, listen=False)
            for begin in range(0, rounds, AT_ONCE):
                await _round(engine, session_of, proxy, [f"n{begin + id}" for id in IDS], chance, count, worker)
                say(f"{count}")
    await engine.dispose()
    return count


async def _round(engine, session_of, proxy, names, chance, count, worker) -> None:
    for id in IDS:
        await _cached(session_of, id)
    proxy.delay(0)
    writers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.outbox_writer",
            engine.url.render_as_string(hide_password=False), f"redis://{proxy.host}:{proxy.port}/0", "killed",
            str(id), name, stderr=subprocess.DEVNULL,
        )
        for id, name in zip(IDS, names, strict=True)
    ]  # fmt: skip
    proxy.delay(SLOW)
    await asyncio.gather(
        *(
            _kill_after_commit(engine, *each, chance.uniform(0, 2.5 * SLOW), count)
            for each in zip(writers, IDS, names, strict=True)
        )
    )
    truth = [await _true(engine, id) for id in IDS]
    before = [await _cached(session_of, id) for id in IDS]
    count.lost += sum(was != true for was, true in zip(before, truth, strict=True))
    await worker.round()
    after = [await _cached(session_of, id) for id in IDS]
    count.stale += sum(now != true for now, true in zip(after, truth, strict=True))


async def _kill_after_commit(engine: AsyncEngine, writer, id: int, name: str, wait: float, count: Count) -> None:
    while writer.returncode is None and await _true(engine, id) != name:
        await asyncio.sleep(0.002)
    await asyncio.sleep(wait)
    if writer.returncode is None:
        writer.kill()
        count.killed += 1
    await writer.wait()
    assert await _true(engine, id) == name, "the writer ended without a commit"


async def _true(engine: AsyncEngine, id: int) -> str:
    async with engine.connect() as connection:
        return (await connection.execute(select(User.name).where(User.id == id))).scalar_one()


async def _cached(session_of, id: int) -> str:
    async with session_of() as session:
        return (await cached_execute(session, select(User.name).where(User.id == id))).scalar_one()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(rounds: int) -> int:
    with PostgresServer() as postgres, RedisServer() as redis, TcpProxy(redis.address) as proxy:
        count = asyncio.run(play(postgres.url("asyncpg"), redis.url, proxy, rounds, random.randrange(1 << 30), _say))
    sys.stdout.write(
        f"{count.killed} writers killed, {count.lost} invalidations lost, {count.stale} stale answers left\n"
    )
    return 1 if count.stale or not count.lost else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
