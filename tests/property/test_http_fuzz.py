"""Requests and responses as nobody should write them: the cache is never the reason for an error or for another answer.

The application answers the same to everything, so whatever the cache does (miss, hit, bypass, revalidation), the client
must get that answer, or one that its own request asked for: 304, a part of it, or 504 to only-if-cached.
"""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evercache.http import Rule
from evercache.testing.clock import ManualClock, settle
from tests.support.http import Backend, Client, Reply, client_of
from tests.support.source import alone

RULES = [
    Rule("/page/{rest:path}", ttl=5, methods=("GET", "QUERY", "POST"), tags=["t:{rest}"], stale_while_revalidate=2,
         stale_if_error=3, ignore_query=["utm_*"], sort_query=True, dimensions=["x-dimension"], max_variants=5),
    Rule("/mine/{rest:path}", ttl=5, key_by=lambda request: request.headers.get("x-user")),
    Rule("/all/{rest:path}", ttl=5, audience="public", negative=[404, 410], override=True, strip_set_cookie=True),
]  # fmt: skip

JUNK = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20)
NUMBERS = st.sampled_from(["0", "1", "-1", "60", "1.5", "1" * 30, "", " 5", "٣", "0x10", "60, 5"]).map(
    lambda text: text.encode("latin-1", "replace").decode("latin-1")
)
DATES = st.sampled_from(
    ["Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:13:50 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", "0", "-1",
     "Tuesday, 14-Nov-23 22:13:20 GMT", "Tue Nov 14 22:13:20 2023", "Fri, 31 Feb 2023 22:13:20 GMT", "never"]
)  # fmt: skip
TAGS = st.sampled_from(['"a"', 'W/"a"', '"', "a", '""', '"a", "b"', "*", 'W/"', '"a"b"'])
DIRECTIVES = st.lists(
    st.sampled_from(
        ["max-age=5", "max-age=0", "max-age", "max-age=", 'max-age="5"', "s-maxage=9", "no-store", "no-cache", "private",
         "public", "must-revalidate", "stale-while-revalidate=3", "stale-if-error=3", 'no-cache="x-a"', 'private="x-a',
         "immutable", "must-understand", "only-if-cached", "max-stale", "min-fresh=3", "=", ",", '"', "a=b=c", "ö"]
    ), max_size=4,
).map(", ".join)  # fmt: skip

ASKED = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["cache-control", "pragma"]), DIRECTIVES),
        st.tuples(st.sampled_from(["if-none-match", "if-match", "if-range"]), TAGS | DATES),
        st.tuples(st.sampled_from(["if-modified-since", "if-unmodified-since"]), DATES),
        st.tuples(st.just("range"), st.sampled_from(["bytes=0-1", "bytes=-1", "bytes=9-", "bytes=1-0", "x", "bytes=0-,1-"])),
        st.tuples(st.sampled_from(["accept", "accept-encoding", "accept-language", "x-dimension", "x-user"]), JUNK),
        st.tuples(st.just("accept-encoding"), st.sampled_from(["gzip", "gzip;q=0", "identity;q=0, *;q=0", "br;q=2"])),
        st.tuples(st.sampled_from(["authorization", "cookie", "x-api-key", "connection", "te"]), JUNK),
        st.tuples(st.sampled_from(["Content-Length", "transfer-encoding", "content-type"]), NUMBERS),
        st.tuples(st.just("host"), st.sampled_from(["app", "app", "APP:80", "", "[::1]", "a b", "ö"])),
    ), max_size=5,
)  # fmt: skip
FIELDS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["cache-control", "Cache-Control", "cdn-cache-control", "app-cache-control"]), DIRECTIVES),
        st.tuples(st.sampled_from(["expires", "date", "last-modified"]), DATES),
        st.tuples(st.just("etag"), TAGS),
        st.tuples(st.sampled_from(["age", "x-a"]), NUMBERS),
        st.tuples(st.just("vary"), st.sampled_from(["Accept", "*", "accept, X-Dimension", "", ",", "a b", "ö"])),
        st.tuples(st.sampled_from(["set-cookie", "connection", "keep-alive", "x-b", "link", "cache-status"]), JUNK),
        st.tuples(st.sampled_from(["content-type", "content-encoding", "content-range", "content-language"]), JUNK),
        st.tuples(st.sampled_from(["cache-groups", "cache-group-invalidation", "surrogate-key"]), JUNK | TAGS),
        st.tuples(st.sampled_from(["location", "content-location"]), JUNK | st.sampled_from(["http://[", "//", "/page/a"])),
    ), max_size=5,
)  # fmt: skip
STATUSES = st.sampled_from(
    [200, 200, 200, 201, 204, 206, 299, 301, 304, 404, 405, 410, 412, 416, 451, 500, 501, 503, 599]
)
BODIES = st.sampled_from([b"", b"0123456789", [b"01", b"", b"23456789"], [b"0123456789", b""]])
TARGETS = st.tuples(
    st.sampled_from(["/page/a", "/page/", "/mine/a", "/all/a", "/page/%ff%00", "/page/..%2f", "/all//", "/other", "/page/a;b"]),
    st.sampled_from(["", "?", "?a=1&b", "?b&a=1&utm_x=1", "?%ff=%00&&=", "?a[]={}", "?" + "a" * 2_000]),
).map("".join)  # fmt: skip
METHODS = st.sampled_from(["GET", "GET", "GET", "HEAD", "QUERY", "POST", "PUT", "get", "PURGE"])
REQUESTS = st.lists(
    st.tuples(METHODS, TARGETS, ASKED, st.sampled_from([b"", b"", b"", b"body"])), min_size=2, max_size=4
)
# What the application itself would have been asked differently without the cache, and what the client asked of the cache.
CONDITIONAL = ("if-none-match", "if-modified-since", "range", "if-range")


def is_allowed(answer, plain, request):
    """Whether *answer* is that of the application, or what the *request* allows instead of it."""
    method, _, asked, _ = request
    names = [name.lower() for name, _ in asked]
    if answer.status == 504 and any("only-if-cached" in value for name, value in asked if name == "cache-control"):
        return True
    if answer.status in (304, 206, 416) and any(name in CONDITIONAL for name in names):
        return answer.body in plain.body
    return answer.status == plain.status and (method == "HEAD" or answer.body == plain.body)


@pytest.mark.expects_logs
@pytest.mark.row("S2.38", "W13")
@settings(max_examples=400)
@given(requests=REQUESTS, fields=FIELDS, status=STATUSES, body=BODIES, options=st.booleans())
def test_nothing_that_anybody_says_makes_the_cache_the_reason_for_an_error(requests, fields, status, body, options):
    """
    Malformed fields on both sides, odd methods and targets, over fresh, stale and expired entries.
    """
    reply = Reply(body, status=status, headers=fields)

    async def story():
        clock = ManualClock()
        async with alone(clock) as cache:
            strict = {"respect_origin": True, "honor_request_cache_control": True, "heuristic": 0.1, "x_cache": True,
                      "cache_post": True, "serve_stale_when_unreachable": 5, "expose_key": True}  # fmt: skip
            client = client_of(cache, Backend(reply), *RULES, **strict if options else {})
            bare = Client(Backend(reply))
            for request in requests * 2:
                method, target, asked, content = request
                headers = asked if any(name == "host" for name, _ in asked) else [("host", "app"), *asked]
                plain = await bare.ask(method, target, content, headers=headers)
                answer = await client.ask(method, target, content, headers=headers)
                assert is_allowed(answer, plain, request), (request, answer, plain)
                assert len(answer.fields("age")) <= 1 or answer.fields("age") == plain.fields("age")
                clock.advance(2)
                await settle(20)
            for found in client.app.statistics().values():
                assert all(count >= 0 for count in found.values() if isinstance(count, int))

    asyncio.run(story())
