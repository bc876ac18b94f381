"""A process of a fleet that keeps a plan warm, over a real Redis. Started by tests/integration; says when it is ready.

Each load is a line in a list in Redis, with the name of the process that ran it; while `hold:<process>` is there, the
loads of this process take as long as it stays.
"""

from __future__ import annotations

import asyncio
import sys

from evercache.warming import Plan, Warmer
from tests.support.outage import cache_on


async def main(url: str, namespace: str, me: str, ttl: float, lease: float) -> None:
    from redis.asyncio import Redis

    cache, source = cache_on(url, namespace), Redis.from_url(url)

    @cache.cached(key="thing", ttl=ttl, jitter=0.0)
    async def thing(number: int) -> str:
        await source.rpush(f"began:{namespace}", f"{me} {number}")
        while await source.exists(f"hold:{namespace}:{me}"):
            await asyncio.sleep(0.02)
        await source.rpush(f"ended:{namespace}", f"{me} {number}")
        return me

    async with cache:
        while cache.health().status != "healthy":
            await asyncio.sleep(0.01)
        async with Warmer(cache, Plan("fleet").add(thing, range(3)), lease=lease):
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.readline)
    await source.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), float(sys.argv[5])))
