"""Redis behind the HTTP cache is killed, hangs, slows down, refuses, lies: the application answers as without a cache.
Counts and answers, never milliseconds."""

from __future__ import annotations

import asyncio
import random

import pytest

from evercache.core.events import Degraded
from evercache.http import Rule
from tests.support.ears import until
from tests.support.http import Backend, Reply, client_of
from tests.support.outage import calls, opened_cache, trusted

pytestmark = pytest.mark.expects_logs

IMPATIENT = {"operation_timeout": 0.5, "connect_timeout": 0.5}
PAGE = Rule("/page/{id}", ttl=300, tags=["page:{id}", "pages"])


def versioned():
    """An application with a version that a PUT counts up, and the client's page in its answers."""

    def answer(asked):
        if asked.scope["method"] == "PUT":
            backend.version += 1
            return Reply(b"", status=204)
        path = asked.scope["path"].encode()
        return Reply(b"%b version %d" % (path, backend.version), content_type="text/plain", x="1")

    backend = Backend(answer)
    backend.version = 0
    return backend


def page(number, version=0):
    return b"/page/%d version %d" % (number, version)


async def crowd(client, count, *, of):
    """*count* requests at once, for *of* pages; each answered, and with its own page."""
    answers = await asyncio.gather(*[client.get(f"/page/{number % of}") for number in range(count)])
    assert {answer.status for answer in answers} == {200}
    assert {answer.field("x") for answer in answers} == {"1"}
    assert all(answer.body.startswith(b"/page/%d " % (number % of)) for number, answer in enumerate(answers))
    return answers


def degradations(events):
    return [event.reason for event in events if isinstance(event, Degraded)]


@pytest.mark.row("FT1", "S2.4")
async def test_a_killed_server_is_no_clients_error(redis_server, redis_url, redis_namespace):
    """
    Each request is answered by the application, nothing claims to be stored, and hits resume by themselves.
    """
    backend = versioned()
    async with opened_cache(redis_url, redis_namespace, l1=False) as (cache, _):
        client = client_of(cache, backend, PAGE)
        await client.get("/page/1")
        assert (await client.get("/page/1")).hit
        redis_server.kill()
        await until(lambda: cache.health().status == "down")
        runs = backend.runs
        for _ in range(200):
            answer = await client.get("/page/1")
            assert (answer.status, answer.body, answer.hit, answer.stored) == (200, page(1), False, False)
            assert (answer.cache["fwd"], answer.cache["detail"]) == ("bypass", "store-down")
        assert backend.runs == runs + 200
        assert client.app.statistics()["/page/{id}"]["bypass"]["store-down"] == 200
        assert len(await crowd(client, 300, of=20)) == 300
        redis_server.start()
        await trusted(cache)
        await client.get("/page/1")
        runs = backend.runs
        assert all([(await client.get("/page/1")).hit for _ in range(10)])
        assert backend.runs == runs


@pytest.mark.row("FT1")
async def test_requests_in_flight_when_the_server_is_killed_are_answered(redis_server, redis_url, redis_namespace):
    """
    A hundred clients wait for twenty pages, a kill in between: a hundred answers, and still one run for each page.
    """
    backend = versioned()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        client = client_of(cache, backend, PAGE)
        opened = backend.shut()
        waiting = asyncio.ensure_future(crowd(client, 100, of=20))
        await until(lambda: backend.running == 20)
        redis_server.kill()
        opened.set()
        await waiting
        assert backend.runs == 20


@pytest.mark.row("FT1")
async def test_a_server_that_dies_again_and_again_is_nobodys_error(redis_server, redis_url, redis_namespace):
    """
    Traffic without a pause over five deaths and returns: not one answer that the application wouldn't have given.
    """
    backend = versioned()
    async with opened_cache(redis_url, redis_namespace, **IMPATIENT) as (cache, _):
        client, over = client_of(cache, backend, PAGE), False

        async def traffic(seed):
            dice = random.Random(seed)
            count = 0
            while not over:
                number = dice.randrange(30)
                answer = await client.get(f"/page/{number}")
                assert (answer.status, answer.body) == (200, page(number))
                count += 1
            return count

        going = [asyncio.ensure_future(traffic(seed)) for seed in range(8)]
        for _ in range(5):
            redis_server.kill()
            await until(lambda: cache.health().status == "down")
            redis_server.start()
            await trusted(cache)
        over = True
        assert all(await asyncio.gather(*going))


@pytest.mark.row("FT1", "S2.98")
async def test_an_application_starts_and_answers_without_redis(make_redis, redis_namespace):
    """
    The cache takes part from the moment at which the server answers.
    """
    server, backend = make_redis(), versioned()
    server.kill()
    async with opened_cache(server.url, redis_namespace, wait=False, **IMPATIENT) as (cache, _):
        client = client_of(cache, backend, PAGE)
        assert [(await client.get("/page/1")).body for _ in range(2)] == [page(1)] * 2
        server.start()
        await trusted(cache)
        await client.get("/page/1")
        assert (await client.get("/page/1")).hit


@pytest.mark.row("FT2", "S2.4")
async def test_a_hung_server_costs_one_timeout_once(redis_server, redis_url, redis_namespace):
    """
    The requests in flight share one time-out; of the thousand that come after it, none sends a command.
    """
    backend = versioned()
    async with opened_cache(redis_url, redis_namespace, **IMPATIENT) as (cache, events):
        client = client_of(cache, backend, PAGE)
        await client.get("/page/0")
        asked = calls(redis_server, "mget")
        redis_server.pause()
        await crowd(client, 50, of=50)
        assert degradations(events) == ["timeout"]
        for _ in range(10):
            await crowd(client, 100, of=100)
        assert degradations(events) == ["timeout"]
        redis_server.resume()
        await trusted(cache)
        assert calls(redis_server, "mget") - asked <= 3
        await client.get("/page/0")
        assert (await client.get("/page/0")).hit


@pytest.mark.row("FT2")
async def test_a_server_that_hangs_at_the_end_of_a_response_holds_no_client(redis_server, redis_url, redis_namespace):
    """
    It answered while the page was made, and hangs when it is to be stored: the client gets the last byte all the same.
    """
    backend = versioned()
    async with opened_cache(redis_url, redis_namespace, **IMPATIENT) as (cache, _):
        client = client_of(cache, backend, PAGE)
        opened = backend.shut()
        waiting = asyncio.ensure_future(crowd(client, 20, of=4))
        await until(lambda: backend.running == 4)
        redis_server.pause()
        opened.set()
        await waiting
        redis_server.resume()
        await trusted(cache)


@pytest.mark.row("FT2")
async def test_clients_that_leave_during_an_outage_leave_nothing_behind(redis_server, redis_url, redis_namespace):
    """
    Their requests are given up while Redis hangs; who stays is answered.
    """
    backend = versioned()
    async with opened_cache(redis_url, redis_namespace, **IMPATIENT) as (cache, _):
        client = client_of(cache, backend, PAGE)
        redis_server.pause()
        waiting = [client.start("GET", f"/page/{number % 10}") for number in range(100)]
        await asyncio.sleep(0)
        for exchange in waiting[::2]:
            exchange.cancel()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert {answer.status for answer in answers[1::2]} == {200}
        redis_server.resume()
        await trusted(cache)


@pytest.mark.row("FT3")
@pytest.mark.parametrize("direction", ["up", "down"])
async def test_lost_bytes_are_no_clients_error(redis_server, tcp_proxy, redis_namespace, direction):
    """
    Commands or replies vanish, then the streams are out of step: the right page all the while.
    """
    backend = versioned()
    async with opened_cache(tcp_proxy.rewrite(redis_server.url), redis_namespace, **IMPATIENT) as (cache, _):
        client = client_of(cache, backend, PAGE)
        await crowd(client, 50, of=10)
        tcp_proxy.drop(direction)
        await crowd(client, 200, of=20)
        tcp_proxy.heal()
        tcp_proxy.cut()
        await crowd(client, 200, of=20)
        await until(lambda: cache.health().status == "healthy")


@pytest.mark.row("FT4")
async def test_a_redis_slower_than_the_application_is_gone_around(redis_server, tcp_proxy, redis_namespace):
    """
    Reads stop asking it; a change still reaches the other worker through it.
    """
    backend = versioned()
    near = opened_cache(tcp_proxy.rewrite(redis_server.url), redis_namespace, steady=False)
    far = opened_cache(redis_server.url, redis_namespace, delta=0.25)
    async with near as (cache, events), far as (other, _):
        client, theirs = client_of(cache, backend, PAGE), client_of(other, backend, PAGE)
        await crowd(client, 50, of=50)
        await theirs.get("/page/1")
        tcp_proxy.delay(0.03)
        number = 100
        while cache.health().status == "healthy":
            number += 1
            assert (await client.get(f"/page/{number}")).body == page(number)
        assert degradations(events) == ["slow"]
        asked = calls(redis_server, "mget")
        await crowd(client, 200, of=10)
        assert calls(redis_server, "mget") == asked
        assert (await client.ask("PUT", "/page/1")).status == 204
        async with asyncio.timeout(30):
            while (await theirs.get("/page/1")).body != page(1, 1):
                await asyncio.sleep(0.002)


@pytest.mark.row("FT6")
async def test_refused_writes_are_no_clients_error(redis_server, redis_url, redis_namespace):
    """
    No memory left: what is there answers, what is new isn't stored, and a change is still heard of.
    """
    backend = versioned()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        client = client_of(cache, backend, PAGE)
        await client.get("/page/1")
        redis_server.command("CONFIG", "SET", "maxmemory", "1")
        try:
            assert (await client.get("/page/1")).hit
            await crowd(client, 100, of=20)
            assert (await client.ask("PUT", "/page/1")).status == 204
            assert (await client.get("/page/1")).body == page(1, 1)
        finally:
            redis_server.command("CONFIG", "SET", "maxmemory", "0")


@pytest.mark.row("FT8", "S2.33", "W12")
async def test_a_change_during_an_outage_is_not_forgotten(redis_server, redis_url, redis_namespace):
    """
    The client of the PUT is answered at once; no worker ever gives the old page after it, also when Redis is back with it.
    """
    backend = versioned()
    opened_one, opened_two = (opened_cache(redis_url, redis_namespace, delta=0.25, **IMPATIENT) for _ in range(2))
    async with opened_one as (cache, _), opened_two as (other, _):
        one, two = client_of(cache, backend, PAGE), client_of(other, backend, PAGE)
        for client in (one, two):
            await client.get("/page/1")
        redis_server.pause()
        await one.get("/page/2")
        await until(lambda: cache.health().status != "healthy")
        assert (await one.ask("PUT", "/page/1")).status == 204
        assert (await one.get("/page/1")).body == page(1, 1)
        redis_server.resume()
        await trusted(cache)
        await trusted(other)
        await until(lambda: cache.health().status == "healthy")
        assert (await one.get("/page/1")).body == page(1, 1)
        async with asyncio.timeout(30):
            while (await two.get("/page/1")).body != page(1, 1):
                await asyncio.sleep(0.002)


@pytest.mark.row("FT10")
async def test_a_flushed_server_is_one_run_for_each_page(redis_server, redis_url, redis_namespace):
    """
    Everything is gone under a crowd: each page is made once, not once for each client.
    """
    backend = versioned()
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        client = client_of(cache, backend, PAGE)
        await crowd(client, 20, of=20)
        flushes = cache.statistics()["flushes"]
        redis_server.command("FLUSHALL")
        await until(lambda: cache.statistics()["flushes"] > flushes)
        runs = backend.runs
        opened = backend.shut()
        waiting = asyncio.ensure_future(crowd(client, 400, of=20))
        await until(lambda: backend.running == 20)
        opened.set()
        await waiting
        assert backend.runs == runs + 20


def mutated(data, dice):
    """*data* with a bit flipped, cut off, extended, or with a run of bytes replaced."""
    at = dice.randrange(len(data))
    match dice.randrange(4):
        case 0:
            return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at]
        case 2:
            return data[:at] + dice.randbytes(8) + data[at:]
        case _:
            return data[:at] + dice.randbytes(min(8, len(data) - at)) + data[at + 8 :]


@pytest.mark.row("FT13", "W13")
async def test_a_stored_response_that_was_changed_by_hand_is_a_miss(redis_server, redis_url, redis_namespace):
    """
    Three hundred mutations of a real entry: the application's page each time, never an error, never half a page.
    """
    backend, dice = versioned(), random.Random(13)
    writer = opened_cache(redis_url, redis_namespace)
    reader = opened_cache(redis_url, redis_namespace, l1=False)
    async with writer as (cache, _), reader as (other, _):
        await client_of(cache, backend, PAGE).get("/page/1")
        names = []
        while not names:
            names = redis_server.command("KEYS", f"{{{redis_namespace}.0}}:e:*")
        client = client_of(other, backend, PAGE)
        assert (await client.get("/page/1", cache_control="only-if-cached")).hit
        [name] = names
        whole = redis_server.command("GET", name)
        for _ in range(300):
            redis_server.command("SET", name, mutated(whole, dice))
            answer = await client.get("/page/1")
            assert (answer.status, answer.body, answer.field("x")) == (200, page(1), "1")
            assert answer.field("content-type") == "text/plain"


@pytest.mark.row("FT9")
async def test_in_the_l1_mode_hits_go_on_for_a_while(redis_server, redis_url, redis_namespace):
    """
    outage="l1": what this worker holds answers without Redis; what it doesn't hold is the application's.
    """
    backend = versioned()
    async with opened_cache(redis_url, redis_namespace, outage="l1", degraded_ttl=3600.0) as (cache, _):
        client = client_of(cache, backend, PAGE)
        await client.get("/page/1")
        redis_server.kill()
        await until(lambda: cache.health().status == "down")
        assert all([(await client.get("/page/1")).hit for _ in range(20)])
        assert backend.runs == 1
        assert (await client.get("/page/2")).body == page(2)
