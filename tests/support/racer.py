"""A process of the forced race: it loads when it is told, and says what it got. `python -m tests.support.racer URL NS`.

One JSON order a line, one JSON answer a line. `load`: begin a load, say what the source gave, and hold it until `end`.
`end`: let that load end, and say what its caller got. `read`: read again, and say what that gave.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from evercache import Cache


class Racer:
    """One cached function whose loads wait for the word. The source is what the order says it is."""

    def __init__(self, cache: Cache, *, l1: bool) -> None:
        self.source = 0
        self.reading: asyncio.Task[int] | None = None
        self.loading: asyncio.Queue[int] = asyncio.Queue()
        self.may_end = asyncio.Event()

        @cache.cached(key="race", ttl="1h", tags=["race:{place}"], l1=l1)
        async def raced(place: int) -> int:
            seen = self.source
            self.loading.put_nowait(seen)
            await self.may_end.wait()
            return seen

        self.raced = raced

    async def obey(self, order: dict[str, Any]) -> int:
        self.source = order["source"]
        match order["do"]:
            case "load":
                self.may_end.clear()
                self.loading = asyncio.Queue()  # without what the reads since the last load have said
                self.reading = asyncio.create_task(self.raced(order["place"]))
                return await self.loading.get()
            case "end":
                self.may_end.set()
                assert self.reading is not None
                return await self.reading
            case _:
                return await self.raced(order["place"])


def say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def main(url: str, namespace: str, l1: str) -> None:
    loop = asyncio.get_running_loop()
    async with Cache(url, namespace=namespace) as cache:
        racer = Racer(cache, l1=l1 == "l1")
        say({"ready": True})
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            say(await racer.obey(json.loads(line)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
