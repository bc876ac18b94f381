"""A process of a herd: many callers of one key, over a real Redis. Started by tests/concurrency; talks in lines of JSON.

The load itself is in Redis too: it counts, and takes as long as the test lets it.
"""

from __future__ import annotations

import asyncio
import json
import sys

from evercache import Cache
from evercache.config import Settings


async def main(url: str, namespace: str, callers: int) -> None:
    from redis.asyncio import Redis

    settings = Settings.resolve(url, environ={}, namespace=namespace, operation_timeout=5.0, connect_timeout=5.0)
    cache, source = Cache(settings=settings), Redis.from_url(url)

    @cache.cached(key="thing", l1=False)
    async def thing(number: int) -> int:
        loaded = await source.incr(f"loads:{namespace}:{number}")
        while not await source.exists(f"open:{namespace}"):
            await asyncio.sleep(0.02)
        return int(loaded)

    async with cache:
        while cache.health().status != "healthy":
            await asyncio.sleep(0.01)
        say({"ready": True})
        number = json.loads(await asyncio.to_thread(sys.stdin.readline))
        answers = await asyncio.gather(*[thing(number) for _ in range(callers)])
        say({"answers": sorted(set(answers)), "count": len(answers)})
        await source.aclose()


def say(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
