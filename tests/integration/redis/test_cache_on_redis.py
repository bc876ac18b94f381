"""A whole cache on a real Redis: what it sends, where it lives, and how it leaves."""

from __future__ import annotations

import asyncio
import os

import pytest

from evercache import Confirmation
from tests.support.ears import until
from tests.support.outage import cache_on, calls, opened_cache, trusted
from tests.support.source import Source


@pytest.mark.row("S1.14", "S2.99")
async def test_many_keys_are_one_round_of_looks_and_one_load(redis_server, redis_url, redis_namespace):
    """
    get_many_or_load of 100 cached keys is at most two MGETs (the first look leaves an idle wire at once); of 100 missing
    ones, one call of the loader.
    """
    asked = []

    async def load_many(ids):
        asked.append(len(ids))
        return dict.fromkeys(ids, "value")

    async with (
        opened_cache(redis_url, redis_namespace) as (one, _),
        opened_cache(redis_url, redis_namespace) as (two, _),
    ):
        await one.get_many_or_load("users", range(100), load_many)
        assert asked == [100]
        before = calls(redis_server, "mget")
        assert len(await two.get_many_or_load("users", range(100), load_many)) == 100
        assert calls(redis_server, "mget") - before <= 2
        assert asked == [100]


@pytest.mark.row("PR1", "S2.6")
async def test_before_the_start_an_invalidation_is_pending_and_the_start_confirms_it(redis_url, redis_namespace):
    """
    Said before there was a connection, heard by everybody once there is one.
    """
    source = Source()
    async with opened_cache(redis_url, redis_namespace) as (one, _):
        first = source.on(one, l1=False)
        await first(1)
        await first(2)
        two = cache_on(redis_url, redis_namespace)
        second = source.on(two)
        source.version = 1
        assert await second.invalidate(1) is Confirmation.PENDING
        assert await two.invalidate_tags("thing:2") is Confirmation.PENDING
        async with two:
            await trusted(two)
            assert two.health().owed == 0
            assert [(await first(number))["version"] for number in (1, 2)] == [1, 1]


@pytest.mark.row("S1.11", "S2.83")
async def test_every_entry_in_redis_has_a_ttl_and_no_longer_one_than_it_was_given(
    redis_server, redis_url, redis_namespace
):
    """
    The server forgets an entry at the end of ttl and spare time, by its own clock.
    """
    source = Source()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        plain, spare = source.on(cache, ttl=60), source.on(cache.named("kept"), ttl=60, fail_safe=600)
        await plain(1)
        await spare(1)
        with redis_server.connect() as wire:
            for thing, low, high in ((plain, 50, 60), (spare, 650, 660)):
                (name,) = wire.command("KEYS", f"*{redis_namespace}*}}:e:{thing.key(1)}")
                assert low * 1000 < wire.command("PTTL", name) <= high * 1000


@pytest.mark.row("S1.9", "S2.1", "S1.4")
async def test_a_cache_can_be_stopped_and_started_and_leaves_no_connection(redis_server, redis_url, redis_namespace):
    """
    After each stop the server has as many clients as before; what was shared is still there.
    """

    def clients():
        return redis_server.info("clients")["connected_clients"]

    before, source = clients(), Source()
    cache = cache_on(redis_url, redis_namespace)
    thing = source.on(cache)
    for _ in range(3):
        async with cache:
            await trusted(cache)
            await thing(1)
        await until(lambda: clients() == before)
    assert source.loads == 1


@pytest.mark.row("FT15")
async def test_a_forked_child_uses_none_of_its_parents_connections(redis_server, redis_url, redis_namespace):
    """
    The child loads, connects for itself, and stops; the parent's connections go on, its replies unmixed.
    """
    source = Source()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        thing = source.on(cache, l1=False)
        await thing(1)
        pid = os.fork()
        if not pid:
            try:
                os._exit(asyncio.run(_childs_life(cache, thing, source)))
            finally:
                os._exit(3)
        reading = [asyncio.ensure_future(thing(number % 50)) for number in range(500)]
        _, status = await asyncio.to_thread(os.waitpid, pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert [(await read)["number"] for read in reading] == [number % 50 for number in range(500)]
        assert (await thing(1))["version"] == 1
        assert cache.health().status == "healthy"


async def _childs_life(cache, thing, source):
    """0 if the child was on its own, then connected, and its invalidation was confirmed."""
    source.version = 1
    alone = (await thing(1))["version"] == 1 and cache.health().reason == "not started"
    async with cache:
        await trusted(cache)
        shared = (await thing(1))["version"] == 0
        confirmed = await thing.invalidate(1) is Confirmation.CONFIRMED
        fresh = (await thing(1))["version"] == 1
    return 0 if alone and shared and confirmed and fresh else 1


@pytest.mark.row("FT15")
def test_one_cache_in_one_loop_after_the_other(redis_server, redis_url, redis_namespace):
    """
    asyncio.run three times with the same cache: each connects anew, none is attached to a loop that is gone.
    """
    source = Source()
    cache = cache_on(redis_url, redis_namespace)
    thing = source.on(cache, l1=False)

    async def once():
        async with cache:
            await trusted(cache)
            return await asyncio.gather(*[thing(number) for number in range(20)])

    answers = [asyncio.run(once()) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert source.loads == 20


@pytest.mark.row("S2.6", "PR1")
async def test_twenty_thousand_tags_in_one_call_are_confirmed(redis_url, redis_namespace):
    """
    More tags than may wait on one wire: none is refused, all are confirmed, and the other process reads anew.
    """
    source = Source()
    async with (
        opened_cache(redis_url, redis_namespace) as (one, _),
        opened_cache(redis_url, redis_namespace) as (two, _),
    ):
        thing = source.on(two, l1=False)
        for number in (0, 19_999):
            await thing(number)
        source.version = 1
        assert await one.invalidate_tags(*(f"thing:{n}" for n in range(20_000))) is Confirmation.CONFIRMED
        assert one.health().owed == 0
        assert [(await thing(number))["version"] for number in (0, 19_999)] == [1, 1]
