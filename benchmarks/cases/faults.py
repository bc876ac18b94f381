"""What one call costs more while Redis misbehaves: milliseconds for the table of faults.

    python -m benchmarks.cases.faults [--json benchmarks/results/faults.json] [--calls 2000]

For each fault: a real server behind a proxy, a loader of 1 ms, calls one after the other. "Added" is the call's time
minus the loader's own, measured inside it. The first call of a hang pays one operation timeout; it is a figure of its
own. Open: calls until the cache knows. Back: seconds from the moment Redis answers again to the first hit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from evercache import Cache
from evercache.testing.proxy import TcpProxy
from evercache.testing.servers import RedisServer

LOAD = 0.001


class Stage(NamedTuple):
    server: RedisServer
    proxy: TcpProxy

    def memory(self, limit: str) -> None:
        self.server.command("CONFIG", "SET", "maxmemory", limit)

    def cut_off(self) -> None:
        self.proxy.refuse()
        self.proxy.cut()

    def cut_healed(self) -> None:
        self.proxy.heal()
        self.proxy.cut()


FAULTS: dict[str, tuple[Callable[[Stage], object], Callable[[Stage], object]]] = {
    "none": (lambda _: None, lambda _: None),
    "killed": (lambda stage: stage.server.kill(), lambda stage: stage.server.start()),
    "refused": (Stage.cut_off, lambda stage: stage.proxy.heal()),
    "hung": (lambda stage: stage.server.pause(), lambda stage: stage.server.resume()),
    "half-open": (lambda stage: stage.proxy.freeze(), lambda stage: stage.proxy.heal()),
    "bytes lost": (lambda stage: stage.proxy.drop(), Stage.cut_healed),
    "slow (50 ms)": (lambda stage: stage.proxy.delay(0.025), lambda stage: stage.proxy.heal()),
    "full": (lambda stage: stage.memory("1mb"), lambda stage: stage.memory("0")),
}


async def measure(name: str, calls: int) -> dict[str, Any]:
    with RedisServer("maxmemory-policy noeviction") as server, TcpProxy(server.address) as proxy:
        stage, (fault, end) = Stage(server, proxy), FAULTS[name]
        cache = Cache(proxy.rewrite(server.url), namespace="faults", environ={})
        inside = 0.0

        @cache.cached(key="row", l1=False)
        async def row(number: int) -> int:
            nonlocal inside
            began = time.perf_counter()
            await asyncio.sleep(LOAD)
            inside = time.perf_counter() - began
            return number

        async def added(number: int) -> float:
            nonlocal inside
            inside, began = 0.0, time.perf_counter()
            await row(number)
            return 1_000 * (time.perf_counter() - began - inside)

        async with cache:
            for _ in range(2_000):  # at most ten seconds
                if cache.health().status == "healthy":
                    break
                await asyncio.sleep(0.005)
            for number in range(200):
                await added(number)
            fault(stage)
            costs = [await added(10_000 + number) for number in range(calls)]
            reason = cache.health().reason
            end(stage)
            ended, loads = time.perf_counter(), -1
            while loads != 0:
                before = cache.statistics()["functions"]["row"]["l2_hits"]
                await row(1)
                await row(1)
                loads = 0 if cache.statistics()["functions"]["row"]["l2_hits"] > before else 1
            back = time.perf_counter() - ended
    opening = next((place for place in range(len(costs)) if max(costs[place : place + 50]) < 20), len(costs))
    after = sorted(costs[opening:]) or [0.0]
    return {
        "first_ms": round(max(costs[:5]), 2),
        "calls_until_open": opening,
        "added_p50_ms": round(after[len(after) // 2], 3),
        "added_p99_ms": round(after[int(len(after) * 0.99)], 3),
        "back_s": round(back, 3),
        "reason": reason,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--calls", type=int, default=2_000)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    load, results = os.getloadavg()[0], {}
    print(f"load of the machine before: {load:.1f}; figures only count on a quiet one\n")
    print("| fault | first call, ms | calls until open | added p50, ms | added p99, ms | back, s | reason |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for name in FAULTS:
        found = results[name] = asyncio.run(measure(name, given.calls))
        print(f"| {name} | {' | '.join(str(value) for value in found.values())} |", flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps({"load_before": round(load, 1), "faults": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
