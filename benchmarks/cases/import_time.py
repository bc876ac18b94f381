"""What starting costs: CPU of a Python that imports something and ends."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys

from benchmarks.measure import Figure, figure

PROGRAMS = {
    "nothing": "pass",
    "asyncio": "import asyncio",
    "evercache.Cache": "import asyncio, evercache; evercache.Cache",
    "redis.asyncio": "import redis.asyncio",
}


async def run(*, quick: bool) -> dict[str, dict[str, Figure]]:
    found: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(3 if quick else 15):
        for name, program in PROGRAMS.items():
            found[name].append(await asyncio.to_thread(_cpu, program))
    return {"import": {name: figure(values, "ms CPU") for name, values in found.items()}}


def _cpu(program: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1_000


GOALS: dict[str, dict[str, float]] = {}
