"""Parts of a stored body, requests with a body, and fields that may not be kept: H13 to H15."""

from __future__ import annotations

import pytest

from evercache.http import Rule
from tests.support.http import Backend, Reply

PAGE = Rule("/file", ttl=300)
BODY = b"0123456789"
MODIFIED = "Mon, 13 Nov 2023 22:13:20 GMT"


# -- H13: ranges -------------------------------------------------------------------------------------------------------

PARTS = {
    "bytes=0-3": (206, b"0123", "bytes 0-3/10"),
    "bytes=4-4": (206, b"4", "bytes 4-4/10"),
    "bytes=7-": (206, b"789", "bytes 7-9/10"),
    "bytes=-2": (206, b"89", "bytes 8-9/10"),
    "bytes=-20": (206, BODY, "bytes 0-9/10"),
    "bytes=5-500": (206, b"56789", "bytes 5-9/10"),
    "BYTES=0-0": (206, b"0", "bytes 0-0/10"),
    "bytes=10-": (416, b"", "bytes */10"),
    "bytes=99-100": (416, b"", "bytes */10"),
    "bytes=-0": (416, b"", "bytes */10"),
    "bytes=0-1,4-5": (200, BODY, None),
    "bytes=3-1": (200, BODY, None),
    "bytes=-": (200, BODY, None),
    "bytes=a-b": (200, BODY, None),
    "lines=0-1": (200, BODY, None),
    "bytes=" + "9" * 5_000 + "-": (416, b"", "bytes */10"),
}


@pytest.mark.row("S2.38")
@pytest.mark.parametrize("wanted", PARTS, ids=lambda wanted: wanted[:20])
async def test_h13_a_part_is_cut_from_a_whole_entry(front, wanted):
    """
    H13: one part, or 416, or all of it; the application isn't asked.
    """
    backend = Backend(Reply(BODY, content_type="text/plain", content_length="10"))
    client = front(backend, PAGE)
    await client.get("/file")
    answer = await client.get("/file", range=wanted)
    assert (answer.status, answer.body, answer.field("content-range")) == PARTS[wanted]
    assert answer.field("content-length") in (None, str(len(answer.body)))
    if answer.status == 206:
        assert answer.field("content-type") == "text/plain"
        assert answer.field("etag") is not None
        assert answer.age == 0
    assert backend.runs == 1


@pytest.mark.parametrize(
    ("condition", "fields", "status"),
    [
        ('"a"', {"etag": '"a"'}, 206),
        ('"b"', {"etag": '"a"'}, 200),
        ('W/"a"', {"etag": 'W/"a"'}, 200),
        (MODIFIED, {"last_modified": MODIFIED, "date": "Tue, 14 Nov 2023 22:13:20 GMT"}, 206),
        ("Sun, 12 Nov 2023 22:13:20 GMT", {"last_modified": MODIFIED}, 200),
    ],
)
async def test_h13_if_range_makes_the_part_depend_on_the_copy(front, condition, fields, status):
    """
    H13: a strong match or the whole body: nobody glues two versions together.
    """
    backend = Backend(Reply(BODY, **fields))
    client = front(backend, PAGE)
    await client.get("/file")
    answer = await client.get("/file", range="bytes=0-3", if_range=condition)
    assert (answer.status, answer.body) == (status, b"0123" if status == 206 else BODY)
    assert backend.runs == 1


async def test_h13_not_modified_counts_before_a_part(front):
    """
    H13: who has it all gets 304, also where he asks for a part of it.
    """
    client = front(Backend(Reply(BODY, etag='"a"')), PAGE)
    await client.get("/file")
    assert (await client.get("/file", range="bytes=0-3", if_none_match='"a"')).status == 304


async def test_h13_without_an_entry_the_application_cuts(front):
    """
    H13: the range reaches it, and its 206 reaches the client.
    """
    backend = Backend(Reply(b"01", status=206, content_range="bytes 0-1/10"))
    client = front(backend, PAGE)
    answer = await client.get("/file", range="bytes=0-1")
    assert (answer.status, answer.body) == (206, b"01")
    assert backend.last.field("range") == "bytes=0-1"


# -- H14: requests with a body -----------------------------------------------------------------------------------------

SEARCH = Rule("/search", ttl=300, methods=("GET", "QUERY"))


def echo(asked):
    return Reply(asked.scope["method"].encode() + b" " + asked.body)


@pytest.mark.row("S2.37")
async def test_h14_a_query_is_known_by_its_content(front):
    """
    H14: method, body and Content-Type choose the response; the application reads the body as it came.
    """
    backend = Backend(echo)
    client = front(backend, SEARCH)
    seen = []
    for body in (b'{"q": 1}', b'{"q": 2}', b""):
        for kind in ("application/json", "text/plain"):
            answers = [await client.ask("QUERY", "/search", body, content_type=kind) for _ in range(2)]
            assert [(answer.body, answer.hit) for answer in answers] == [
                (b"QUERY " + body, False),
                (b"QUERY " + body, True),
            ]
            seen.append(answers[0])
    assert backend.runs == len(seen) == 6
    assert (await client.get("/search")).body == b"GET "


async def test_h14_a_body_in_pieces_is_the_same_body(front):
    """
    H14: the network cuts where it likes.
    """
    client = front(Backend(echo), SEARCH)
    await client.ask("QUERY", "/search", [b"one ", b"two"])
    answer = await client.ask("QUERY", "/search", [b"o", b"", b"ne two"])
    assert (answer.hit, answer.body) == (True, b"QUERY one two")


async def test_h14_other_representations_of_a_query_are_other_queries(front):
    """
    H14: RFC 10008: the content's metadata is part of what is asked.
    """
    client = front(Backend(echo), SEARCH)
    for fields in ({}, {"content_encoding": "gzip"}, {"content_language": "de"}):
        assert not (await client.ask("QUERY", "/search", b"x", **fields)).hit


async def test_h14_too_large_a_body_passes(front):
    """
    H14: it reaches the application whole, and nothing is stored.
    """
    backend = Backend(lambda asked: Reply(b"%d" % len(asked.body)))
    client = front(backend, Rule("/search", ttl=300, methods=("QUERY",), max_body=1_000))
    for _ in range(2):
        answer = await client.ask("QUERY", "/search", [b"x" * 600] * 5)
        assert (answer.body, answer.hit) == (b"3000", False)
    assert backend.runs == 2


async def test_h14_a_client_that_leaves_in_the_middle_of_its_question_has_asked_nothing(front):
    """
    H14: half a body is no key, and the application isn't given it as a whole one.
    """
    ended = []

    async def app(scope, receive, send):
        while (message := await receive())["type"] == "http.request" and message.get("more_body"):
            pass
        ended.append(message["type"])

    async def receive():
        return messages.pop(0)

    client = front(app, SEARCH)
    messages = [{"type": "http.request", "body": b"half", "more_body": True}] + [{"type": "http.disconnect"}] * 5
    scope = {
        "type": "http", "method": "QUERY", "path": "/search", "raw_path": b"/search", "query_string": b"", "scheme": "http",
        "root_path": "", "headers": [(b"host", b"app")], "asgi": {"version": "3.0"}, "http_version": "1.1",
    }  # fmt: skip

    async def send(message):
        pass

    await client.app(scope, receive, send)
    assert ended in ([], ["http.disconnect"])


async def test_h14_post_is_cached_only_where_a_rule_says_so(front):
    """
    H14: by body and Content-Type, and such a POST isn't a change of its own URL; elsewhere POST stays what it is.
    """
    backend = Backend(echo)
    client = front(backend, Rule("/search", ttl=300, methods=("GET", "POST")), Rule("/page", ttl=300))
    for body in (b"a", b"b"):
        answers = [await client.post("/search", body, content_type="text/plain") for _ in range(2)]
        assert [(answer.body, answer.hit) for answer in answers] == [(b"POST " + body, False), (b"POST " + body, True)]
    assert (await client.post("/search", b"a", content_type="text/plain")).hit
    for _ in range(2):
        assert not (await client.post("/page", b"a")).hit


@pytest.mark.row("W9")
async def test_h14_a_get_with_a_body_is_the_applications(front):
    """
    H14: what a cache can't see chooses nothing that it answers.
    """
    backend = Backend(echo)
    client = front(backend, PAGE)
    for _ in range(2):
        answer = await client.ask("GET", "/file", b"fat")
        assert (answer.body, answer.stored, answer.cache["fwd"]) == (b"GET fat", False, "bypass")
    assert (await client.get("/file")).body == b"GET "
    assert (await client.ask("GET", "/file", b"fat")).body == b"GET fat"
    assert (await client.get("/file")).hit


# -- H15: fields that are not kept -------------------------------------------------------------------------------------


@pytest.mark.row("S2.97", "W9")
@pytest.mark.parametrize("directive", ["no-cache", "private"])
async def test_h15_a_qualified_directive_names_fields_that_are_not_replayed(front, directive):
    """
    H15: the rest of the response is.
    """
    client = front(
        Backend(Reply(cache_control=f'{directive}="X-User, x-trace"', x_user="7", x_trace="t", x_kept="k")), PAGE
    )
    first, second = await client.get("/file"), await client.get("/file")
    assert (first.field("x-user"), first.field("x-trace")) == ("7", "t")
    assert second.hit
    assert (second.field("x-user"), second.field("x-trace"), second.field("x-kept")) == (None, None, "k")


HOP_BY_HOP = ("connection", "keep-alive", "te", "trailer", "upgrade", "proxy-authenticate", "proxy-authentication-info",
              "proxy-connection", "x-named")  # fmt: skip


@pytest.mark.row("S2.97", "W9")
@pytest.mark.parametrize("name", HOP_BY_HOP)
async def test_h15_what_belongs_to_one_connection_is_not_replayed(front, name):
    """
    H15: hop-by-hop fields, those that Connection names, and Proxy-*.
    """
    headers = [(name, "x"), ("connection", "X-Named"), ("x-kept", "k")]
    client = front(Backend(Reply(headers=headers)), PAGE)
    await client.get("/file")
    answer = await client.get("/file")
    assert (answer.hit, answer.field(name), answer.field("x-kept")) == (True, None, "k")
