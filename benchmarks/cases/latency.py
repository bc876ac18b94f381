"""How long a caller waits for a value that is in Redis: `python -m benchmarks.cases.latency [--json out.json]`.

Method: one Redis server of its own on the loopback, persistence off; one process; a cached function without a first
level, so that every call is one answer from Redis, decoded. 1 and 50 callers ask in a loop, each for a random one of
1,000 rows of about 200 bytes. redis-py's own client (a blocking pool of 50 connections, bytes left undecoded) asks for
values of the same size in the same rounds, turn by turn, so that a busy moment of the machine hits both. The first round
is not counted. A sample is the time from the call to its value, queueing in the event loop included; percentiles are
over all samples, because a mean hides what callers complain about.
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

from evercache import Cache
from evercache.testing.servers import RedisServer

ROWS = ("S1.13", "S1.37")
THINGS, ROUNDS = 1_000, 6
CALLERS = {1: 1_500, 50: 15_000}  # how many ask at once, and how many answers a round has
LIMIT = 0.005

Get = Callable[[int], Awaitable[object]]


def thing(number: int) -> dict[str, Any]:
    return {"id": number, "title": f"thing {number}", "tags": ["red", "green", "blue"], "text": "some words " * 10}


async def round_of(get: Get, callers: int, answers: int) -> list[float]:
    """The seconds that each of *answers* calls took, with *callers* asking at once."""
    took: list[float] = []

    async def ask(seed: int) -> None:
        choose = random.Random(seed)
        for _ in range(answers // callers):
            number = choose.randrange(THINGS)
            began = time.perf_counter()
            await get(number)
            took.append(time.perf_counter() - began)

    await asyncio.gather(*[ask(seed) for seed in range(callers)])
    return took


def figures(took: list[float]) -> dict[str, float]:
    """Percentiles in milliseconds, and the share of answers within the limit."""
    took = sorted(took)

    def percentile(share: float) -> float:
        return round(took[min(len(took) - 1, int(len(took) * share))] * 1000, 3)

    return {
        "samples": len(took),
        "p50_ms": percentile(0.50),
        "p95_ms": percentile(0.95),
        "p99_ms": percentile(0.99),
        "max_ms": percentile(1.0),
        "share_below_5_ms": round(sum(seconds < LIMIT for seconds in took) / len(took), 5),
    }


async def measure(url: str) -> list[dict[str, Any]]:
    pool = redis.asyncio.BlockingConnectionPool.from_url(url, max_connections=50)
    raw = redis.asyncio.Redis(connection_pool=pool)
    cache = Cache(url, namespace="bench", l1=False, environ={})

    @cache.cached(ttl="1h", key="thing")
    async def cached(number: int) -> dict[str, Any]:
        return thing(number)

    async with raw, cache:
        for _ in range(1_000):  # at most ten seconds
            if cache.health().status == "healthy":
                break
            await asyncio.sleep(0.01)
        for number in range(THINGS):
            await cached(number)
            await raw.set(f"raw:{number}", json.dumps(thing(number)))
        ways: dict[str, Get] = {"evercache": cached, "redis-py": lambda number: raw.get(f"raw:{number}")}
        took: dict[tuple[str, int], list[float]] = {}
        for number in range(ROUNDS):
            for callers, answers in CALLERS.items():
                for name, get in ways.items():
                    one = await round_of(get, callers, answers)
                    took.setdefault((name, callers), []).extend(one if number else [])
        counters = cache.statistics()["functions"]["thing"]
        assert sum(counters["misses"].values()) == THINGS, "every measured answer came from Redis"
    return [{"way": name, "callers": callers, **figures(all_of)} for (name, callers), all_of in took.items()]


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m benchmarks.cases.latency", description=__doc__)
    ask.add_argument("--json", type=Path, help="where to write the figures")
    given = ask.parse_args()
    load = os.getloadavg()[0]
    with RedisServer() as server:
        cells = asyncio.run(measure(server.url))
        version = server.info("server")["redis_version"]
    print(f"{'':12}{'callers':>8}{'p50 ms':>9}{'p95':>9}{'p99':>9}{'max':>9}{'< 5 ms':>9}")
    for cell in cells:
        print(
            f"{cell['way']:12}{cell['callers']:8}{cell['p50_ms']:9.3f}{cell['p95_ms']:9.3f}{cell['p99_ms']:9.3f}"
            f"{cell['max_ms']:9.3f}{100 * cell['share_below_5_ms']:8.2f}%"
        )
    if given.json is not None:
        about = {
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "load_before": round(load, 2),
            "python": platform.python_version(),
            "redis": version,
            "date": time.strftime("%Y-%m-%d"),
        }
        given.json.write_text(json.dumps({"run": about, "cells": cells}, indent=1) + "\n")


if __name__ == "__main__":
    main()
