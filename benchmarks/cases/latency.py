"""How long a caller waits for a value that is in Redis, in milliseconds: percentiles for 1 and 50 callers.

Method: one Redis server of its own on the loopback, persistence off; one process; a cached function without a first
level, so that every call is one answer from Redis, decoded. The callers ask in a loop, each for a random one of 1,000
rows of about 200 bytes. redis-py's own client (a blocking pool of 50 connections, bytes left undecoded) asks for values
of the same size in the same rounds, turn by turn, so that a busy moment of the machine hits both. The first round is not
counted. A sample is the time from the call to its value, queueing in the event loop included; percentiles, because a
mean hides what callers complain about. The function takes 20 ms, as a query would: a cache that is slower than what it
spares is bypassed, and how many answers came from Redis all the same is a figure too.

`python -m benchmarks.cases.latency [--json out.json]` runs this case alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import redis.asyncio

from benchmarks.measure import Figure, figure
from benchmarks.servers import redis_server
from evercache import Cache

ROWS = ("S1.13", "S1.37")
THINGS, LIMIT = 1_000, 0.005
CALLERS = {1: 1_500, 50: 15_000}  # how many ask at once, and how many answers a round has
GOALS: dict[str, dict[str, float]] = {}

Get = Callable[[int], Awaitable[object]]
Rounds = list[list[float]]


def thing(number: int) -> dict[str, Any]:
    return {"id": number, "title": f"thing {number}", "tags": ["red", "green", "blue"], "text": "some words " * 10}


async def round_of(get: Get, callers: int, answers: int) -> list[float]:
    """The seconds that each of *answers* calls took, with *callers* asking at once, in order."""
    took: list[float] = []

    async def ask(seed: int) -> None:
        choose = random.Random(seed)
        for _ in range(answers // callers):
            number = choose.randrange(THINGS)
            began = time.perf_counter()
            await get(number)
            took.append(time.perf_counter() - began)

    await asyncio.gather(*[ask(seed) for seed in range(callers)])
    return sorted(took)


async def measure(port: int, count: int) -> tuple[dict[tuple[int, str], Rounds], float]:
    """The samples of *count* rounds by callers and whom they asked, and the part of them that Redis answered."""
    url = f"redis://127.0.0.1:{port}/0"
    pool = redis.asyncio.BlockingConnectionPool.from_url(url, max_connections=50)
    raw = redis.asyncio.Redis(connection_pool=pool)
    cache = Cache(url, namespace="bench", l1=False, environ={})

    @cache.cached(ttl="1h", key="thing")
    async def cached(number: int) -> dict[str, Any]:
        await asyncio.sleep(0.02)
        return thing(number)

    async with raw, cache:
        for _ in range(1_000):  # at most ten seconds
            if cache.health().status == "healthy":
                break
            await asyncio.sleep(0.01)
        await asyncio.gather(*map(cached, range(THINGS)))
        for number in range(THINGS):
            await raw.set(f"raw:{number}", json.dumps(thing(number)))
        ways: dict[str, Get] = {"redis-py": lambda number: raw.get(f"raw:{number}"), "evercache": cached}
        took: dict[tuple[int, str], Rounds] = {(callers, name): [] for callers in CALLERS for name in ways}
        for _ in range(count + 1):
            for (callers, name), found in took.items():
                found.append(await round_of(ways[name], callers, CALLERS[callers]))
        answers = cache.statistics()["functions"]["thing"]["l2_hits"]
    asked = (count + 1) * sum(CALLERS.values())
    return {key: found[1:] for key, found in took.items()}, answers / asked


def percentile(took: list[float], share: float) -> float:
    """In milliseconds, of sorted samples."""
    return took[min(len(took) - 1, int(len(took) * share))] * 1000


async def run(*, quick: bool) -> dict[str, dict[str, Figure]]:
    with redis_server() as port:
        took, answered = await measure(port, 1 if quick else 5)
    results: dict[str, dict[str, Figure]] = {"answered by Redis": {"evercache": figure([1000 * answered], "of 1,000")}}
    for (callers, name), found in took.items():
        for label, share in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99)):
            of = results.setdefault(f"{callers} callers, {label}", {})
            of[name] = figure([percentile(one, share) for one in found], "ms")
        below = [1000 * sum(seconds < LIMIT for seconds in one) / len(one) for one in found]
        results.setdefault(f"{callers} callers, below 5 ms", {})[name] = figure(below, "of 1,000")
    return results


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m benchmarks.cases.latency", description=__doc__)
    ask.add_argument("--json", type=Path, help="where to write the figures")
    given = ask.parse_args()
    load = os.getloadavg()[0]
    results = asyncio.run(run(quick=False))
    for what, by_way in results.items():
        for name, found in by_way.items():
            print(f"{what:24}{name:12}{found['median']:10.3f} {found['unit']}")
    if given.json is not None:
        about = {
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "load_before": round(load, 2),
            "python": platform.python_version(),
            "date": time.strftime("%Y-%m-%d"),
        }
        given.json.write_text(json.dumps({"run": about, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
