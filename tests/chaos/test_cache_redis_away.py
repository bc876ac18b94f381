"""Redis is killed, hangs, half hangs, comes back: what the callers of a whole cache notice. Counts, never milliseconds."""

from __future__ import annotations

import asyncio

import pytest

from evercache import Confirmation
from evercache.core.events import Degraded, Recovered
from tests.support.ears import until
from tests.support.outage import Origin, cache_on, calls, many, opened_cache, trusted

pytestmark = pytest.mark.expects_logs
IMPATIENT = {"operation_timeout": 0.5, "connect_timeout": 0.5}


def degradations(events):
    return [event.reason for event in events if isinstance(event, Degraded)]


def misses(cache, name="row"):
    return cache.statistics()["functions"][name]["misses"]


@pytest.mark.row("FT1", "S2.8", "S2.21", "S2.26", "S2.98", "S2.102", "S4.17", "S4.23", "W23")
async def test_a_killed_server_is_nobodys_error_and_comes_back_by_itself(redis_server, redis_url, redis_namespace):
    """
    No call fails while Redis is gone, each is answered by the origin, and hits resume without a restart of the process.
    """
    origin = Origin()
    async with opened_cache(redis_url, redis_namespace) as (cache, events):
        row = origin.cached(cache, l1=False)
        await row(1)
        redis_server.kill()
        await until(lambda: cache.health().status == "down")
        before = origin.loads[1]
        assert all([await row(1) == {"number": 1, "version": 0} for _ in range(500)])
        assert origin.loads[1] == before + 500
        assert misses(cache)["bypass"] == 500
        assert cache.health().reason in {"closed", "refused"}
        redis_server.start()
        await trusted(cache)
        await row(1)
        loads = origin.loads[1]
        assert [await row(1) for _ in range(10)] == [{"number": 1, "version": 0}] * 10
        assert origin.loads[1] == loads
        assert [type(event) for event in events if isinstance(event, Degraded | Recovered)].count(Degraded) == 1


@pytest.mark.row("FT1")
async def test_calls_in_flight_when_the_server_is_killed_are_answered(redis_server, redis_url, redis_namespace):
    """
    A hundred callers in the middle of a load, a kill in between: a hundred values, no exception.
    """
    origin = Origin()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        row = origin.cached(cache)
        origin.gate = asyncio.Event()
        reading = asyncio.ensure_future(many(row, 100, of=20))
        await until(lambda: origin.running == 20)
        redis_server.kill()
        origin.gate.set()
        answers = await reading
        assert {type(answer) for answer in answers} == {dict}
        assert set(origin.loads.values()) == {1}


@pytest.mark.row("FT1", "S2.98")
async def test_an_application_starts_and_works_without_redis(make_redis, redis_namespace):
    """
    Starting never fails; every read is a load; the server is used from the moment it answers.
    """
    server, origin = make_redis(), Origin()
    server.kill()
    async with opened_cache(server.url, redis_namespace, wait=False, **IMPATIENT) as (cache, _):
        row = origin.cached(cache, l1=False)
        assert await row(1) == await row(1)
        assert origin.loads[1] == 2
        await until(lambda: cache.health().reason == "refused")
        server.start()
        await trusted(cache)
        await row(1)
        await row(1)
        assert origin.loads[1] == 3


@pytest.mark.row("FT2", "S2.21", "W25")
async def test_a_hung_server_costs_one_timeout_once(redis_server, redis_url, redis_namespace):
    """
    The callers in flight share one time-out; every later call bypasses: nothing of theirs is sent, nothing waits.
    """
    origin = Origin()
    async with opened_cache(redis_url, redis_namespace, **IMPATIENT) as (cache, events):
        row = origin.cached(cache, l1=False)
        await row(1)
        asked = calls(redis_server, "mget")
        redis_server.pause()
        answers = await many(row, 50, of=50)
        assert {type(answer) for answer in answers} == {dict}
        assert degradations(events) == ["timeout"]
        assert all([await row(number) for number in range(1_000)])
        assert degradations(events) == ["timeout"]
        assert set(misses(cache)) <= {"absent", "timeout", "bypass"}
        assert misses(cache)["bypass"] >= 1_000
        redis_server.resume()
        await trusted(cache)
        # The 50 looks had left as few commands before anybody knew; of the thousand, not one was sent.
        assert calls(redis_server, "mget") - asked <= 3
        await row(1)
        loads = origin.loads.total()
        await row(1)
        assert origin.loads.total() == loads


@pytest.mark.row("FT2", "S2.28")
async def test_only_one_background_task_looks_for_a_hung_server(redis_server, tcp_proxy, redis_namespace):
    """
    Ten thousand calls during an outage open not one connection of their own.
    """
    origin = Origin()
    async with opened_cache(tcp_proxy.rewrite(redis_server.url), redis_namespace, **IMPATIENT) as (cache, _):
        row = origin.cached(cache, l1=False)
        await row(1)
        tcp_proxy.refuse()
        tcp_proxy.cut()
        await until(lambda: cache.health().status == "down")
        opened, tasks = tcp_proxy.counts.accepted, len(asyncio.all_tasks())
        for _ in range(100):
            await many(row, 100, of=100)
        assert tcp_proxy.counts.accepted == opened
        assert len(asyncio.all_tasks()) == tasks
        tcp_proxy.heal()
        await trusted(cache)


@pytest.mark.row("FT3")
async def test_nothing_stale_beyond_the_lease_on_a_half_open_link(redis_server, tcp_proxy, redis_namespace):
    """
    The link of one process stands still while another one invalidates: once the lease has lapsed the first one loads,
    and no call fails.
    """
    origin = Origin()
    near = opened_cache(tcp_proxy.rewrite(redis_server.url), redis_namespace, delta=0.25, **IMPATIENT)
    far = opened_cache(redis_server.url, redis_namespace, delta=0.25)
    async with near as (cache, events), far as (other, _):
        row = origin.cached(cache)
        await row(1)
        tcp_proxy.freeze()
        origin.versions[1] = 1
        assert await other.invalidate_tags("row:1") is Confirmation.CONFIRMED
        lease = cache.engine.lease_of(0)
        await until(lambda: cache.clock.monotonic() >= lease.until)
        for _ in range(100):
            assert await row(1) == {"number": 1, "version": 1}
        assert degradations(events) == ["timeout"]
        tcp_proxy.heal()
        await trusted(cache)
        assert await row(1) == {"number": 1, "version": 1}


@pytest.mark.row("FT3")
async def test_lost_bytes_are_nobodys_error(redis_server, tcp_proxy, redis_namespace):
    """
    Every byte of the link vanishes, then the streams are out of step and are cut: values all the while.
    """
    origin = Origin()
    async with opened_cache(tcp_proxy.rewrite(redis_server.url), redis_namespace, **IMPATIENT) as (cache, _):
        row = origin.cached(cache, l1=False)
        await row(1)
        for direction in ("up", "down"):
            tcp_proxy.drop(direction)
            assert {type(answer) for answer in await many(row, 200, of=10)} == {dict}
            tcp_proxy.heal()
            tcp_proxy.cut()
            assert {type(answer) for answer in await many(row, 200, of=10)} == {dict}
            await until(lambda: cache.health().status == "healthy")


@pytest.mark.row("FT7", "S2.102")
async def test_a_restarted_server_is_believed_nothing(redis_server, redis_url, redis_namespace):
    """
    It comes back with old data, and perhaps without the last invalidation: every first read is a load.
    """
    origin = Origin()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        row = origin.cached(cache)
        await many(row, 20, of=20)
        redis_server.command("SAVE")
        for number in range(20):
            origin.versions[number] = 1
        assert await cache.invalidate_tags("rows") is Confirmation.CONFIRMED
        redis_server.kill()  # the invalidation is lost with it, the rows are not
        redis_server.start()
        await until(lambda: cache.statistics()["recoveries"] >= 1)
        await trusted(cache)
        assert {answer["version"] for answer in await many(row, 20, of=20)} == {1}


async def test_a_cache_that_was_never_started_works(redis_namespace):
    """
    Nothing is connected before start(); functions work from the first moment, in this process.
    """
    origin = Origin()
    row = origin.cached(cache_on("redis://127.0.0.1:1/0", redis_namespace))
    assert await row(1) == await row(1)
    assert origin.loads[1] == 1
