"""As a shared cache of RFC 9111, without any rule: the responses say what may be stored, the requests what may be used."""

from __future__ import annotations

import pytest

from tests.support.ears import until
from tests.support.http import Backend, Reply

STRICT = {"respect_origin": True, "honor_request_cache_control": True, "validations_per_second": 1_000}
AN_HOUR_AGO = "Tue, 14 Nov 2023 21:13:20 GMT"


@pytest.fixture
def strict(front):
    """A client of a backend behind a cache that goes by the fields alone."""

    def make(backend, **more):
        return front(backend, **(STRICT | more))

    return make


async def hits(client, target="/", **headers):
    """Whether the second of two identical requests is a hit."""
    await client.get(target, **headers)
    return (await client.get(target, **headers)).hit


STORED = {
    "max-age": (Reply(cache_control="max-age=60"), True),
    "s-maxage": (Reply(cache_control="s-maxage=60, max-age=0"), True),
    "CDN-Cache-Control": (Reply(cdn_cache_control="max-age=60"), True),
    "CDN-Cache-Control beside no-store": (Reply(cdn_cache_control="max-age=60", cache_control="no-store"), True),
    "Expires": (Reply(expires="Tue, 14 Nov 2023 22:14:20 GMT"), True),
    "public alone": (Reply(cache_control="public"), False),
    "nothing": (Reply(), False),
    "no-store": (Reply(cache_control="max-age=60, no-store"), False),
    "private": (Reply(cache_control="max-age=60, private"), False),
    "404 with freshness": (Reply(status=404, cache_control="max-age=60"), True),
    "302 with freshness": (Reply(status=302, cache_control="max-age=60", location="/x"), True),
    "302 without": (Reply(status=302, location="/x"), False),
    "599 with freshness": (Reply(status=599, cache_control="max-age=60"), True),
    "must-understand, known": (Reply(cache_control="must-understand, no-store, max-age=60"), True),
    "must-understand, unknown": (Reply(status=299, cache_control="must-understand, max-age=60"), False),
    "206": (Reply(status=206, cache_control="max-age=60"), False),
    "Last-Modified alone": (Reply(last_modified=AN_HOUR_AGO), False),
}


@pytest.mark.row("S2.36")
@pytest.mark.parametrize("what", STORED)
async def test_the_response_says_whether_it_may_be_stored(strict, what):
    """
    Explicit freshness is the permission; everything that forbids counts.
    """
    reply, expected = STORED[what]
    assert await hits(strict(Backend(reply))) is expected


async def test_a_guess_has_to_be_allowed(strict, manual_clock):
    """
    `heuristic=0.1`: a tenth of the time for which it hadn't changed.
    """
    client = strict(Backend(last_modified=AN_HOUR_AGO), heuristic=0.1)
    assert await hits(client)
    manual_clock.advance(359)
    assert (await client.get("/")).hit
    manual_clock.advance(1)
    assert not (await client.get("/")).hit


REQUESTS = {
    "no-cache": ("max-age=100", "no-cache", False),
    "max-age, younger": ("max-age=100", "max-age=60", True),
    "max-age, older": ("max-age=100", "max-age=40", False),
    "max-age=0": ("max-age=100", "max-age=0", False),
    "min-fresh, fresh enough": ("max-age=100", "min-fresh=40", True),
    "min-fresh, not fresh enough": ("max-age=100", "min-fresh=60", False),
    "max-stale, stale": ("max-age=40", "max-stale", True),
    "max-stale, not too stale": ("max-age=40", "max-stale=20", True),
    "max-stale, too stale": ("max-age=40", "max-stale=5", False),
    "max-stale against must-revalidate": ("max-age=40, must-revalidate", "max-stale", False),
    "only-if-cached": ("max-age=100", "only-if-cached", True),
    "immutable against a reload": ("max-age=100, immutable", "max-age=0", True),
    "nothing": ("max-age=100", "x-unknown=1", True),
}


@pytest.mark.parametrize("what", REQUESTS)
async def test_the_request_says_what_may_be_used(strict, manual_clock, what):
    """
    Fifty seconds after the response came.
    """
    said, wish, expected = REQUESTS[what]
    client = strict(Backend(cache_control=said))
    await client.get("/")
    manual_clock.advance(50)
    assert (await client.get("/", cache_control=wish)).hit is expected


async def test_pragma_is_no_cache_where_nothing_else_is_said(strict):
    """
    RFC 9111 §5.4: for clients of HTTP/1.0.
    """
    client = strict(Backend(cache_control="max-age=100"))
    await client.get("/")
    assert (await client.get("/", pragma="no-cache", cache_control="max-age=100")).hit
    assert not (await client.get("/", pragma="no-cache")).hit


async def test_only_if_cached_without_an_entry_is_504(strict):
    """
    The application isn't asked.
    """
    backend = Backend(cache_control="max-age=100")
    assert (await strict(backend).get("/", cache_control="only-if-cached")).status == 504
    assert backend.runs == 0


async def test_stale_while_revalidate_is_the_responses_own_word(strict, manual_clock):
    """
    RFC 5861 §3.
    """
    backend = Backend(cache_control="max-age=10, stale-while-revalidate=20")
    client = strict(backend)
    await client.get("/")
    manual_clock.advance(15)
    assert (await client.get("/")).body == b"run 1"
    await until(lambda: backend.runs == 2 and not backend.running)
    manual_clock.advance(31)
    assert (await client.get("/")).body == b"run 3"


@pytest.mark.parametrize("where", ["response", "request"])
async def test_stale_if_error_is_either_sides_word(strict, manual_clock, where):
    """
    RFC 5861 §4.
    """
    said, asked = ("max-age=10, stale-if-error=60", "x") if where == "response" else ("max-age=10", "stale-if-error=60")
    backend = Backend(cache_control=said)
    client = strict(backend)
    await client.get("/")
    backend.answer = Reply(status=503)
    manual_clock.advance(15)
    answer = await client.get("/", cache_control=asked)
    assert (answer.status, answer.body) == (200, b"run 1")


@pytest.mark.expects_logs
async def test_an_application_that_cannot_be_reached_is_covered_for_as_long_as_told(strict, manual_clock):
    """
    `serve_stale_when_unreachable`: RFC 9111 §4.2.4, disconnected: an exception before any answer.
    """
    backend = Backend(cache_control="max-age=10")
    client = strict(backend, serve_stale_when_unreachable="1h")
    await client.get("/")
    backend.answer = ConnectionError("away")
    manual_clock.advance(1_000)
    answer = await client.get("/")
    assert (answer.status, answer.body, answer.age) == (200, b"run 1", 1_000)
    manual_clock.advance(3_000)
    with pytest.raises(ConnectionError):
        await client.get("/")


async def test_groups_work_without_rules(strict):
    """
    RFC 9875 needs nothing but the fields.
    """

    def answer(asked):
        if asked.scope["method"] == "POST":
            return Reply(cache_group_invalidation='"news"')
        return Reply(cache_control="max-age=60", cache_groups='"news"')

    client = strict(Backend(answer))
    assert await hits(client, "/a")
    await client.post("/b")
    assert not (await client.get("/a")).hit


async def test_a_change_drops_its_url_without_rules(strict):
    """
    RFC 9111 §4.4.
    """
    client = strict(Backend(cache_control="max-age=60"))
    assert await hits(client, "/a")
    await client.ask("PUT", "/a")
    assert not (await client.get("/a")).hit


async def test_ranges_are_cut_without_rules(strict):
    """
    RFC 9110 §14.
    """
    client = strict(Backend(Reply(b"0123456789", cache_control="max-age=60")))
    await client.get("/")
    answer = await client.get("/", range="bytes=2-4")
    assert (answer.status, answer.body) == (206, b"234")


async def test_a_query_is_a_safe_method_with_a_body(strict):
    """
    RFC 10008.
    """
    backend = Backend(lambda asked: Reply(asked.body, cache_control="max-age=60"))
    client = strict(backend)
    for body in (b"a", b"b", b"a", b"b"):
        assert (await client.ask("QUERY", "/", body, content_type="text/plain")).body == body
    assert backend.runs == 2


async def test_post_is_stored_only_with_explicit_freshness_and_only_if_asked_for(strict):
    """
    RFC 9110 §9.3.3.
    """
    backend = Backend(lambda asked: Reply(asked.body, cache_control="max-age=60" if asked.body else "public"))
    client = strict(backend, cache_post=True)
    assert [(await client.post("/", body)).hit for body in (b"a", b"b", b"a", b"b")] == [False, False, True, True]
    assert [(await client.post("/", b"")).hit for _ in range(2)] == [False, False]
    plain = strict(backend)
    assert [(await plain.post("/other", b"a")).hit for _ in range(2)] == [False, False]


async def test_credentials_need_a_responses_leave(strict):
    """
    RFC 9111 §3.5.
    """
    assert not await hits(strict(Backend(cache_control="max-age=60")), "/a", authorization="Bearer a")
    assert await hits(strict(Backend(cache_control="max-age=60, public")), "/b", authorization="Bearer a")


async def test_hits_are_to_the_byte_what_was_stored(strict):
    """
    With Age, and our line of Cache-Status.
    """
    client = strict(Backend(Reply(b"\x00\xff", cache_control="max-age=60", etag='"a"', x="1")))
    miss, hit = await client.get("/"), await client.get("/")
    beside = (b"age", b"cache-status")
    assert [pair for pair in hit.headers if pair[0] not in beside] == [p for p in miss.headers if p[0] not in beside]
    assert (hit.status, hit.body, hit.age) == (200, b"\x00\xff", 0)
