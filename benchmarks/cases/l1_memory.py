"""Memory of 100,000 small entries: resident bytes per entry beyond the keys, each candidate in a process of its own."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys

from benchmarks.measure import Figure, figure, resident
from benchmarks.peers.memory import DECORATORS

ENTRIES = 100_000
_BOUNDED = ("evercache", "aiocache", "fastapi-cache2", "cashews", "async-lru", "cachebox", "theine")


async def run(*, quick: bool) -> dict[str, dict[str, Figure]]:
    count = 1 if quick else 3
    names = ["dict", *(name for name in _BOUNDED if name in DECORATORS)]
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(count):
        for name in names:
            found[name].append(await asyncio.to_thread(_in_process, name))
    return {"100,000 small entries": {name: figure(values, "bytes per entry") for name, values in found.items()}}


def _in_process(name: str) -> float:
    done = subprocess.run([sys.executable, "-m", __name__, name], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


async def _fill(name: str) -> float:
    from benchmarks.peers import memory

    memory.CAPACITY = 2 * ENTRIES

    async def same(i: int) -> int:
        return 7

    function = same if name == "dict" else DECORATORS[name]()(same)
    for i in range(1_000):
        await function(-i - 1)
    keys = list(range(1_000, 1_000 + ENTRIES))
    kept: dict[int, int] = {}
    gc.collect()
    before = resident()
    for key in keys:
        if name == "dict":
            kept[key] = await function(key)
        else:
            await function(key)
    gc.collect()
    return (resident() - before) / ENTRIES


GOALS = {"100,000 small entries": {"bytes": 180.0}}

if __name__ == "__main__":
    print(asyncio.run(_fill(sys.argv[1])))
