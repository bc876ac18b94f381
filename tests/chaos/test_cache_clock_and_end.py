"""A clock that jumps, a process that forks, a stop in the middle of an outage; and what is told about all that."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap

import pytest

from evercache import Cache, Confirmation
from evercache.config import Settings
from evercache.core.events import Degraded, Recovered
from evercache.engine.clock import SystemClock
from tests.support.ears import until
from tests.support.outage import Origin, cache_on, many, opened_cache, trusted

pytestmark = pytest.mark.expects_logs
IMPATIENT = {"operation_timeout": 0.5, "connect_timeout": 0.5}


class JumpingClock(SystemClock):
    """The system's clock on a host whose administrator sets the time."""

    ahead = 0.0

    def wall(self):
        return super().wall() + self.ahead


@pytest.mark.row("FT18")
@pytest.mark.parametrize("jump", [3_600.0, -3_600.0])
async def test_a_host_whose_clock_jumps_changes_nothing(redis_url, redis_namespace, jump):
    """
    An hour forward or back on one of two hosts: hits stay hits on both, fills live as long as they should, and an
    invalidation by either of them holds.
    """
    origin, clock = Origin(), JumpingClock()
    settings = Settings.resolve(redis_url, environ={}, namespace=redis_namespace, operation_timeout=5.0)
    async with Cache(settings=settings, clock=clock) as cache, opened_cache(redis_url, redis_namespace) as (other, _):
        await trusted(cache)
        here, there = origin.cached(cache, ttl="10m", l1=False), origin.cached(other, ttl="10m", l1=False)
        await many(here, 5, of=5)
        clock.ahead = jump
        assert {row["version"] for row in await many(here, 5, of=5)} == {0}
        assert {row["version"] for row in await many(there, 5, of=5)} == {0}
        await many(here, 10, of=10)
        await many(there, 10, of=10)
        assert set(origin.loads.values()) == {1}
        for number, (invalidator, reader) in enumerate([(here, there), (there, here)]):
            origin.versions[number] = 1
            assert await invalidator.invalidate(number) is Confirmation.CONFIRMED
            assert (await reader(number))["version"] == 1
        assert cache.health().status == other.health().status == "healthy"


@pytest.mark.row("FT15", "FT8")
async def test_a_stop_gives_redis_the_time_to_come_back(redis_server, tcp_proxy, redis_namespace):
    """
    What is owed at the stop is confirmed if Redis answers within the time that a stop may take.
    """
    origin = Origin()
    async with opened_cache(redis_server.url, redis_namespace, on_failover="ignore") as (other, _):
        theirs = origin.cached(other, l1=False)
        await many(theirs, 5, of=5)
        near = cache_on(tcp_proxy.rewrite(redis_server.url), redis_namespace, on_failover="ignore", **IMPATIENT)
        await near.start()
        await trusted(near)
        tcp_proxy.refuse()
        tcp_proxy.cut()
        await until(lambda: near.health().status == "down")
        for number in range(5):
            origin.versions[number] = 1
        assert await near.invalidate_tags("rows") is Confirmation.PENDING
        stopping = asyncio.ensure_future(near.engine.stop(drain=60.0))
        tcp_proxy.heal()
        await stopping
        assert len(near.engine.journal) == 0
        assert {row["version"] for row in await many(theirs, 5, of=5)} == {1}


@pytest.mark.row("FT15")
def test_a_forked_worker_has_connections_of_its_own(redis_url, redis_namespace):
    """
    A cache that was started before a fork: the child reads, loads and invalidates by itself, the parent goes on.
    """
    program = f"""
        import asyncio, os
        from evercache import Cache
        cache = Cache({redis_url!r}, namespace={redis_namespace!r}, environ={{}})
        @cache.cached(key="pid", l1=False)
        async def pid(number: int) -> int:
            return os.getpid()
        async def life():
            async with cache:
                while cache.health().status != "healthy":
                    await asyncio.sleep(0.005)
                return await pid(1), await cache.invalidate_tags("x"), await pid(1)
        async def parent():
            async with cache:
                while cache.health().status != "healthy":
                    await asyncio.sleep(0.005)
                mine = await pid(1)
                child = os.fork()
                if child == 0:
                    try:
                        asyncio._set_running_loop(None)
                        loop = asyncio.new_event_loop()
                        first, _, second = loop.run_until_complete(life())
                        os._exit(0 if first == second == mine else 3)
                    except BaseException:
                        import traceback; traceback.print_exc()
                        os._exit(4)
                _, status = os.waitpid(child, 0)
                assert await pid(1) == mine
                assert cache.health().status == "healthy"
                return os.waitstatus_to_exitcode(status)
        raise SystemExit(asyncio.run(parent()))
    """
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.row("S2.28", "S2.100", "S2.101", "S2.102")
async def test_every_transition_is_a_metric_an_event_and_a_log_record(redis_server, redis_url, redis_namespace, caplog):
    """
    Down and up again, three times: as many events and counts, a reason each, and one warning, not one for each call.
    """
    async with opened_cache(redis_url, redis_namespace) as (cache, events):
        row = Origin().cached(cache, l1=False)
        for _ in range(3):
            redis_server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await until(lambda: cache.health().status == "down" or cache.statistics()["recoveries"] > 1)
            await many(row, 100, of=10)
            await trusted(cache)
        told = [event for event in events if isinstance(event, Degraded | Recovered)]
        downs = [event.reason for event in told if isinstance(event, Degraded)]
        assert len(downs) == sum(cache.statistics()["degradations"].values()) >= 3
        assert all(downs)
        assert cache.statistics()["recoveries"] == len(told) - len(downs)
        assert [type(event) for event in told] == [Recovered] + [Degraded, Recovered] * len(downs)
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) <= 4 * len(downs)


@pytest.mark.row("FT2", "FT15")
async def test_a_hung_server_keeps_nobody_from_starting_or_stopping(make_redis, redis_namespace):
    """
    SIGSTOP before the start and before the stop: both end, and what is read in between is served.
    """
    server, origin = make_redis(), Origin()
    server.pause()
    async with opened_cache(server.url, redis_namespace, wait=False, **IMPATIENT) as (cache, _):
        row = origin.cached(cache, l1=False)
        assert {type(answer) for answer in await many(row, 50, of=5)} == {dict}
        server.resume()
        await trusted(cache)
        await many(row, 50, of=5)
        server.pause()
    assert cache.health().reason == "not started"
    server.resume()
