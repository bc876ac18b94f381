"""Real processes, a real Redis, one key: how often the source is asked, and what waiting costs Redis."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.ears import until
from tests.support.outage import calls

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """One process of the herd."""

    def __init__(self, process):
        self.process = process
        self.answer = None

    async def read(self):
        return json.loads(await self.process.stdout.readline())

    def ask(self, number):
        self.process.stdin.write(f"{number}\n".encode())
        self.answer = asyncio.ensure_future(self.read())


@asynccontextmanager
async def herd(url, namespace, *, processes, callers):
    """*processes* that are connected and wait for the word."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    started = [
        Process(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.support.herd", url, namespace, str(callers),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment, cwd=ROOT,
            )
        )
        for _ in range(processes)
    ]  # fmt: skip
    try:
        for process in started:
            assert await process.read() == {"ready": True}
        yield started
    finally:
        for process in started:
            if process.process.returncode is None:
                process.process.kill()
            await process.process.wait()
            process.process._transport.close()


def loads(wire, namespace, number):
    return int(wire.command("GET", f"loads:{namespace}:{number}") or 0)


def sent(server):
    """Looks and scripts so far; the heartbeat of L1 goes on whether anybody waits or not."""
    return sum(calls(server, command) for command in ("mget", "evalsha", "eval"))


@pytest.mark.row("W22", "S2.17", "S2.99")
async def test_four_processes_with_a_thousand_callers_load_once(redis_server, redis_url, redis_namespace):
    """
    4 x 250 callers: 1 load, everybody gets its value, and who waits sends no more than 15 commands.
    """
    async with herd(redis_url, redis_namespace, processes=4, callers=250) as (first, *others):
        with redis_server.connect() as wire:
            first.ask(1)
            await until(lambda: loads(wire, redis_namespace, 1) == 1)
            before = sent(redis_server)
            looks = calls(redis_server, "mget")
            for process in others:
                process.ask(1)
            await until(lambda: calls(redis_server, "mget") >= looks + len(others))
            wire.command("SET", f"open:{redis_namespace}", 1, "PX", 60_000)
            answers = [await process.answer for process in (first, *others)]
            assert answers == [{"answers": [1], "count": 250}] * 4
            assert loads(wire, redis_namespace, 1) == 1
            # The one that loads renews its right to fill meanwhile, and fills at last.
            assert sent(redis_server) - before <= 15 * len(others) + 15


@pytest.mark.row("FT14", "W22")
async def test_a_killed_loader_costs_one_more_load(redis_server, redis_url, redis_namespace):
    """
    The process that loads is killed: one of the others loads, the rest gets its value.
    """
    async with herd(redis_url, redis_namespace, processes=4, callers=50) as processes:
        with redis_server.connect() as wire:
            processes[0].ask(1)
            await until(lambda: loads(wire, redis_namespace, 1) == 1)
            for process in processes[1:]:
                process.ask(1)
            processes[0].process.kill()
            await until(lambda: loads(wire, redis_namespace, 1) == 2)
            wire.command("SET", f"open:{redis_namespace}", 1, "PX", 60_000)
            answers = [await process.answer for process in processes[1:]]
            assert answers == [{"answers": [2], "count": 50}] * 3
            assert loads(wire, redis_namespace, 1) == 2
            processes[0].answer.cancel()
