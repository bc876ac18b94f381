"""The race that most caches lose, played on purpose between two processes: a load has read the old data, the other
process changes and invalidates it, the load ends, somebody reads."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from evercache import Cache, Confirmation

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 250  # of each of four ways: a thousand


class Reader:
    """The other process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def told(self) -> object:
        assert self.process.stdout is not None
        return json.loads(await self.process.stdout.readline())

    async def does(self, what: str, place: int, source: int) -> object:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": what, "place": place, "source": source}).encode() + b"\n")
        return await self.told()


@asynccontextmanager
async def reader(url: str, namespace: str, level: str) -> AsyncIterator[Reader]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.racer", url, namespace, level,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment, cwd=ROOT,
    )  # fmt: skip
    try:
        found = Reader(process)
        assert await found.told() == {"ready": True}
        yield found
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()


@pytest.mark.row("PR1", "PR3", "W40", "S2.17")
@pytest.mark.parametrize(
    ("way", "level"),
    [*((way, "l2") for way in ("key", "tag", "prefix", "glob")), *((way, "l1") for way in ("tag", "prefix", "glob"))],
)
async def test_a_load_that_began_before_an_invalidation_is_never_read_after_it(
    redis_url: str, redis_namespace: str, way: str, level: str
):
    """
    0 stale of 1,000: the slow reader gets the old value, who reads after the invalidation gets the new one. With L1 the
    invalidation is waited for everywhere.
    """
    wait = "everyone" if level == "l1" else ""
    rounds = ROUNDS if level == "l2" else 3  # waiting for every memory takes Δ each time
    async with (
        reader(redis_url, redis_namespace, level) as other,
        Cache(redis_url, namespace=redis_namespace) as cache,
    ):

        @cache.cached(key="race", ttl="1h", tags=["race:{place}"])
        async def raced(place: int) -> int:
            return place

        async def invalidate(place: int) -> Confirmation:
            match way:
                case "key":
                    return await raced.invalidate(place)
                case "tag":
                    return await cache.invalidate_tags(f"race:{place}", wait=wait)
                case "prefix":
                    return await cache.invalidate_prefix(f"race:{place}", wait=wait)
                case _:
                    return await cache.invalidate_pattern(f"r?ce:{place}", wait=wait)

        stale = 0
        for place in range(rounds):
            assert await other.does("load", place, 1) == 1
            assert await invalidate(place) is Confirmation.CONFIRMED  # the data is 2 from now on
            assert await other.does("end", place, 2) == 1
            stale += await other.does("read", place, 2) != 2
        assert stale == 0
