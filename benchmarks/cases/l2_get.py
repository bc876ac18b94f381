"""Hits in Redis (L1 off): 200 bytes, 1,000 keys, 1, 100 and 1,000 callers that ask again as soon as they are answered.

`cpu` is the CPU of this process per get; the server is another process on the same machine. Poisson: 30,000 new callers
a second who don't wait for each other, for one second; what counts there is errors.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib.util import find_spec
from typing import Any

from benchmarks.measure import Figure, figure
from benchmarks.servers import redis_server

KEYS = 1_000
TEXT = "x" * 200
Get = Callable[[int], Awaitable[Any]]


@asynccontextmanager
async def evercache(port: int) -> AsyncIterator[Get]:
    from evercache import Cache

    # Neither a source that seems faster than Redis nor an impatient time limit: on a busy machine this cache would
    # leave Redis alone, which is what it is for and not what is measured here.
    async with Cache(f"redis://127.0.0.1:{port}/0?operation_timeout=2", namespace="bench") as cache:

        @cache.cached(ttl=600, l1=False)
        async def get(i: int) -> str:
            await asyncio.sleep(1.0)
            return TEXT

        await asyncio.gather(*map(get, range(KEYS)))
        yield get


@asynccontextmanager
async def redis_py(port: int) -> AsyncIterator[Get]:
    from redis.asyncio import Redis

    async with Redis(port=port, max_connections=2_000) as client:
        for i in range(KEYS):
            await client.set(f"plain:{i}", TEXT)
        yield lambda i: client.get(f"plain:{i}")


@asynccontextmanager
async def glide(port: int) -> AsyncIterator[Get]:
    from glide import GlideClient, GlideClientConfiguration, NodeAddress

    client = await GlideClient.create(GlideClientConfiguration([NodeAddress("127.0.0.1", port)]))
    for i in range(KEYS):
        await client.set(f"glide:{i}", TEXT)
    try:
        yield lambda i: client.get(f"glide:{i}")
    finally:
        await client.close()


CLIENTS = {"redis-py": redis_py, "evercache": evercache}
if find_spec("glide") is not None:
    CLIENTS["valkey-glide"] = glide


async def _callers(get: Get, callers: int, seconds: float) -> tuple[float, float]:
    """Gets per second, and CPU of this process per get."""
    until = time.perf_counter() + seconds
    done = 0

    async def one(at: int) -> None:
        nonlocal done
        while time.perf_counter() < until:
            at += 7
            with suppress(Exception):  # a client that is overrun answers less; it doesn't end the comparison
                await get(at % KEYS)
                done += 1

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(one, range(callers)))
    return done / (time.perf_counter() - started), (time.process_time() - cpu) / max(done, 1) * 1e6


async def _poisson(get: Get, rate: float, seconds: float) -> float:
    """Failed gets in a thousand."""
    tasks: list[asyncio.Task[Any]] = []
    due = started = time.perf_counter()
    while due < started + seconds:
        while (now := time.perf_counter()) >= due:
            tasks.append(asyncio.ensure_future(get(random.randrange(KEYS))))
            due += random.expovariate(rate)
        await asyncio.sleep(max(0.0, due - now))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return 1000 * sum(isinstance(result, BaseException) for result in results) / len(results)


async def run(*, quick: bool) -> dict[str, dict[str, Figure]]:
    count, seconds = (1, 0.2) if quick else (3, 0.4)
    results: dict[str, dict[str, Figure]] = {}
    with redis_server() as port:
        async with AsyncExitStack() as stack:
            gets = {name: await stack.enter_async_context(client(port)) for name, client in CLIENTS.items()}
            for callers in (1, 100, 1_000):
                found = await _rounds(gets, callers, count, seconds)
                results[f"{callers} callers"] = {
                    n: figure([x[0] for x in v], "gets per second") for n, v in found.items()
                }
                results[f"{callers} callers, cpu"] = {
                    n: figure([x[1] for x in v], "us CPU per get") for n, v in found.items()
                }
            failed = {name: [await _poisson(get, 30_000, seconds)] for name, get in gets.items()}
            results["Poisson, 30,000 a second"] = {n: figure(v, "failed of 1,000") for n, v in failed.items()}
    return results


async def _rounds(
    gets: dict[str, Get], callers: int, count: int, seconds: float
) -> dict[str, list[tuple[float, float]]]:
    """The first round warms up and connects; it isn't counted."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in gets}
    for turn in range(count + 1):
        for name, get in gets.items():
            measured = await _callers(get, callers, seconds)
            if turn:
                found[name].append(measured)
    return found


GOALS = {
    "1 callers": {"redis-py": 0.95},
    "100 callers": {"redis-py": 8.0, "valkey-glide": 3.0},
    "1000 callers": {"redis-py": 8.0, "valkey-glide": 3.0},
}
