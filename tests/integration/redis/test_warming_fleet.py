"""Real processes over a real Redis: one of them keeps the plan warm; killed, stopped, woken up late, sent away."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from evercache import MISSING
from evercache.warming import Plan, Warmer
from tests.support.ears import until
from tests.support.outage import cache_on, opened_cache

ROOT = Path(__file__).resolve().parents[3]
LEASE = 3.0
"""Long enough for a process that the machine lets wait; everything here waits for facts, not for this."""


class Fleet:
    """The processes, by name, and what they have written down."""

    def __init__(self, wire, namespace, processes):
        self.wire = wire
        self.namespace = namespace
        self.processes = processes

    def _lines(self, what):
        lines = self.wire.command("LRANGE", f"{what}:{self.namespace}", 0, -1)
        return [line.decode().split()[0] for line in lines]

    @property
    def began(self):
        """Who has begun each load, in their order."""
        return self._lines("began")

    @property
    def ended(self):
        return self._lines("ended")

    def hold(self, name):
        self.wire.command("SET", f"hold:{self.namespace}:{name}", 1, "PX", 60_000)

    def release(self, name):
        self.wire.command("DEL", f"hold:{self.namespace}:{name}")

    def send(self, name, what):
        self.processes[name].send_signal(what)

    async def other_than(self, *names):
        """The first process other than *names* that has begun a load since now."""
        seen = len(self.began)
        await until(lambda: any(name not in names for name in self.began[seen:]))
        return next(name for name in self.began[seen:] if name not in names)


@asynccontextmanager
async def fleet(redis_server, namespace, *, size=3, ttl=2.0):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    processes = {}
    try:
        for number in range(size):
            name = f"p{number}"
            processes[name] = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.support.fleet_member"),
                *(redis_server.url, namespace, name, str(ttl), str(LEASE)),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment, cwd=ROOT,
            )  # fmt: skip
        for process in processes.values():
            assert await process.stdout.readline() == b"ready\n"
        with redis_server.connect() as wire:
            yield Fleet(wire, namespace, processes)
    finally:
        for process in processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            await process.wait()
            process._transport.close()


@pytest.mark.row("W17", "S4.67")
async def test_a_killed_worker_is_replaced_within_seconds(redis_server, redis_url, redis_namespace):
    """
    kill -9 of the elected one, twice: another one goes on, and the dead one's answers never run out for long.
    """
    async with fleet(redis_server, redis_namespace) as processes:
        await until(lambda: len(processes.began) >= 3)
        first = processes.began[0]
        assert set(processes.began) == {first}
        processes.processes[first].kill()
        second = await processes.other_than(first)
        await until(lambda: processes.began[-3:] == [second] * 3)
        processes.processes[second].kill()
        third = await processes.other_than(first, second)
        # One after the other, and none beside another one.
        order = [first, second, third]
        began = processes.began
        assert began == sorted(began, key=order.index)


@pytest.mark.row("W17")
async def test_a_worker_that_is_stopped_and_wakes_up_late_starts_nothing_more(redis_server, redis_url, redis_namespace):
    """
    SIGSTOP between two loads, a successor, SIGCONT: the lease of the one that was stopped is over by its own clock.
    """
    async with fleet(redis_server, redis_namespace, size=2) as processes:
        await until(lambda: len(processes.ended) >= 3)
        first = processes.began[0]
        second = next(name for name in processes.processes if name != first)
        processes.send(first, signal.SIGSTOP)
        await until(lambda: processes.began[-3:] == [second] * 3)
        processes.send(first, signal.SIGCONT)
        seen = len(processes.began)
        await until(lambda: len(processes.began) >= seen + 6)
        assert set(processes.began[seen:]) == {second}


@pytest.mark.row("W17", "W40", "PR1")
async def test_the_load_of_a_stopped_worker_that_ends_late_is_not_stored(redis_server, redis_url, redis_namespace):
    """
    SIGSTOP in the middle of a load; the successor loads and stores; the late value is fenced off by its generation.
    """
    reading = cache_on(redis_url, redis_namespace)
    async with fleet(redis_server, redis_namespace, size=2, ttl=600.0) as processes, reading as cache:

        @cache.cached(key="thing", ttl=600.0, jitter=0.0, l1=False)
        async def thing(number: int) -> str:
            return "reader"

        await until(lambda: len(processes.ended) >= 3)
        first = processes.began[0]
        second = next(name for name in processes.processes if name != first)
        processes.hold(first)
        seen = len(processes.began)
        await cache.invalidate_all()
        await until(lambda: len(processes.began) >= seen + 3)  # the first one hangs in three loads
        processes.send(first, signal.SIGSTOP)
        await until(lambda: processes.ended.count(second) >= 3)
        processes.release(first)
        processes.send(first, signal.SIGCONT)
        await until(lambda: processes.ended.count(first) >= 6)

        async def stored():
            return [await thing.peek(number) for number in range(3)]

        # Its fills are sent right after the loads have ended: whatever comes after them sees what they have done.
        process = processes.processes[first]
        process.stdin.write(b"\n")
        await process.wait()
        assert await stored() == [second] * 3
        assert MISSING not in await stored()


async def test_a_worker_that_is_sent_away_hands_over_at_once(redis_server, redis_url, redis_namespace):
    """
    A deployment: the next one is elected without waiting for the lease, and no answer runs out.
    """
    async with fleet(redis_server, redis_namespace) as processes:
        await until(lambda: len(processes.ended) >= 3)
        first = processes.began[0]
        process = processes.processes[first]
        process.stdin.write(b"\n")
        await processes.other_than(first)
        assert await process.wait() == 0


@pytest.mark.expects_logs
@pytest.mark.row("W17", "S2.51")
async def test_while_redis_is_away_nothing_is_loaded_and_afterwards_all_is_warm_again(make_redis, redis_namespace):
    """
    What could not be stored is not loaded: the source has enough to do. Redis comes back empty, and is warmed.
    """
    server, loads = make_redis(), []
    async with opened_cache(server.url, redis_namespace, operation_timeout=0.5, connect_timeout=0.5) as (cache, _):

        @cache.cached(key="thing", ttl=1.0, l1=False)
        async def thing(number: int) -> int:
            loads.append(number)
            return number

        async with Warmer(cache, Plan().add(thing, range(3)), lease=LEASE) as warmer:
            await until(lambda: len(loads) >= 9)
            server.kill()
            await until(lambda: not warmer.elected)
            before = len(loads)
            result = await warmer.run()
            assert (result.success, result.items_failed) == (False, 3)
            assert result.errors == ("thing: the shared store does not answer (x9)",)
            assert len(loads) == before
            server.start()
            await until(lambda: warmer.elected and len(loads) >= before + 9)
            assert (await warmer.run()).success
