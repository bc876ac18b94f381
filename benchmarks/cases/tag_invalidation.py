"""Invalidating a tag that many keys carry: time of the call, and the longest that Redis answered nobody meanwhile."""

from __future__ import annotations

import asyncio
import time

from redis.asyncio import Redis

from benchmarks.measure import Figure, figure
from benchmarks.servers import redis_server
from evercache import Cache

FILLED = 1_000
"""Entries that are filled for real; the others are written beside them as keys of the same size."""


async def run(*, quick: bool) -> dict[str, dict[str, Figure]]:
    results: dict[str, dict[str, Figure]] = {}
    for size in (1_000, 10_000) if quick else (1_000, 100_000, 1_000_000):
        with redis_server() as port:
            results[f"{size:,} keys"] = await _invalidate(port, size, 5 if quick else 21)
    return results


async def _invalidate(port: int, size: int, count: int) -> dict[str, Figure]:
    url = f"redis://127.0.0.1:{port}/0"
    async with Cache(url, namespace="bench") as cache, Redis(port=port) as plain:

        @cache.cached(ttl=600, tags=["all"])
        async def row(i: int) -> str:
            await asyncio.sleep(0.02)  # a source that is faster than Redis would not be cached there
            return "x" * 100

        for start in range(0, FILLED, 500):
            await asyncio.gather(*map(row, range(start, start + 500)))
        await plain.execute_command("DEBUG", "POPULATE", size - FILLED, "other", 200)
        took, longest = [], []
        for _ in range(count):
            await plain.config_resetstat()
            started = time.perf_counter()
            await cache.invalidate_tags("all")
            took.append((time.perf_counter() - started) * 1_000)
            stats = await plain.info("commandstats")
            longest.append(max(each["usec_per_call"] for each in stats.values()) / 1_000)
    return {
        "evercache": figure(took, "ms for the call"),
        "evercache, Redis busy": figure(longest, "ms for the slowest command"),
    }


GOALS = {"1,000,000 keys": {"median": 1.0}}
