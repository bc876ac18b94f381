"""Asking again, answering meanwhile, answering instead: H8 to H10."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from evercache import Cache
from evercache.http import Rule
from evercache.testing.clock import settle
from tests.support.ears import until
from tests.support.http import Backend, Reply, client_of
from tests.support.source import alone

OPEN = Rule("/page", tags=["pages"])
MODIFIED = "Mon, 13 Nov 2023 22:13:20 GMT"


def validating(first, *, status=304, body=b"", **update):
    """An application that answers *first*, and from then on *status* to whoever asks with a condition."""

    def answer(asked):
        conditional = asked.field("if-none-match") or asked.field("if-modified-since")
        return Reply(body, status=status, **update) if conditional else first

    return Backend(answer)


# -- H8: revalidation --------------------------------------------------------------------------------------------------


@pytest.mark.row("S2.34", "S2.92")
@pytest.mark.parametrize(
    ("validator", "asked_with"),
    [({"etag": '"a"'}, ('"a"', None)), ({"last_modified": MODIFIED}, (None, MODIFIED)),
     ({"etag": 'W/"a"', "last_modified": MODIFIED}, ('W/"a"', MODIFIED))],
)  # fmt: skip
async def test_h8_a_stale_entry_with_a_validator_is_asked_about(front, manual_clock, validator, asked_with):
    """
    H8: the application says 304, the client gets the stored body with 200, and the entry lives on.
    """
    backend = validating(Reply(b"page", cache_control="max-age=10", **validator), cache_control="max-age=50")
    client = front(backend, OPEN)
    await client.get("/page")
    manual_clock.advance(20)
    answer = await client.get("/page")
    assert (backend.last.field("if-none-match"), backend.last.field("if-modified-since")) == asked_with
    assert (answer.status, answer.body, answer.field("cache-control")) == (200, b"page", "max-age=50")
    assert (answer.cache["fwd"], answer.cache["fwd-status"]) == ("stale", "304")
    manual_clock.advance(40)
    assert (await client.get("/page")).hit
    assert backend.runs == 2
    assert client.app.statistics()["/page"]["revalidated"] == 1


async def test_h8_a_304_updates_the_fields_and_leaves_what_describes_the_body(front, manual_clock):
    """
    H8: new fields replace old ones of their name; Content-Type, -Encoding, -Length and -Range stay.
    """
    first = Reply(b"page", headers=[("x-old", "1"), ("x-old", "2"), ("x-kept", "k")], cache_control="max-age=10",
                  etag='"a"', content_type="text/plain", content_length="4")  # fmt: skip
    backend = validating(first, etag='"a"', cache_control="max-age=50", x_old="3", x_new="4", content_type="x/y",
                         content_length="0", content_encoding="br")  # fmt: skip
    client = front(backend, OPEN)
    await client.get("/page")
    manual_clock.advance(20)
    for answer in (await client.get("/page"), await client.get("/page")):
        assert (answer.status, answer.body) == (200, b"page")
        for name, values in {"x-old": ["3"], "x-new": ["4"], "x-kept": ["k"], "content-type": ["text/plain"],
                             "content-length": ["4"], "content-encoding": [], "etag": ['"a"']}.items():  # fmt: skip
            assert answer.fields(name) == values, name
    assert backend.runs == 2


async def test_h8_a_304_with_another_tag_is_about_the_only_response_that_was_asked_about(front, manual_clock):
    """
    H8: it is accepted, and the new tag is the one that is asked with from then on.
    """
    backend = validating(Reply(b"page", cache_control="max-age=10", etag='"a"'), etag='"b"', cache_control="max-age=10")
    client = front(backend, OPEN)
    await client.get("/page")
    manual_clock.advance(20)
    answer = await client.get("/page")
    assert (answer.status, answer.body, answer.field("etag")) == (200, b"page", '"b"')
    manual_clock.advance(20)
    await client.get("/page")
    assert backend.last.field("if-none-match") == '"b"'


async def test_h8_a_changed_response_replaces_the_old_one(front, manual_clock):
    """
    H8: 200 to a conditional request is the new response.
    """
    backend = validating(
        Reply(b"old", cache_control="max-age=10", etag='"a"'),
        status=200,
        body=b"new",
        cache_control="max-age=10",
        etag='"b"',
    )
    client = front(backend, OPEN)
    await client.get("/page")
    manual_clock.advance(20)
    answers = [await client.get("/page"), await client.get("/page")]
    assert [(answer.body, answer.field("etag"), answer.hit) for answer in answers] == [
        (b"new", '"b"', False),
        (b"new", '"b"', True),
    ]


async def test_h8_without_a_validator_of_its_own_the_application_is_asked_for_all_of_it(front, manual_clock):
    """
    H8: the tag that was made for a response means nothing to the application.
    """
    backend = Backend(cache_control="max-age=10")
    client = front(backend, OPEN)
    await client.get("/page")
    manual_clock.advance(20)
    assert (await client.get("/page")).body == b"run 2"
    assert backend.last.field("if-none-match") is None


@pytest.mark.parametrize(("tag", "status"), [('"a"', 304), ('"x"', 200)])
async def test_h8_the_clients_condition_is_about_the_clients_copy(front, manual_clock, tag, status):
    """
    H8: the application is asked about the stored response; the client is answered about its own.
    """
    backend = validating(Reply(b"page", cache_control="max-age=10", etag='"a"'))
    client = front(backend, OPEN)
    await client.get("/page")
    manual_clock.advance(20)
    answer = await client.get("/page", if_none_match=tag)
    assert backend.last.field("if-none-match") == '"a"'
    assert (answer.status, answer.body) == (status, b"page" if status == 200 else b"")


async def test_h8_no_cache_is_asked_about_each_time(front):
    """
    H8: stored, and never used unasked.
    """
    backend = validating(Reply(b"page", cache_control="no-cache", etag='"a"'), cache_control="no-cache")
    client = front(backend, OPEN)
    for run in (1, 2, 3):
        answer = await client.get("/page")
        assert (answer.status, answer.body, backend.runs) == (200, b"page", run)
    assert backend.last.field("if-none-match") == '"a"'


async def test_h8_the_scope_of_the_server_is_left_as_it_is(front, manual_clock):
    """
    H8: conditions are added to a copy; what the application writes into its scope isn't in that of its next run.
    """
    headers = [(b"host", b"app"), (b"if-none-match", b'"client"')]
    seen = []

    def answer(asked):
        seen.append("mark" in asked.scope)
        asked.scope["mark"] = True
        return Reply(b"page", cache_control="max-age=10", etag='"a"')

    client = front(Backend(answer), OPEN)
    for _ in range(3):
        scope = {"headers": list(headers)}
        await client.ask("GET", "/page", scope=scope)
        assert scope["headers"] == headers
        manual_clock.advance(20)
    assert seen == [False] * 3


async def test_h8_the_application_can_read_the_body_on_every_run(front, manual_clock):
    """
    H8: for a validation, and for a refresh behind the answer, what the client sent is there again, closed at its end.
    """
    backend = validating(
        Reply(b"found", cache_control="max-age=10, stale-while-revalidate=60", etag='"a"'), cache_control="max-age=10"
    )
    client = front(backend, Rule("/search", methods=("GET", "QUERY")))
    await client.ask("QUERY", "/search", [b"the ", b"question"])
    manual_clock.advance(20)
    assert (await client.ask("QUERY", "/search", b"the question")).body == b"found"
    await until(lambda: backend.runs == 2)
    await settle()
    manual_clock.advance(200)
    assert (await client.ask("QUERY", "/search", b"the question")).body == b"found"
    assert [asked.body for asked in backend.asked] == [b"the question"] * 3


@pytest.mark.row("W12")
async def test_h8_an_entry_that_was_dropped_during_its_validation_is_not_brought_back(front, cache, manual_clock):
    """
    H8: the client is answered with a whole response, and nothing old is stored: 304 was about what is gone now.
    """
    backend = validating(Reply(b"old", cache_control="max-age=10", etag='"a"'), cache_control="max-age=10")
    client = front(backend, OPEN)
    await client.get("/page")
    manual_clock.advance(20)
    opened = backend.shut()
    asking = client.start("GET", "/page")
    await until(lambda: backend.running)
    await cache.invalidate_tags("pages")
    opened.set()
    backend.gate = None
    answer = await asking
    assert (answer.status, answer.body) == (200, b"old")
    before = backend.runs
    await client.get("/page")
    assert backend.runs == before + 1
    assert backend.last.field("if-none-match") is None


async def test_h8_a_304_that_nobody_can_use_is_followed_by_one_whole_request(front):
    """
    H8: an application that says 304 without having been asked a condition, because it looks at something else, is
    asked no more than once again, and its answer is handed on.
    """
    backend = Backend(lambda asked: Reply(status=304, body=b"") if asked.number == 1 else Reply(b"page"))
    client = front(backend, Rule("/page", ttl=300))
    answer = await client.get("/page")
    assert answer.status in (200, 304)
    assert backend.runs <= 2
    assert (await client.get("/page")).body == b"page"


# -- H9: stale while revalidate ----------------------------------------------------------------------------------------

SWR = Reply(cache_control="max-age=10, stale-while-revalidate=20")


@pytest.mark.row("S2.36")
@pytest.mark.parametrize(
    ("reply", "rule"),
    [(SWR, OPEN), (Reply(), Rule("/page", ttl=10, stale_while_revalidate="20s"))],
    ids=["response", "rule"],
)
async def test_h9_a_stale_answer_is_given_at_once_and_refreshed_behind(front, manual_clock, reply, rule):
    """
    H9: while the application is still at work, every client has an answer; one run for all of them.
    """
    backend = Backend(reply)
    client = front(backend, rule)
    await client.get("/page")
    manual_clock.advance(15)
    opened = backend.shut()
    for _ in range(20):
        answer = await client.get("/page")
        assert (answer.hit, answer.body, answer.age) == (True, b"run 1", 15)
        assert int(answer.cache["ttl"]) == -5
    await until(lambda: backend.running == 1)
    assert backend.runs == 2
    opened.set()
    await until(lambda: not backend.running)
    await settle()
    answer = await client.get("/page")
    assert (answer.hit, answer.body, answer.age) == (True, b"run 2", 0)
    assert client.app.statistics()[rule.path]["stale"] == 20


async def test_h9_the_window_ends(front, manual_clock):
    """
    H9: after it the client waits for the new response.
    """
    backend = Backend(SWR)
    client = front(backend, OPEN)
    await client.get("/page")
    manual_clock.advance(30)
    answer = await client.get("/page")
    assert (answer.hit, answer.body, answer.cache["fwd"]) == (False, b"run 2", "stale")


async def test_h9_the_refresh_outlives_the_client_that_caused_it(front, manual_clock):
    """
    H9: the server gives up the request of a client that has left; the refresh is the cache's own.
    """
    backend = Backend(SWR)
    client = front(backend, OPEN)
    await client.get("/page")
    manual_clock.advance(15)
    opened = backend.shut()
    exchange = client.start("GET", "/page")
    await until(lambda: exchange.complete)
    exchange.cancel()
    await asyncio.wait([exchange.task])
    await until(lambda: backend.running == 1)
    opened.set()
    await until(lambda: not backend.running)
    await settle()
    assert (await client.get("/page")).body == b"run 2"


async def test_h9_the_shutdown_waits_for_a_refresh(manual_clock):
    """
    H9: a refresh that has begun is finished, and no task is left.
    """
    backend = Backend(SWR)
    cache: Cache = alone(manual_clock)
    async with cache:
        client = client_of(cache, backend, OPEN)
        await client.get("/page")
        manual_clock.advance(15)
        opened = backend.shut()
        await client.get("/page")
        await until(lambda: backend.running == 1)
        stopping = asyncio.ensure_future(cache.stop())
        await settle()
        assert not stopping.done()
        opened.set()
        await stopping
    assert (backend.runs, backend.running) == (2, 0)


async def test_h9_a_refresh_that_fails_leaves_the_stale_answer(front, manual_clock):
    """
    H9: an exception or a 5xx behind the answer is nobody's; within the window the stale response stays.
    """
    backend = Backend(SWR)
    client = front(backend, OPEN)
    await client.get("/page")
    manual_clock.advance(15)
    for failure in (Reply(status=503), ValueError("broken")):
        backend.answer = failure
        runs = backend.runs
        assert (await client.get("/page")).body == b"run 1"
        await until(lambda runs=runs: backend.runs > runs and not backend.running)
        await settle()
        manual_clock.advance(1)
    backend.answer = SWR
    assert (await client.get("/page")).body == b"run 1"


@pytest.mark.parametrize("forbidden", ["must-revalidate", "proxy-revalidate", "s-maxage=10", "no-cache"])
async def test_h9_what_may_not_be_stale_is_not_given_while_it_is_refreshed(front, manual_clock, forbidden):
    """
    H9: the response's own prohibition counts before every window.
    """
    backend = Backend(cache_control=f"max-age=10, stale-while-revalidate=60, {forbidden}", etag='"a"')
    client = front(backend, Rule("/page", stale_while_revalidate=60))
    await client.get("/page")
    manual_clock.advance(15)
    answer = await client.get("/page")
    assert (answer.hit, answer.body) == (False, b"run 2")


@pytest.mark.row("S2.36")
async def test_h9_the_fleet_refreshes_once(workers, manual_clock):
    """
    H9: two workers, both with a stale answer, one run.
    """

    def answer(asked):
        said = {"cache_control": "max-age=60, stale-while-revalidate=3600"}
        return Reply(age="100", **said) if asked.number == 1 else Reply(**said)

    backend = Backend(answer)
    one, two = (client_of(cache, backend, OPEN) for cache in workers)
    await one.get("/page")
    await everywhere(two)
    manual_clock.advance(1)  # where it stands still, a response that came stale is stored for a first instant
    opened = backend.shut()
    for _ in range(5):
        for client in (one, two):
            found = await client.get("/page")
            assert (found.hit, found.body) == (True, b"run 1")
    await until(lambda: backend.running == 1)
    assert backend.runs == 2
    opened.set()
    for client in (one, two):
        await body_of(client, b"run 2")
    assert backend.runs == 2


async def everywhere(client):
    """Wait until *client*'s worker can answer."""
    while (await client.get("/page", cache_control="only-if-cached")).status != 200:
        await asyncio.sleep(0.002)


async def body_of(client, body):
    """Wait until *client* gets *body*."""
    while (await client.get("/page")).body != body:
        await asyncio.sleep(0.002)


# -- H10: stale if error -----------------------------------------------------------------------------------------------

FAILURES = {
    "exception": ValueError("broken"),
    "time-out": TimeoutError("too long"),
    "500": Reply(b"error", status=500),
    "502": Reply(b"error", status=502),
    "503": Reply(b"error", status=503),
    "504": Reply(b"error", status=504),
}


@pytest.mark.expects_logs
@pytest.mark.row("FT11")
@pytest.mark.parametrize("how", FAILURES)
@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        (Reply(cache_control="max-age=10, stale-if-error=20"), OPEN),
        (Reply(), Rule("/page", ttl=10, stale_if_error="20s")),
    ],
    ids=["response", "rule"],
)
async def test_h10_when_the_application_fails_the_last_answer_stands_in(front, manual_clock, how, reply, rule):
    """
    H10: within the window; marked as stale; the application is asked again each time that nothing fresh is there.
    """
    backend = Backend(reply)
    client = front(backend, rule)
    await client.get("/page")
    backend.answer = FAILURES[how]
    manual_clock.advance(15)
    answer = await client.get("/page")
    assert (answer.status, answer.body, answer.age) == (200, b"run 1", 15)
    assert int(answer.cache["ttl"]) == -5
    assert client.app.statistics()[rule.path]["stale"] == 1
    manual_clock.advance(20)
    await failed(client, how)


async def failed(client, how):
    """The failure as the application made it."""
    if isinstance(FAILURES[how], Reply):
        assert (await client.get("/page")).status == int(how)
    else:
        with pytest.raises((ValueError, TimeoutError)):
            await client.get("/page")


@pytest.mark.parametrize("how", FAILURES)
async def test_h10_without_a_window_a_failure_is_handed_on(front, manual_clock, how):
    """
    H10: as the application made it.
    """
    backend = Backend(cache_control="max-age=10")
    client = front(backend, OPEN)
    await client.get("/page")
    backend.answer = FAILURES[how]
    manual_clock.advance(15)
    await failed(client, how)


@pytest.mark.expects_logs
@pytest.mark.parametrize("how", ["exception", "503"])
@pytest.mark.parametrize("forbidden", ["must-revalidate", "proxy-revalidate", "s-maxage=10", "no-cache"])
async def test_h10_what_may_not_be_stale_is_not(front, manual_clock, how, forbidden):
    """
    H10: 504 where there is nothing to hand on; an answered error is handed on, or is 504 too.
    """
    backend = Backend(cache_control=f"max-age=10, stale-if-error=60, {forbidden}", etag='"a"')
    client = front(backend, Rule("/page", stale_if_error=60))
    await client.get("/page")
    backend.answer = FAILURES[how]
    manual_clock.advance(15)
    answer = await client.get("/page")
    assert answer.status == 504 if how == "exception" else answer.status in (503, 504)
    assert answer.body != b"run 1"


async def test_h10_a_404_is_an_answer_and_no_failure(front, manual_clock):
    """
    H10: only what says nothing about the resource is covered.
    """
    backend = Backend(cache_control="max-age=10, stale-if-error=60")
    client = front(backend, OPEN)
    await client.get("/page")
    backend.answer = Reply(b"gone", status=404)
    manual_clock.advance(15)
    assert (await client.get("/page")).status == 404


async def test_h10_a_failure_after_the_head_left_cannot_be_covered(front, manual_clock):
    """
    H10: the client has seen half of another response already: the connection breaks, as without the cache.
    """
    runs = []

    async def app(scope, receive, send):
        runs.append(scope["path"])
        headers = [(b"cache-control", b"max-age=10, stale-if-error=60")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        if len(runs) > 1:
            raise ValueError("broken")
        await send({"type": "http.response.body", "body": b"two"})

    client = front(app, OPEN)
    await client.get("/page")
    manual_clock.advance(15)
    exchange = client.start("GET", "/page")
    await asyncio.wait([exchange.task])
    assert exchange.body in (b"one", b"onetwo")
    assert exchange.complete is (exchange.body == b"onetwo")
    assert (exchange.task.exception() is None) is exchange.complete


async def test_h10_a_principals_stale_answer_is_only_his(front, manual_clock):
    """
    H10: nobody is covered with somebody else's response.
    """
    backend = Backend()
    rule = Rule("/me", ttl=10, stale_if_error=60, key_by=lambda request: request.scope["user"].name)
    client = front(backend, rule)
    ann, bob = ({"user": SimpleNamespace(is_authenticated=True, name=name)} for name in ("ann", "bob"))
    await client.ask("GET", "/me", scope=ann)
    backend.answer = Reply(b"error", status=503)
    manual_clock.advance(15)
    assert (await client.ask("GET", "/me", scope=ann)).body == b"run 1"
    assert (await client.ask("GET", "/me", scope=bob)).status == 503
