"""The race that most caches lose: the data changes while it is being loaded. Here the old value is not kept."""

import asyncio

from evercache import Cache

cache = Cache(namespace="examples")
names = {7: "Ada"}
reading = asyncio.Event()
written = asyncio.Event()


@cache.cached(ttl="1h", tags=["user:{user_id}"])
async def name_of(user_id: int) -> str:
    """Reads, and is slow to answer."""
    name = names[user_id]
    reading.set()
    await written.wait()
    return name


@cache.invalidates("user:{user_id}")
async def rename(user_id: int, name: str) -> None:
    """Writes; the invalidation comes when this has succeeded."""
    names[user_id] = name


async def main() -> None:
    slow = asyncio.create_task(name_of(7))
    await reading.wait()
    await rename(7, "Grace")
    written.set()
    print("the slow reader, who came before the change, gets:", await slow)
    print("everybody who comes later gets:", await name_of(7))


if __name__ == "__main__":
    asyncio.run(main())
