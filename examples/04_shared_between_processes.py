"""Two caches over one Redis, as two processes would have them: what one invalidates, the other no longer answers.

Uses REDIS_URL if it is set, else a private server for as long as this runs.
"""

import asyncio
import os
from contextlib import ExitStack

from evercache import Cache
from evercache.testing.servers import RedisServer

data = {"stock": 3}


async def load() -> int:
    return data["stock"]


async def main(url: str) -> None:
    async with Cache(url, namespace="examples") as one, Cache(url, namespace="examples") as two:
        await one.invalidate_all()
        print("one loads:", await one.get_or_load("stock", load, tags=["article:7"]))
        print("two finds:", await two.get("stock"))
        data["stock"] = 2
        confirmation = await one.invalidate_tags("article:7", wait="everyone")
        print("one sold one:", confirmation.value)
        print("two reads:", await two.get_or_load("stock", load, tags=["article:7"]))


if __name__ == "__main__":
    with ExitStack() as stack:
        asyncio.run(main(os.environ.get("REDIS_URL") or stack.enter_context(RedisServer()).url))
