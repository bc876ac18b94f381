"""The short way of a hit answers as the long way does, at every moment, or leaves the request to it."""

from __future__ import annotations

import pytest

from evercache import FOREVER, Cache
from evercache.http import CacheMiddleware, Rule
from evercache.testing.clock import ManualClock

BODY = b"x" * 100
HOST = (b"host", b"api.example")
LONG_WAY = (b"range", b"pages=1")  # a unit that nobody knows changes nothing, but nobody knows that beforehand


async def application(_, __, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"last-modified", b"yesterday")]})
    await send({"type": "http.response.body", "body": BODY})


async def ask(app, *fields):
    """Status, fields and body of one GET."""
    messages = []

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        messages.append(message)

    scope = {"type": "http", "method": "GET", "scheme": "http", "path": "/a", "raw_path": b"/a", "query_string": b""}
    await app({**scope, "headers": [HOST, *fields]}, receive, send)
    start, *rest = messages
    return start["status"], start["headers"], b"".join(message["body"] for message in rest)


@pytest.fixture
async def app(manual_clock: ManualClock):
    async with Cache(clock=manual_clock, environ={}) as cache:
        app = CacheMiddleware(application, cache=cache, rules=[Rule("/a", ttl=30.25)])
        await ask(app)
        yield app


@pytest.mark.row("S2.34")
async def test_age_and_ttl_change_at_the_same_moments(app, manual_clock):
    """What is made once for a second is never said in the next one."""
    said = set()
    for _ in range(40):
        short, long = await ask(app), await ask(app, LONG_WAY)
        assert short == long
        said.add(tuple(value for name, value in short[1] if name in (b"age", b"cache-status")))
        manual_clock.advance(0.1)
    assert len(said) == 8  # ages 0 to 3, and a quarter of a second after each of them another ttl


@pytest.mark.row("S2.34", "S2.92")
async def test_who_has_the_response_already_is_told_so(app):
    """A 304 of either way has the same fields, no body, and is counted with the bytes it spared."""
    tag = dict((await ask(app))[1])[b"etag"]
    short = await ask(app, (b"if-none-match", tag), (b"if-modified-since", b"yesterday"))
    long = await ask(app, (b"if-none-match", b'"other", ' + tag))
    assert short == long
    assert short[0] == 304
    assert not short[2]
    counted = app.statistics()["/a"]
    assert (counted["not_modified"], counted["bytes_saved"]) == (2, 2 * len(BODY))


@pytest.mark.row("S2.34")
async def test_who_has_another_response_gets_this_one(app):
    """A tag that isn't this response's sends all of it, once counted."""
    assert (await ask(app, (b"if-none-match", b'"other"')))[0::2] == (200, BODY)
    assert app.statistics()["/a"]["hit"] == 1


async def test_fields_of_an_answer_are_the_callers_own(app):
    """What a middleware outside adds to one answer isn't in the next one."""
    _, fields, _ = await ask(app)
    fields.append((b"x-outside", b"1"))
    assert (b"x-outside", b"1") not in (await ask(app))[1]


async def test_what_holds_for_ever_holds_for_a_century(manual_clock):
    """A ttl without an end is still a number, and a name that is no token is quoted, on both ways."""
    async with Cache(clock=manual_clock, environ={}) as cache:
        app = CacheMiddleware(application, cache=cache, rules=[Rule("/a", ttl=FOREVER)], name="my cache")
        await ask(app)
        short, long = await ask(app), await ask(app, LONG_WAY)
    assert short == long
    assert dict(short[1])[b"cache-status"] == b'"my cache";hit;ttl=3155760000'
