"""The middleware as an ASGI application: what passes, when it passes, and how often the application runs: A1 to A7."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from evercache.http import CacheMiddleware, Rule
from evercache.testing.clock import settle
from tests.support.ears import until
from tests.support.http import Backend, Client, Reply, client_of, lifespan_of

PAGE = Rule("/page", ttl=300)


# -- A1: pure ASGI -----------------------------------------------------------------------------------------------------


@pytest.mark.row("S2.31", "S2.38")
@pytest.mark.parametrize("kind", ["websocket", "something.new"])
async def test_a1_what_is_not_http_reaches_the_application_as_it_is(front, kind):
    """
    A1: the same scope, the same receive, the same send: not even wrapped.
    """
    seen = []

    async def app(*given):
        seen.append(given)

    async def receive():
        return {"type": f"{kind}.connect"}

    async def send(message):
        pass

    scope = {"type": kind, "path": "/page", "headers": []}
    await front(app, PAGE).app(scope, receive, send)
    assert all(one is other for one, other in zip(seen[0], (scope, receive, send), strict=True))


async def test_a1_the_applications_life_is_its_own(cache):
    """
    A1: start-up and shutdown reach it, and its state reaches the server.
    """
    seen = []

    async def app(scope, receive, send):
        seen.append((await receive())["type"])
        scope["state"]["pool"] = 1
        await send({"type": "lifespan.startup.complete"})
        seen.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})

    async with lifespan_of(CacheMiddleware(app, cache=cache, rules=[PAGE])) as scope:
        assert scope["state"] == {"pool": 1}
    assert seen == ["lifespan.startup", "lifespan.shutdown"]


@pytest.mark.row("S2.38")
async def test_a1_messages_that_nobody_knows_pass_in_their_place(front):
    """
    A1: early hints, trailers, push and whatever comes next: untouched, in order, and never stored.
    """
    extra = [
        {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]},
        {"type": "http.response.start", "status": 200, "headers": [(b"x", b"1")], "trailers": True},
        {"type": "http.response.push", "path": "/a.css", "headers": []},
        {"type": "http.response.body", "body": b"page", "more_body": False},
        {"type": "http.response.trailers", "headers": [(b"checksum", b"1")], "more_trailers": False},
        {"type": "http.response.debug", "info": {}},
    ]

    async def app(scope, receive, send):
        for message in extra:
            await send(dict(message))

    client = front(app, PAGE)
    exchange = client.start("GET", "/page")
    await exchange.task
    unknown = [message for message in exchange.messages if message["type"] not in STANDARD]
    assert unknown == [message for message in extra if message["type"] not in STANDARD]
    assert [message["type"] for message in exchange.messages] == [message["type"] for message in extra]
    again = client.start("GET", "/page")
    await again.task
    assert again.body == b"page"


STANDARD = ("http.response.start", "http.response.body")


@pytest.mark.row("S2.38")
@pytest.mark.parametrize("extension", ["http.response.pathsend", "http.response.zerocopysend"])
async def test_a1_files_that_the_server_sends_are_not_lost(front, extension):
    """
    A1: a covered application isn't offered the extension, or its message passes unstored; an uncovered one is.
    """

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if extension in scope["extensions"]:
            await send({"type": extension, "path": "/file"})
        else:
            await send({"type": "http.response.body", "body": b"file"})

    client = front(app, PAGE)
    for target in ("/page", "/page", "/other"):
        exchange = client.start("GET", target, scope={"extensions": {extension: {}}})
        await exchange.task
        sent = [message for message in exchange.messages if message["type"] == extension]
        assert exchange.body == b"file" or sent == [{"type": extension, "path": "/file"}]
        assert target == "/page" or sent


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [("GET", "/page", {}), ("GET", "/page?x", {"authorization": "a"}), ("POST", "/page", {}), ("POST", "/other", {})],
)
async def test_a1_fields_may_be_any_iterable(front, method, target, headers):
    """
    A1: who looks at them on their way doesn't use them up.
    """
    fields = [(b"x", b"1"), (b"location", b"/page"), (b"x", b"2")]

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": (pair for pair in fields)})
        await send({"type": "http.response.body", "body": b"page"})

    client = front(app, PAGE)
    for _ in range(2):
        exchange = client.start(method, target, **headers)
        await exchange.task
        assert list(exchange.messages[0]["headers"])[:3] == fields


# -- A2: a tee, not a bucket -------------------------------------------------------------------------------------------


@pytest.mark.row("S2.38")
async def test_a2_the_first_byte_leaves_while_the_application_is_still_at_work(front):
    """
    A2: the client has the first piece before the second one exists; what was teed is whole.
    """
    opened = asyncio.Event()

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"one ", "more_body": True})
        await opened.wait()
        await send({"type": "http.response.body", "body": b"two", "more_body": False})

    client = front(app, PAGE)
    exchange = client.start("GET", "/page")
    await until(lambda: exchange.body == b"one ")
    assert (exchange.status, exchange.complete) == (200, False)
    opened.set()
    assert (await exchange).body == b"one two"
    hit = await client.get("/page")
    assert (hit.hit, hit.body, hit.field("content-type")) == (True, b"one two", "text/html")


@pytest.mark.row("S2.38")
@pytest.mark.parametrize("kind", ["text/event-stream", "text/event-stream; charset=utf-8", "application/x-ndjson"])
async def test_a2_a_stream_of_events_passes_event_by_event_and_is_not_stored(front, kind):
    """
    A2: nor does a second listener wait for the end of the first one's stream.
    """
    stops = [asyncio.Event(), asyncio.Event(), asyncio.Event()]
    runs = []

    async def app(scope, receive, send):
        runs.append(scope["path"])
        number = len(runs)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind.encode())]})
        await send({"type": "http.response.body", "body": b"event %d" % number, "more_body": True})
        await stops[number - 1].wait()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    client = front(app, PAGE)
    listeners = [client.start("GET", "/page") for _ in range(3)]
    await until(lambda: all(listener.body for listener in listeners))
    assert sorted(listener.body for listener in listeners) == [b"event 1", b"event 2", b"event 3"]
    assert not any(listener.complete for listener in listeners)
    for stop in stops:
        stop.set()
    assert not any([(await listener).stored for listener in listeners])
    assert set(client.app.statistics()["/page"]["refused"]) == {"streaming"}


@pytest.mark.row("S2.38")
async def test_a2_the_end_of_a_stream_reaches_the_application(front):
    """
    A2: a listener that leaves is a disconnect for the application that streams to it.
    """
    heard = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"event", "more_body": True})
        while (message := await receive())["type"] != "http.disconnect":
            pass
        heard.append(message["type"])

    exchange = front(app, PAGE).start("GET", "/page")
    await until(lambda: exchange.body)
    exchange.leave()
    await exchange.task
    assert heard == ["http.disconnect"]


@pytest.mark.row("S2.38", "S2.92")
async def test_a2_a_body_that_grows_too_long_goes_on_passing(front):
    """
    A2: no length was announced: what was kept so far is let go, and the client gets every piece.
    """
    backend = Backend(Reply([b"x" * 1_000] * 50))
    client = front(backend, Rule("/page", ttl=300, max_body=10_000))
    answers = [await client.get("/page") for _ in range(2)]
    assert [(answer.body, answer.stored, answer.hit) for answer in answers] == [(b"x" * 50_000, False, False)] * 2
    assert len(answers[0].messages) == len(answers[1].messages) == 51


# -- A3: stored before the client knows --------------------------------------------------------------------------------


@pytest.mark.row("S2.32", "W11")
@pytest.mark.parametrize("chunks", [[b"page"], [b"pa", b"ge"], [b"page", b""]], ids=["one", "two", "empty end"])
async def test_a3_the_next_request_is_a_hit_even_if_it_is_faster_than_the_last_byte(front, chunks):
    """
    A3: at the moment at which the last message is handed to the server, the entry answers already.
    """
    backend = Backend(Reply(chunks))
    client = front(backend, PAGE)
    seen = []

    async def send(message):
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            seen.append(await Client(client.app).get("/page"))

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    exchange = client.start("GET", "/other")
    await exchange
    scope = dict(backend.last.scope, path="/page", raw_path=b"/page")
    runs = backend.runs
    await client.app(scope, receive, send)
    assert [(answer.hit, answer.body) for answer in seen] == [(True, b"page")]
    assert backend.runs == runs + 1


async def test_a3_background_tasks_run_once_for_each_run_and_delay_nobody(cache):
    """
    A3: the answer is complete and cached while the task is still at work; a hit has no task.
    """
    opened, ran = asyncio.Event(), []

    async def task():
        ran.append("began")
        await opened.wait()
        ran.append("ended")

    async def page(request):
        return PlainTextResponse("page", background=BackgroundTask(task))

    client = client_of(cache, Starlette(routes=[Route("/page", page)]), PAGE)
    exchange = client.start("GET", "/page")
    await until(lambda: exchange.complete and ran)
    assert (await client.get("/page")).hit
    opened.set()
    await exchange
    await until(lambda: len(ran) > 1)
    assert ran == ["began", "ended"]


# -- A4: one run for many ----------------------------------------------------------------------------------------------


@pytest.mark.row("S2.32", "W22")
async def test_a4_a_hundred_clients_at_once_are_one_run(front):
    """
    A4: by default; each gets the whole response, and Cache-Status says who waited.
    """
    backend = Backend(Reply([b"pa", b"ge"]))
    client = front(backend, PAGE)
    opened = backend.shut()
    waiting = [client.start("GET", "/page") for _ in range(100)]
    await until(lambda: backend.running)
    await settle()
    assert backend.runs == 1
    opened.set()
    answers = [await exchange for exchange in waiting]
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"page")}
    assert backend.runs == 1
    counts = client.app.statistics()["/page"]
    assert (counts["miss"], counts["collapsed"]) == (1, 99)
    assert sum("collapsed" in answer.cache for answer in answers) == 99


async def test_a4_collapsing_can_be_switched_off(front):
    """
    A4: `collapse=None` lets every miss run.
    """
    backend = Backend()
    client = front(backend, Rule("/page", ttl=300, collapse=None))
    opened = backend.shut()
    waiting = [client.start("GET", "/page") for _ in range(10)]
    await until(lambda: backend.running == 10)
    opened.set()
    assert {(await exchange).status for exchange in waiting} == {200}


@pytest.mark.row("FT12")
async def test_a4_who_has_waited_long_enough_asks_the_application_himself(front, manual_clock):
    """
    A4: a leader that hangs holds nobody up for longer than `collapse`.
    """
    backend = Backend()
    client = front(backend, Rule("/page", ttl=300, collapse="3s"))
    opened = backend.shut()
    waiting = [client.start("GET", "/page") for _ in range(5)]
    await until(lambda: backend.running)
    await manual_clock.tick(2.9)
    assert backend.runs == 1
    await manual_clock.tick(0.2)
    await until(lambda: backend.running == 5)
    opened.set()
    assert {(await exchange).status for exchange in waiting} == {200}


@pytest.mark.row("FT14")
@pytest.mark.parametrize("failure", [ValueError("broken"), Reply(b"error", status=500)], ids=["exception", "500"])
async def test_a4_a_leader_that_fails_lets_its_followers_go(front, failure):
    """
    A4: nobody gets the failure of another one's run, and nobody hangs.
    """
    backend = Backend(lambda asked: failure if asked.number == 1 else Reply(b"page"))
    client = front(backend, PAGE)
    opened = backend.shut()
    waiting = [client.start("GET", "/page") for _ in range(10)]
    await until(lambda: backend.running)
    await settle()
    opened.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    fine = [result for result in results if not isinstance(result, BaseException) and result.status == 200]
    assert len(fine) == 9
    assert {answer.body for answer in fine} == {b"page"}


@pytest.mark.row("FT14")
@pytest.mark.parametrize("how", ["leave", "cancel"])
async def test_a4_a_leader_whose_client_leaves_lets_nobody_down(front, how):
    """
    A4: whether the server only says so or gives the request up, the others get their answer.
    """
    backend = Backend(Reply(b"page"))
    client = front(backend, PAGE)
    opened = backend.shut()
    waiting = [client.start("GET", "/page") for _ in range(10)]
    await until(lambda: backend.running)
    await settle()
    getattr(waiting[0], how)()
    await settle()
    opened.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [result.body for result in results[1:] if not isinstance(result, BaseException)] == [b"page"] * 9
    assert (await client.get("/page")).hit


PERSONAL = {
    "private": {"cache_control": "private"},
    "no-store": {"cache_control": "no-store"},
    "a cookie": {"set_cookie": "session=1"},
    "varies on everything": {"vary": "*"},
}


@pytest.mark.row("S2.37", "W9")
@pytest.mark.parametrize("what", PERSONAL)
async def test_a4_what_may_not_be_stored_is_not_shared_with_those_who_waited(front, what):
    """
    A4: each of them gets a run of his own, and they don't queue for it.
    """
    backend = Backend(**PERSONAL[what])
    client = front(backend, PAGE)
    first, rest = backend.shut(), asyncio.Event()
    waiting = [client.start("GET", "/page") for _ in range(10)]
    await until(lambda: backend.running)
    await settle()
    backend.gate = rest
    first.set()
    await until(lambda: backend.running == 9)
    rest.set()
    assert len({(await exchange).body for exchange in waiting}) == 10


async def test_a4_a_variant_is_not_shared_with_who_asked_for_another(front):
    """
    A4: the leader's response turns out to depend on a field in which a follower differs.
    """
    backend = Backend(lambda asked: Reply((asked.field("accept") or "-").encode(), vary="Accept"))
    client = front(backend, PAGE)
    opened = backend.shut()
    waiting = {kind: [client.start("GET", "/page", accept=kind) for _ in range(5)] for kind in ("a", "b", "c")}
    await until(lambda: backend.running)
    await settle()
    opened.set()
    for kind, exchanges in waiting.items():
        assert {(await exchange).body for exchange in exchanges} == {kind.encode()}


@pytest.mark.row("S2.37")
async def test_a4_requests_with_credentials_wait_for_nobody(front):
    """
    A4: they bypass, all at once.
    """
    backend = Backend()
    client = front(backend, PAGE)
    opened = backend.shut()
    waiting = [client.start("GET", "/page", authorization="Bearer a") for _ in range(10)]
    await until(lambda: backend.running == 10)
    opened.set()
    assert len({(await exchange).body for exchange in waiting}) == 10


async def test_a4_a_follower_that_wants_a_304_or_a_head_gets_it(front):
    """
    A4: what is shared is the response; each is answered as it asked.
    """
    backend = Backend(Reply(b"page", etag='"a"'))
    client = front(backend, PAGE)
    opened = backend.shut()
    leader = client.start("GET", "/page")
    await until(lambda: backend.running)
    followers = [client.start("GET", "/page", if_none_match='"a"'), client.start("GET", "/page")]
    await settle()
    opened.set()
    assert (await leader).body == b"page"
    answers = [await follower for follower in followers]
    assert [(answer.status, answer.body) for answer in answers] == [(304, b""), (200, b"page")]


@pytest.mark.row("S2.32", "W22")
async def test_a4_the_fleet_runs_once(workers):
    """
    A4: a hundred clients of two workers are one run.
    """
    backend = Backend(Reply(b"page"))
    clients = [client_of(cache, backend, PAGE) for cache in workers]
    opened = backend.shut()
    waiting = [client.start("GET", "/page") for client in clients for _ in range(50)]
    await until(lambda: backend.running)
    await settle()
    opened.set()
    assert {(await exchange).body for exchange in waiting} == {b"page"}
    assert backend.runs == 1


@pytest.mark.row("FT12")
async def test_a4_a_worker_that_hangs_holds_no_other_worker_up(two_caches, manual_clock):
    """
    A4: nobody waits for another process longer than for another request of his own.
    """
    backend = Backend()
    one, two = (client_of(cache, backend, Rule("/page", ttl=300, collapse="3s")) for cache in two_caches)
    opened = backend.shut()
    waiting = [one.start("GET", "/page")]
    await until(lambda: backend.running)
    waiting += [two.start("GET", "/page") for _ in range(3)]
    await manual_clock.tick(2.9)
    assert backend.runs == 1
    await manual_clock.tick(0.2)
    await until(lambda: backend.running == 4)
    opened.set()
    assert {(await exchange).status for exchange in waiting} == {200}


# -- A6: its place among others ----------------------------------------------------------------------------------------


def stack(cache, *around, **given):
    """A Starlette application behind the cache, with the middlewares *around*, the outermost last."""

    async def page(request):
        return PlainTextResponse("page " * 200)

    app = Starlette(routes=[Route("/page", page)])
    covered = CacheMiddleware(app, cache=cache, rules=[PAGE], **given)
    for wrap in around:
        covered = wrap(covered)
    return covered


@pytest.mark.row("S2.75")
async def test_a6_inside_cors_every_origin_gets_its_own_word(cache):
    """
    A6: the first client had no Origin; the browser that comes next gets its CORS fields on the hit.
    """
    client = Client(stack(cache, lambda app: CORSMiddleware(app, allow_origins=["https://a", "https://b"])))
    assert not (await client.get("/page")).hit
    for origin in ("https://a", "https://b"):
        answer = await client.get("/page", origin=origin)
        assert (answer.hit, answer.field("access-control-allow-origin")) == (True, origin)
    assert (await client.get("/page", origin="https://evil")).field("access-control-allow-origin") is None


@pytest.mark.row("S2.75", "S2.38")
@pytest.mark.parametrize("outside", [True, False], ids=["cache outside", "cache inside"])
async def test_a6_outside_and_inside_of_compression_everybody_can_read_what_he_gets(cache, outside):
    """
    A6: outside, there is a variant for each coding.
    """

    async def page(request):
        return PlainTextResponse("page " * 500)

    app = Starlette(routes=[Route("/page", page)])
    if outside:
        covered = CacheMiddleware(GZipMiddleware(app), cache=cache, rules=[PAGE])
    else:
        covered = GZipMiddleware(CacheMiddleware(app, cache=cache, rules=[PAGE]))
    transport = httpx.ASGITransport(covered)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        for coding in ("gzip", "identity", "gzip, br", "identity", "br"):
            answer = await client.get("/page", headers={"accept-encoding": coding})
            assert answer.text == "page " * 500
            assert answer.headers.get("content-encoding") == ("gzip" if "gzip" in coding else None)
            assert int(answer.headers["content-length"]) == answer.num_bytes_downloaded


# -- A7: FastAPI -------------------------------------------------------------------------------------------------------


class Task(BaseModel):
    """A model with a default and an alias that only its serialisation knows."""

    id: int
    title: str = "untitled"


def tasks() -> FastAPI:
    """An application with each kind of response."""
    app = FastAPI()

    @app.get("/tasks/{id}", response_model=Task)
    async def task(id: int, response: Response):
        response.headers.append("link", "</a>")
        response.headers.append("link", "</b>")
        return {"id": id, "secret": "not in the model"}

    @app.get("/html", response_class=HTMLResponse)
    async def html():
        return "<p>ü</p>"

    @app.get("/image")
    async def image():
        return Response(bytes(range(256)), media_type="image/png")

    @app.get("/stream")
    async def stream():
        return StreamingResponse(iter([b"a", b"b"]), media_type="text/csv")

    @app.get("/empty", status_code=204)
    async def empty():
        return None

    return app


@pytest.mark.row("S2.4", "S2.38", "W13")
@pytest.mark.parametrize("target", ["/tasks/1", "/html", "/image", "/stream", "/empty"])
async def test_a7_a_hit_is_the_response_to_the_byte(cache, target):
    """
    A7: status, fields, repeats, order and body, of any content type; only what the cache says itself is added.
    """
    bare, covered = tasks(), tasks()
    rules = [Rule(path, ttl=60) for path in ("/tasks/{id}", "/html", "/image", "/stream", "/empty")]
    covered.add_middleware(CacheMiddleware, cache=cache, rules=rules)
    plain = await Client(bare).get(target)
    client = Client(covered)
    answers = [await client.get(target) for _ in range(3)]
    assert [answer.hit for answer in answers] == [False, True, True]
    for answer in answers:
        left = [pair for pair in answer.headers if pair[0] not in (b"age", b"cache-status", b"etag")]
        assert (answer.status, left, answer.body) == (plain.status, plain.headers, plain.body)
    assert covered.openapi() == bare.openapi()


@pytest.mark.row("S2.4", "S2.34")
async def test_a7_it_works_through_a_real_client(cache):
    """
    A7: httpx, FastAPI, a template with a parameter: hit, 304, another parameter.
    """
    app = tasks()
    app.add_middleware(CacheMiddleware, cache=cache, rules=[Rule("/tasks/{id}", ttl="5m", tags=["task:{id}"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        first, second = await client.get("/tasks/1"), await client.get("/tasks/1")
        assert first.json() == second.json() == {"id": 1, "title": "untitled"}
        assert second.headers["cache-status"].startswith("evercache;hit")
        assert second.headers["age"] == "0"
        again = await client.get("/tasks/1", headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert (await client.get("/tasks/2")).json()["id"] == 2
        assert (await client.get("/tasks/x")).status_code == 422
        await cache.invalidate_tags("task:1")
        assert "hit" not in (await client.get("/tasks/1")).headers["cache-status"]
