"""1,000 callers of one cold key whose load takes 50 ms: in one process, and in four with 250 each over one Redis.

Loads in all processes, milliseconds from the first call until the last caller has its value, commands that Redis ran.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

from redis.asyncio import Redis

from benchmarks.measure import Figure, figure
from benchmarks.servers import redis_server
from evercache import Cache

LOAD = 0.05
CALLERS = 1_000


async def run(*, quick: bool) -> dict[str, dict[str, Figure]]:
    results: dict[str, dict[str, Figure]] = {}
    for processes in (1, 4):
        found: dict[str, list[float]] = {}
        for _ in range(1 if quick else 3):
            for name, value in (await asyncio.to_thread(_once, processes)).items():
                found.setdefault(name, []).append(value)
        results[f"{processes} processes x {CALLERS // processes}"] = {n: figure(v, n) for n, v in found.items()}
    return results


def _once(processes: int) -> dict[str, float]:
    with redis_server() as port:
        begin = time.time() + 1.5 + 0.5 * processes
        words = [sys.executable, "-m", __name__, str(port), str(CALLERS // processes), str(begin)]
        running = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
        said = [json.loads(each.communicate(timeout=60)[0].splitlines()[-1]) for each in running]
    return {
        "loads": sum(each["loads"] for each in said),
        "ms until the last caller": max(each["last"] for each in said),
        "commands": max(each["commands"] for each in said),
    }


async def _process(port: int, callers: int, begin: float) -> dict[str, float]:
    """One process: connect, wait for the common moment, call, say what was seen."""
    loads = 0
    async with Cache(f"redis://127.0.0.1:{port}/0", namespace="bench") as cache, Redis(port=port) as plain:

        @cache.cached(ttl=60)
        async def row(i: int) -> str:
            nonlocal loads
            loads += 1
            await asyncio.sleep(LOAD)
            return "x" * 100

        await asyncio.sleep(begin - 0.2 - time.time())
        before = await _commands(plain)
        await asyncio.sleep(begin - time.time())
        await asyncio.gather(*(row(1) for _ in range(callers)))
        last = (time.time() - begin) * 1_000
        await asyncio.sleep(0.3)
        return {"loads": loads, "last": last, "commands": await _commands(plain) - before}


async def _commands(plain: Redis) -> float:
    """Reads of entries and scripts; the log is followed with or without a stampede."""
    stats = await plain.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("mget", "get", "evalsha", "eval", "set"))


GOALS = {"4 processes x 250": {"loads": 1.0, "ms until the last caller": 90.0, "commands": 60.0}}

if __name__ == "__main__":
    print(json.dumps(asyncio.run(_process(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))))
