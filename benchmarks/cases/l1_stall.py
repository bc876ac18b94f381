"""How long L1 itself stops the event loop: a ticker of 1 ms while a cache of many entries is full, is filled further and
expires. A figure is the CPU that this thread spent between two ticks, at most: time that others took is not in it."""

from __future__ import annotations

import asyncio
import time

from benchmarks.measure import Figure, figure
from evercache import Cache

TTL = 20


async def run(*, quick: bool) -> dict[str, dict[str, Figure]]:
    entries = 20_000 if quick else 1_000_000
    return {f"{entries:,} entries": await _stalls(entries, seconds=0.5 if quick else 4.0)}


async def _stalls(entries: int, seconds: float) -> dict[str, Figure]:
    cache = Cache(l1=entries * 340)  # as much as so many small entries are taken to weigh

    @cache.cached(ttl=TTL)
    async def row(i: int) -> int:
        return i

    async with cache:
        for i in range(entries):
            await row(i)
        watched = [asyncio.ensure_future(_ticks(seconds)), asyncio.ensure_future(_traffic(row, entries, seconds))]
        gaps, _ = await asyncio.gather(*watched)
        control = await _ticks(seconds / 2)
    return {
        "evercache": figure(gaps, "ms CPU in one turn"),
        "nothing else running": figure(control, "ms CPU in one turn"),
    }


async def _ticks(seconds: float) -> list[float]:
    until, found = time.perf_counter() + seconds, []
    while time.perf_counter() < until:
        before = time.thread_time()
        await asyncio.sleep(0.001)
        found.append((time.thread_time() - before) * 1_000)
    return found


async def _traffic(row, entries: int, seconds: float) -> list[float]:  # noqa: ANN001 - any cached function
    """New keys push old ones out, a few at a time, as requests do."""
    until, at = time.perf_counter() + seconds, entries
    while time.perf_counter() < until:
        for _ in range(20):
            await row(at)
            at += 1
        await asyncio.sleep(0)
    return []


GOALS = {"1,000,000 entries": {"most": 5.0}}
