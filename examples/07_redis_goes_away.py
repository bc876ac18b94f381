"""Redis is killed in the middle: nobody notices but the health, and it comes back by itself."""

import asyncio

from evercache import Cache
from evercache.testing.servers import RedisServer


async def load() -> str:
    return "from the source"


async def until(cache: Cache, status: str) -> None:
    """Wait for a state of health; an application needs no such thing."""
    while cache.health().status != status:
        await cache.get_or_load("probe", load, l1=False)
        await asyncio.sleep(0.01)


async def main() -> None:
    with RedisServer() as server:
        async with Cache(server.url, namespace="examples") as cache:
            await cache.get_or_load("k", load)
            print("healthy:", cache.health().to_dict())
            server.kill()
            await until(cache, "down")
            print("down:", cache.health().status, "- and the answer:", await cache.get_or_load("k", load))
            print("an invalidation meanwhile:", (await cache.delete("k")).value)
            server.restart()
            await until(cache, "healthy")
            print("back, nothing owed:", cache.health().to_dict())


if __name__ == "__main__":
    asyncio.run(main())
