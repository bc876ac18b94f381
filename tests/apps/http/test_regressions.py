"""What went wrong elsewhere, each as the smallest application that shows it: over memory and over Redis."""

from __future__ import annotations

import asyncio
import random

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from evercache.http import CacheMiddleware, Rule
from tests.support.http import Backend, Reply, client_of
from tests.support.outage import opened_cache

PAGE = Rule("/page", ttl=300, tags=["pages"])


class Task(BaseModel):
    id: int


async def ready(client, target="/page"):
    """Wait until *client*'s worker can answer without its application."""
    async with asyncio.timeout(30):
        while (await client.get(target, cache_control="only-if-cached")).status == 504:
            await asyncio.sleep(0.002)


@pytest.mark.row("W8")
async def test_w8_no_response_is_made_public(workers):
    """
    No `public` and no `max-age` of our own on anything: covered or not, hit or miss, with credentials or without.
    """
    client = client_of(workers[0], Backend(lambda asked: Reply(vary="Accept")), PAGE)
    for target in ("/page", "/page", "/other"):
        for headers in ({}, {"authorization": "Bearer a"}, {"cookie": "session=1"}):
            answer = await client.get(target, **headers)
            assert "public" not in (answer.field("cache-control") or "")
            assert "max-age" not in (answer.field("cache-control") or "")
            assert answer.field("vary") == "Accept"


@pytest.mark.row("W9")
async def test_w9_what_tells_users_apart_tells_their_responses_apart(workers):
    """
    Tokens, cookies, languages, accepted types and hosts; a cookie that was set for one is set for nobody else.
    """

    def answer(asked):
        seen = [asked.field(name) or "-" for name in ("authorization", "cookie", "accept", "accept-language", "host")]
        return Reply(" ".join(seen).encode(), vary="Accept, Accept-Language")

    for cache in workers:
        client = client_of(cache, Backend(answer), PAGE)
        for host in ("one", "two"):
            client.host = host
            for headers in ({}, {"authorization": "a"}, {"authorization": "b"}, {"cookie": "a=1"}, {"cookie": "a=2"},
                            {"accept": "a/b"}, {"accept": "c/d"}, {"accept_language": "de"}, {"accept_language": "en"}):  # fmt: skip
                wanted = [headers.get(name, "-") for name in ("authorization", "cookie", "accept", "accept_language")]
                for _ in range(2):
                    assert (await client.get("/page", **headers)).body == " ".join([*wanted, host]).encode()


@pytest.mark.row("W11", "S2.32", "S2.88", "S2.4")
async def test_w11_fifty_identical_requests_are_one_run(workers):
    """
    49 hits, and the other worker has the entry too.
    """
    backend = Backend()
    one, two = (client_of(cache, backend, PAGE) for cache in workers)
    assert [(await one.get("/page")).hit for _ in range(50)] == [False] + [True] * 49
    await ready(two)
    assert all([(await two.get("/page")).hit for _ in range(50)])
    assert backend.runs == 1
    assert one.app.statistics()["/page"]["hit"] == 49


@pytest.mark.row("W11", "S2.4")
async def test_w11_through_fastapi_and_a_real_client(workers):
    """
    The same with a framework around it.
    """
    runs, app = [], FastAPI()

    @app.get("/tasks/{id}")
    async def task(id: int) -> Task:
        runs.append(id)
        return Task(id=id)

    app.add_middleware(CacheMiddleware, cache=workers[0], rules=[Rule("/tasks/{id}", ttl=300)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        answers = [await client.get("/tasks/7") for _ in range(50)]
    assert {answer.text for answer in answers} == {'{"id":7}'}
    assert sum(";hit" in answer.headers["cache-status"] for answer in answers) == 49
    assert runs == [7]


@pytest.mark.row("W12", "S2.33")
async def test_w12_a_change_that_succeeded_is_seen_and_one_that_failed_costs_nothing(workers):
    """
    The entry is gone after the POST, and not before it; a POST that failed leaves it.
    """
    status = [422]
    backend = Backend(lambda asked: Reply(status=200 if asked.scope["method"] == "GET" else status[0]))
    one, two = (client_of(cache, backend, PAGE) for cache in workers)
    assert (await one.get("/page")).body == b"run 1"
    await ready(two)
    await one.post("/page")
    assert (await one.get("/page")).hit
    status[0] = 201
    await one.post("/page")
    fresh = await one.get("/page")
    assert (fresh.hit, fresh.body) == (False, b"run 4")
    async with asyncio.timeout(30):
        while (await two.get("/page")).body != b"run 4":
            await asyncio.sleep(0.002)


BODIES = {
    "json with spaces": (b'{"a":  1}\n', "application/json"),
    "bytes": (bytes(range(256)), "application/octet-stream"),
    "umlauts": ("<p>ü".encode("latin-1"), "text/html; charset=latin-1"),
    "empty": (b"", "text/plain"),
    "large": (b"\x00" * 300_000, "image/png"),
    "no type": (b"x", ""),
}


@pytest.mark.row("W13", "S2.38")
@pytest.mark.parametrize("what", BODIES)
async def test_w13_a_hit_has_the_bytes_and_the_length_of_the_response(workers, what):
    """
    Nothing is parsed and written again: in the same worker, and in another one.
    """
    body, kind = BODIES[what]
    headers = [("content-length", str(len(body))), *([("content-type", kind)] if kind else [])]
    backend = Backend(Reply(body, headers=headers))
    one, two = (client_of(cache, backend, PAGE) for cache in workers)
    await one.get("/page")
    await ready(two)
    for client in (one, two):
        answer = await client.get("/page")
        assert (answer.hit, answer.body, answer.field("content-length")) == (True, body, str(len(body)))
        assert answer.field("content-type") == (kind or None)
    assert backend.runs == 1


@pytest.mark.row("W12", "S2.33", "PR1")
async def test_w12_readers_and_writers_at_random_never_read_back_in_time(redis_url, redis_namespace):
    """
    Two workers over one Redis, without memories of their own: a read that begins after a change was answered has at
    least its version, whichever worker is asked, and however a slow reader and a change overtake each other.
    """
    dice, versions, promised = random.Random(12), [0] * 3, [0] * 3

    async def app(scope, receive, send):
        number = int(scope["path"][-1])
        await asyncio.sleep(dice.random() * 0.003)
        if scope["method"] == "PUT":
            versions[number] += 1
        read = versions[number]
        await asyncio.sleep(dice.random() * 0.003)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % read})

    caches = [opened_cache(redis_url, redis_namespace, l1=False) for _ in range(2)]
    async with caches[0] as (one, _), caches[1] as (two, _):
        clients = [client_of(cache, app, Rule("/page/{id}", ttl=300)) for cache in (one, two)]

        async def read():
            hits = 0
            for _ in range(150):
                number = dice.randrange(3)
                wanted = promised[number]
                answer = await dice.choice(clients).get(f"/page/{number}")
                assert int(answer.body) >= wanted
                hits += answer.hit
            return hits

        async def write():
            for _ in range(40):
                number = dice.randrange(3)
                answer = await dice.choice(clients).ask("PUT", f"/page/{number}")
                promised[number] = max(promised[number], int(answer.body))
                await asyncio.sleep(dice.random() * 0.01)

        *hits, _, _ = await asyncio.gather(*(read() for _ in range(6)), write(), write())
        assert sum(hits) > 0


@pytest.mark.row("S2.33", "S2.6")
async def test_tags_reach_the_responses_of_every_worker(workers):
    """
    One invalidation by name, from anywhere.
    """
    backend = Backend()
    one, two = (client_of(cache, backend, PAGE) for cache in workers)
    await one.get("/page")
    await ready(two)
    await workers[1].invalidate_tags("pages")
    assert (await two.get("/page")).body != b"run 1"
    async with asyncio.timeout(30):
        while (await one.get("/page")).body == b"run 1":
            await asyncio.sleep(0.002)


@pytest.mark.row("S2.34")
async def test_a_copy_of_one_worker_is_known_to_the_other(workers):
    """
    304 from a worker that never ran the application.
    """
    backend = Backend(Reply(b"page"))
    one, two = (client_of(cache, backend, PAGE) for cache in workers)
    tag = (await one.get("/page")).field("etag")
    await ready(two)
    answer = await two.get("/page", if_none_match=str(tag))
    assert (answer.status, answer.body, backend.runs) == (304, b"", 1)
