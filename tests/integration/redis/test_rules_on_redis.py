"""Domain events over a real Redis: a batch is one round trip, and every process forgets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from evercache import MISSING, Confirmation
from evercache.rules import Rules
from tests.support.ears import until
from tests.support.outage import calls, opened_cache


@dataclass
class Moved:
    project_id: int
    user_id: int


def ruled(cache):
    rules = Rules(cache)
    rules.on(Moved).invalidate("project:{project_id}", "projects-of:{user_id}").expire("stats:{user_id}")
    return rules


@pytest.mark.row("S4.57", "W27")
async def test_a_batch_of_events_is_one_round_trip(redis_server, tcp_proxy, redis_url, redis_namespace):
    """
    A hundred events with 300 tags: all commands are carried out before any reply has come back.
    """
    async with opened_cache(tcp_proxy.rewrite(redis_url), redis_namespace) as (cache, _):
        rules = ruled(cache)
        await rules.publish(Moved(-1, -1))  # the server knows the scripts now
        before = calls(redis_server, "evalsha")
        tcp_proxy.freeze("down")
        publishing = asyncio.ensure_future(rules.publish(*(Moved(number, number) for number in range(100))))
        await until(lambda: calls(redis_server, "evalsha") >= before + 300)
        assert not publishing.done()
        tcp_proxy.thaw("down")
        result = await publishing
        assert (result.tags, result.rules, result.confirmation) == (300, 300, Confirmation.CONFIRMED)


@pytest.mark.row("S4.52", "S2.81")
async def test_an_event_in_one_process_is_forgotten_in_all(redis_url, redis_namespace):
    """
    One process publishes; the other one answers anew, and what the event doesn't name stays.
    """
    async with (
        opened_cache(redis_url, redis_namespace) as (one, _),
        opened_cache(redis_url, redis_namespace) as (two, _),
    ):

        @two.cached(key="project", tags=["project:{project_id}"])
        async def project(project_id: int) -> int:
            return project_id

        for number in (1, 2):
            await project(number)
        result = await ruled(one).publish(Moved(1, 7))
        assert (result.success, result.exact) == (True, False)
        async with asyncio.timeout(30):
            while await project.peek(1) is not MISSING:
                await asyncio.sleep(0.002)
        assert await project.peek(2) == 2


@pytest.mark.expects_logs
async def test_what_redis_can_not_confirm_is_pending(make_redis, redis_namespace):
    """
    The result says so; this process no longer uses what was named, and the journal repeats it.
    """
    server = make_redis()
    async with opened_cache(server.url, redis_namespace, operation_timeout=0.5, connect_timeout=0.5) as (cache, _):
        rules = ruled(cache)
        server.kill()
        result = await rules.publish(Moved(1, 1))
        assert (result.success, result.confirmation) == (False, Confirmation.PENDING)
        server.start()
        await until(lambda: cache.health().status == "healthy" and cache.health().owed == 0)
