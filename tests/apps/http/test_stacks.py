"""Inside real stacks and behind a real server: what other middlewares do to a response, and what goes over the wire."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.background import BackgroundTask
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

from evercache.http import CacheMiddleware, Rule
from evercache.testing.clock import settle
from evercache.testing.ports import ReservedPort
from tests.support.ears import until
from tests.support.http import Backend, Client, Reply, client_of
from tests.support.source import alone

PAGE = Rule("/page", ttl=300)


# -- other middlewares -------------------------------------------------------------------------------------------------


class Stamp(BaseHTTPMiddleware):
    """What most applications have somewhere: a middleware of the simple kind, which makes a stream of every response."""

    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-stamp"] = "1"
        return response


@pytest.mark.row("W11", "S2.4", "S2.38")
@pytest.mark.parametrize("order", ["stamp outside", "cache outside"])
@pytest.mark.parametrize("kind", ["whole", "stream"])
async def test_a_middleware_of_the_simple_kind_keeps_nothing_from_the_cache(cache, order, kind):
    """
    W11: fifty requests, one run, whichever of the two is outside, and whatever it makes of the body.
    """
    runs = []

    async def page(request):
        runs.append(kind)
        return PlainTextResponse("page") if kind == "whole" else StreamingResponse(iter([b"pa", b"ge"]))

    app = Starlette(routes=[Route("/page", page)])
    if order == "cache outside":
        client = client_of(cache, Stamp(app), PAGE)
    else:
        client = Client(Stamp(CacheMiddleware(app, cache=cache, rules=[PAGE])))
    answers = [await client.get("/page") for _ in range(50)]
    assert {(answer.status, answer.body, answer.field("x-stamp")) for answer in answers} == {(200, b"page", "1")}
    assert [answer.hit for answer in answers] == [False] + [True] * 49
    assert len({answer.field("etag") for answer in answers[1:]}) == 1
    assert len(runs) == 1


class ByToken(AuthenticationBackend):
    async def authenticate(self, connection):
        token = connection.headers.get("authorization")
        return None if token is None else (AuthCredentials(["authenticated"]), SimpleUser(token))


@pytest.mark.row("S2.75", "S2.37", "W9")
async def test_inside_of_authentication_each_user_has_his_own(cache):
    """
    Security, cache, application: the principal is the one that was verified in front of the cache.
    """
    runs = []

    async def me(request):
        runs.append(request.user.display_name)
        return PlainTextResponse(f"for {request.user.display_name}")

    async def open_to_all(request):
        return PlainTextResponse("open")

    def who(request):
        return request.user.display_name if request.user.is_authenticated else None

    app = Starlette(routes=[Route("/me", me), Route("/page", open_to_all)])
    covered = CacheMiddleware(app, cache=cache, rules=[Rule("/me", ttl=300, key_by=who), PAGE])
    client = Client(AuthenticationMiddleware(covered, backend=ByToken()))
    for name in ("ann", "bob", "ann", "bob"):
        assert (await client.get("/me", authorization=name)).body == f"for {name}".encode()
    assert runs == ["ann", "bob"]
    assert [(await client.get("/me")).hit for _ in range(2)] == [False, False]
    # Somebody who isn't signed in is nobody: the open page is shared although `user` is in the scope.
    assert [(await client.get("/page")).hit for _ in range(2)] == [False, True]
    assert not (await client.get("/page", authorization="ann")).hit


async def test_a_guard_of_hosts_is_asked_first(cache):
    """
    TrustedHostMiddleware outside refuses what the cache would have made another entry for.
    """
    backend = Backend()
    covered = CacheMiddleware(backend, cache=cache, rules=[PAGE])
    client = Client(TrustedHostMiddleware(covered, allowed_hosts=["app"]))
    await client.get("/page")
    client.host = "evil"
    assert (await client.get("/page")).status == 400
    assert backend.runs == 1


async def test_a_mounted_application_is_covered_by_its_whole_path(cache):
    """
    The template has the prefix of the mount; the same path without it is another one.
    """
    runs = []

    async def item(request):
        runs.append(request.path_params["id"])
        return PlainTextResponse(request.path_params["id"])

    inner = Starlette(routes=[Route("/items/{id}", item)])
    client = client_of(
        cache, Starlette(routes=[Mount("/shop", inner)]), Rule("/shop/items/{id}", ttl=300, tags=["i:{id}"])
    )
    for number in ("1", "2"):
        answers = [await client.get(f"/shop/items/{number}") for _ in range(2)]
        assert [(answer.hit, answer.body) for answer in answers] == [(False, number.encode()), (True, number.encode())]
    assert (await client.get("/items/1")).status == 404
    await cache.invalidate_tags("i:1")
    assert [(await client.get(f"/shop/items/{number}")).hit for number in ("1", "2")] == [False, True]


@pytest.mark.parametrize("around", [Starlette, FastAPI])
@pytest.mark.parametrize("way", ["added", "around", "bare"])
async def test_inside_of_a_mounted_application_the_path_is_its_own(cache, around, way):
    """
    A cache that is part of what is mounted names its routes as that does; two mounts share nothing, and a path that no
    route of it answers inherits nothing.
    """
    runs = []

    async def page(request):
        runs.append(request.scope["path"])
        return PlainTextResponse("page")

    def inner():
        rules = [PAGE, Rule("/{rest:path}", ttl=300, negative=[404])]
        if way == "bare":
            return CacheMiddleware(Backend(lambda asked: runs.append("") or Reply(b"page")), cache=cache, rules=[PAGE])
        app = Starlette(routes=[Route("/page", page), Route("/{rest:path}", page, methods=["PUT"])])
        if way == "around":
            return CacheMiddleware(app, cache=cache, rules=rules)
        app.add_middleware(CacheMiddleware, cache=cache, rules=rules)
        return app

    outer = around()
    outer.mount("/{tenant}/one", inner())
    outer.mount("/two", inner())
    client = Client(outer)
    for mount in ("/acme/one", "/other/one", "/two"):
        assert [(await client.get(f"{mount}/page")).hit for _ in range(2)] == [False, True]
        for _ in range(2):
            assert not (await client.get(f"{mount}/nowhere/page")).hit
    assert len(runs) == (9 if way == "bare" else 3)


async def test_several_caches_over_each_other_each_say_what_they_did(manual_clock):
    """
    Each adds its line behind that of the inner one, and the ages add up.
    """
    async with alone(manual_clock) as inner_cache, alone(manual_clock) as outer_cache:
        inner = CacheMiddleware(Backend(cache_control="max-age=300"), cache=inner_cache, rules=[PAGE], name="inner")
        client = Client(CacheMiddleware(inner, cache=outer_cache, rules=[PAGE], name="outer"))
        await Client(inner).get("/page")
        manual_clock.advance(100)
        first = await client.get("/page")
        assert [line.split(";")[0] for line in first.fields("cache-status")] == ["inner", "outer"]
        assert first.fields("age") == ["100"]
        manual_clock.advance(100)
        second = await client.get("/page")
        assert second.fields("age") == ["200"]
        assert second.fields("cache-status")[-1].startswith("outer;hit;ttl=100")
        manual_clock.advance(100)
        third = await client.get("/page")
        assert third.body == b"run 2"


# -- the life of the cache ---------------------------------------------------------------------------------------------


@pytest.mark.row("S2.98")
async def test_before_the_start_and_after_the_end_of_the_cache_the_application_answers(manual_clock):
    """
    Whoever forgets the lifespan, and whoever is late at shutdown, gets his page.
    """
    cache, backend = alone(manual_clock), Backend()
    client = client_of(cache, backend, PAGE)
    assert (await client.get("/page")).status == 200
    async with cache:
        await client.get("/page")
        assert (await client.get("/page")).hit
    assert [(await client.get("/page")).status for _ in range(2)] == [200, 200]


async def test_the_end_of_the_cache_holds_no_request_up(manual_clock):
    """
    Requests that are being answered when the cache stops are answered.
    """
    cache, backend = alone(manual_clock), Backend(Reply(b"page"))
    client = client_of(cache, backend, PAGE)
    async with cache:
        opened = backend.shut()
        waiting = [client.start("GET", "/page") for _ in range(10)]
        await until(lambda: backend.running)
        stopping = asyncio.ensure_future(cache.stop())
        await settle()
        opened.set()
        answers = [await exchange for exchange in waiting]
        await stopping
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"page")}


@pytest.mark.row("S2.36")
async def test_another_worker_knows_the_age_of_what_it_did_not_make(two_caches, manual_clock):
    """
    Age is that of the response, not of the copy.
    """
    one, two = (client_of(cache, Backend(age="7"), PAGE) for cache in two_caches)
    await one.get("/page")
    manual_clock.advance(100)
    for client in (one, two, two):
        answer = await client.get("/page")
        assert (answer.hit, answer.age) == (True, 107)


# -- a real server -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def served(app, **options):
    """*app* behind a real uvicorn; its port."""
    port = ReservedPort()
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port.number, log_config=None, lifespan="off", **options)
    )
    serving = asyncio.ensure_future(server.serve())
    await until(lambda: server.started or serving.done())
    try:
        yield port.number
    finally:
        server.should_exit = True
        await serving
        port.release()


class Wire:
    """One connection, on which requests follow each other."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def ask(self, *lines, method="GET", target="/page"):
        """Status, fields (a list of pairs) and body of the answer to a request with these header lines."""
        text = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: app", *lines, "", ""])
        self.writer.write(text.encode("latin-1"))
        status, *fields = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        pairs = [(name.lower(), value) for name, _, value in (field.partition(": ") for field in fields)]
        code, named = int(status.split()[1]), dict(pairs)
        body = b""
        if method != "HEAD" and code != 304:
            if named.get("transfer-encoding") == "chunked":
                while size := int(await self.reader.readline(), 16):
                    body += await self.reader.readexactly(size)
                    await self.reader.readline()
                await self.reader.readline()
            else:
                body = await self.reader.readexactly(int(named["content-length"]))
        return code, pairs, body


@asynccontextmanager
async def wired(app, **options):
    """A connection to *app* behind a real server."""
    async with served(app, **options) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield Wire(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()


def values(fields, name):
    return [value for other, value in fields if other == name]


@pytest.mark.row("S2.34", "S2.38", "S2.4")
@pytest.mark.parametrize("kind", ["whole", "stream"])
async def test_on_the_wire_every_answer_is_framed_and_has_one_date(cache, kind):
    """
    Miss, hit, HEAD, 304, part, refused part, on one connection: each ends where it says, and the next one follows.
    """

    async def page(request):
        if kind == "whole":
            return PlainTextResponse("0123456789", headers={"date": "Tue, 14 Nov 2023 22:13:20 GMT"})
        return StreamingResponse(iter([b"01234", b"56789"]), media_type="text/plain")

    app = Starlette(routes=[Route("/page", page)])
    async with wired(CacheMiddleware(app, cache=cache, rules=[PAGE])) as wire:
        await wire.ask()
        code, fields, body = await wire.ask()
        assert (code, body) == (200, b"0123456789")
        assert values(fields, "cache-status")[0].startswith("evercache;hit")
        [tag] = values(fields, "etag")
        answers = [
            (await wire.ask(method="HEAD"), 200, b""),
            (await wire.ask(f"If-None-Match: {tag}"), 304, b""),
            (await wire.ask("Range: bytes=2-4"), 206, b"234"),
            (await wire.ask("Range: bytes=50-"), 416, b""),
            (await wire.ask(), 200, b"0123456789"),
        ]
        for (code, fields, body), wanted, whole in answers:
            assert (code, body) == (wanted, whole)
            assert len(values(fields, "date")) == 1
            assert len(values(fields, "content-length")) <= 1
            assert len(values(fields, "cache-status")) == 1


async def test_on_the_wire_a_server_that_adds_no_date_sends_that_of_the_response(cache):
    """
    `server_adds_date=False` beside uvicorn's own `date_header=False`.
    """
    backend = Backend(Reply(b"page", content_length="4", date="Tue, 14 Nov 2023 22:13:20 GMT"))
    covered = CacheMiddleware(backend, cache=cache, rules=[PAGE], server_adds_date=False)
    async with wired(covered, date_header=False) as wire:
        for _ in range(2):
            _, fields, body = await wire.ask()
            assert (values(fields, "date"), body) == (["Tue, 14 Nov 2023 22:13:20 GMT"], b"page")


async def test_on_the_wire_background_tasks_run_after_the_miss_alone(cache):
    """
    The next request of the same connection is a hit, and needs nothing that the first one left behind.
    """
    ran = []

    async def task():
        ran.append(1)

    async def page(request):
        return PlainTextResponse("page", background=BackgroundTask(task))

    app = Starlette(routes=[Route("/page", page)])
    async with wired(CacheMiddleware(app, cache=cache, rules=[PAGE])) as wire:
        for _ in range(5):
            assert (await wire.ask())[2] == b"page"
        await until(lambda: ran)
    assert ran == [1]


async def test_on_the_wire_a_client_that_leaves_in_the_middle_leaves_no_half_entry(cache):
    """
    The server says so to the application, which stops; the next client gets all of it.
    """
    opened, ended = asyncio.Event(), []

    async def page(request):
        async def pieces():
            yield b"one "
            await opened.wait()
            yield b"two"
            ended.append(True)

        return StreamingResponse(pieces(), media_type="text/plain")

    app = Starlette(routes=[Route("/page", page)])
    async with served(CacheMiddleware(app, cache=cache, rules=[PAGE])) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /page HTTP/1.1\r\nHost: app\r\n\r\n")
        await reader.readuntil(b"one ")
        writer.close()
        await writer.wait_closed()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        opened.set()
        code, _, body = await Wire(reader, writer).ask()
        assert (code, body) == (200, b"one two")
        writer.close()
        await writer.wait_closed()
    assert ended
