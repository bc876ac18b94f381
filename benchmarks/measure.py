"""How everything here is measured: candidates take turns within each round of one process, so that whatever disturbs the
machine disturbs them all; what counts is the median over the rounds, and its ratio to another one of the same rounds."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from statistics import median
from typing import TypedDict

__all__ = ["Figure", "cpu_per_call", "figure", "resident", "rounds"]


class Figure(TypedDict):
    """The median over the rounds, the least and the most."""

    median: float
    least: float
    most: float
    unit: str


def figure(values: list[float], unit: str) -> Figure:
    return {
        "median": round(median(values), 4),
        "least": round(min(values), 4),
        "most": round(max(values), 4),
        "unit": unit,
    }


async def rounds(
    candidates: Mapping[str, Callable[[], Awaitable[float]]], *, count: int, unit: str
) -> dict[str, Figure]:
    """Run each candidate once to warm up, then *count* rounds of all of them in turn."""
    for run in candidates.values():
        await run()
    values: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(count):
        for name, run in candidates.items():
            values[name].append(await run())
    return {name: figure(found, unit) for name, found in values.items()}


def cpu_per_call(run: Callable[[], Awaitable[int]]) -> Callable[[], Awaitable[float]]:
    """Microseconds of this thread for each of the calls that *run* makes and counts."""

    async def timed() -> float:
        started = time.thread_time()
        calls = await run()
        return (time.thread_time() - started) / calls * 1e6

    return timed


def resident() -> int:
    """Bytes of this process that are in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
