"""What somebody who means harm, or a client that does everything at the worst moment, tries on the HTTP cache.

Each test is an attack that has been tried by hand; those that had worked stand beside those that never did.
"""

from __future__ import annotations

import asyncio

import pytest

from evercache.http import CacheMiddleware, Rule
from tests.support.ears import until
from tests.support.http import Backend, Client, Reply, client_of

FRESH = "max-age=60"
LONG_AGO = "Mon, 13 Nov 2023 22:13:20 GMT"


@pytest.fixture
def strict(cache):
    """A client of a backend behind the strict mode."""

    def make(backend, **given):
        given = {"honor_request_cache_control": True, "validations_per_second": 1e9, **given}
        return Client(CacheMiddleware(backend, cache=cache, respect_origin=True, **given))

    return make


# -- a POST that a rule may keep ---------------------------------------------------------------------------------------

CHANGES = {
    "no freshness": ({}, b"x"),
    "no-store": ({"cache_control": "no-store, max-age=9"}, b"x"),
    "stale": ({"cache_control": "max-age=0"}, b"x"),
    "a cookie": ({"cache_control": FRESH, "set_cookie": "a=1"}, b"x"),
    "too long to be a key": ({"cache_control": FRESH}, b"x" * (1 << 20) + b"x"),
}


@pytest.mark.row("S2.33")
@pytest.mark.parametrize("what", CHANGES)
async def test_a_post_that_is_not_kept_was_a_change(strict, what):
    """
    RFC 9111 §4.4: with `cache_post` too, a successful POST drops what is stored for its URL, unless it was answered with
    freshness of its own, which says that it was a read.
    """
    fields, body = CHANGES[what]
    get = Reply(cache_control=FRESH)
    client = strict(
        Backend(lambda asked: get if asked.scope["method"] == "GET" else Reply(b"", **fields)), cache_post=True
    )
    await client.get("/page")
    await client.post("/page", body)
    assert not (await client.get("/page")).hit
    assert (await client.get("/page")).hit


async def test_a_post_with_credentials_was_a_change(strict):
    """
    Whoever sends it: also where the cache takes no part in its answer.
    """
    client = strict(Backend(lambda asked: Reply(cache_control=FRESH)), cache_post=True)
    for _ in range(2):
        await client.get("/page")
        await client.post("/page", b"x", authorization="Bearer a")
        assert not (await client.get("/page")).hit


@pytest.mark.parametrize("fields", [{"cache_control": FRESH}, None], ids=["a read", "failed"])
async def test_a_post_that_changes_nothing_drops_nothing(strict, fields):
    """
    An answer with freshness of its own, and a failure.
    """
    post = Reply(b"", status=500) if fields is None else Reply(b"", **fields)
    backend = Backend(lambda asked: Reply(cache_control=FRESH) if asked.scope["method"] == "GET" else post)
    client = strict(backend, cache_post=True)
    await client.get("/page")
    await client.post("/page", b"x")
    assert (await client.get("/page")).hit


async def test_an_error_is_guessed_about_only_where_its_status_is_named(strict):
    """
    `heuristic` alone keeps no 404: that somebody's request failed isn't said to be lasting.
    """
    plain = strict(Backend(Reply(status=404, last_modified=LONG_AGO)), heuristic=0.1)
    named = strict(Backend(Reply(status=404, last_modified=LONG_AGO)), heuristic=0.1, negative=(404,))
    assert [(await client.get(f"/{n}")).hit for n, client in enumerate((plain, named)) for _ in range(2)] == [
        False, False, False, True
    ]  # fmt: skip


# -- what one request leaves for the next ------------------------------------------------------------------------------


@pytest.mark.row("S2.97")
@pytest.mark.parametrize("field", [("x-a", "a\r\nset-cookie: b=1"), ("x-a", "a\0b"), ("x a", "b"), ("x-a\n", "b")])
async def test_a_head_that_no_server_sends_is_not_stored(strict, field):
    """
    SEC11: a server refuses it, and answers 500; stored, it would do so to everybody.
    """
    client = strict(Backend(Reply(cache_control=FRESH, headers=[field])))
    assert [(await client.get("/page")).hit for _ in range(2)] == [False, False]


@pytest.mark.parametrize("status", [401, 405, 406, 407, 501])
async def test_an_error_that_a_field_may_have_caused_needs_a_rules_word(cache, strict, status):
    """
    SEC11: `X-HTTP-Method-Override: POST` makes some applications answer 405 to a GET, with the freshness that all of
    their responses have.
    """
    backend = Backend(Reply(status=status, cache_control=FRESH))
    plain = strict(backend)
    named = client_of(cache, backend, Rule("/named", ttl=60, negative=(status,)))
    assert [(await plain.get("/page")).hit for _ in range(2)] == [False, False]
    assert [(await named.get("/named")).hit for _ in range(2)] == [False, True]


@pytest.mark.parametrize("given", [{"ignore_query": ["utm_*"]}, {"keep_query": ["q"]}, {"keep_query": ["utm_x"]}])
@pytest.mark.parametrize("target", ["/page?utm_x=1;q=evil", "/page?a;q=evil", "/page?q;utm_x=evil"])
async def test_a_parameter_does_not_hide_behind_one_that_does_not_count(cache, given, target):
    """
    SEC11: an application that splits at semicolons sees `q` in it, and the next client must not see its page.
    """
    client = client_of(cache, Backend(lambda asked: Reply(asked.scope["query_string"])), Rule("/page", ttl=60, **given))
    await client.get(target)
    assert (await client.get("/page")).body == b""


SPELLINGS = [("/p%61ge%2fa", "app"), ("/page%2Fa", "app:80"), ("/page%2Fa", "APP:80"), ("/page%2Fa", "app:")]


@pytest.mark.row("S2.33")
@pytest.mark.parametrize(("target", "host"), SPELLINGS)
async def test_a_change_by_another_spelling_of_the_url_drops_it_too(strict, target, host):
    """
    RFC 9110 §4.2.3: a port that needn't be named, letters that needn't be encoded. To read, they stay apart.
    """
    client = strict(Backend(Reply(cache_control=FRESH)))
    await client.get("/page%2Fa")
    await client.ask("DELETE", target, headers=[("host", host)])
    assert not (await client.get("/page%2Fa")).hit
    assert (await client.get("/page%2Fa")).hit
    if host != "app":
        assert not (await client.ask("GET", target, headers=[("host", host)])).hit


async def test_invented_hosts_keep_no_real_one_out(strict):
    """
    SEC12: what is remembered about hosts is bounded, and the real one is remembered again.
    """
    client = strict(Backend(Reply(cache_control=FRESH)), honor_request_cache_control=False)
    for number in range(1_100):
        await client.ask("GET", "/page", headers=[("host", f"h{number}")])
    await client.get("/page")
    assert (await client.get("/page")).hit
    [fast] = client.app._fast.values()  # the short way knows it
    assert b"app" in fast._hosts


OUTSIDE = [
    "/pages-secret",
    "/pagesx",
    "/pages;a",
    "/pages/../me",
    "/pages/%2e%2e/me",
    "/pages/a/..",
    "/pages%2f..%2fme",
    "/pages/./x",
]


@pytest.mark.parametrize("target", OUTSIDE)
async def test_a_prefix_covers_what_is_below_it_and_nothing_beside_it(cache, target):
    """
    SEC10: not what begins with the same letters, and not what a server behind takes for a way out.
    """
    client = Client(CacheMiddleware(Backend(), cache=cache, cache_patterns={"/pages": 60}))
    for inside in ("/pages", "/pages/", "/pages/a..b/.c", "/pages//a"):
        assert [(await client.get(inside)).hit for _ in range(2)] == [False, True]
    assert [(await client.get(target)).hit for _ in range(2)] == [False, False]


@pytest.mark.row("W9")
@pytest.mark.parametrize(
    "cookies", ["_ga=1 session=mallory", "_ga=1\tsession=mallory", "_gax session=mallory", "_ga=1;session"]
)
async def test_no_session_hides_in_a_cookie_that_identifies_nobody(cache, cookies):
    """
    SEC2: some readers end a cookie at white space. What Mallory's own session makes of a page is for Mallory alone.
    """
    backend = Backend(lambda asked: Reply((asked.field("cookie") or "nobody").encode()))
    client = client_of(cache, backend, Rule("/page", ttl=300), harmless_cookies=["_ga*"])
    await client.get("/page", cookie=cookies)
    assert (await client.get("/page")).body == b"nobody"
    assert (await client.get("/page", cookie="_ga=2; _gax=3")).hit


@pytest.mark.row("W9")
@pytest.mark.parametrize("name", ["x_api_key", "X-Auth_User", "x_auth_user", "x_own_key"])
async def test_no_credential_hides_behind_an_underscore(cache, name):
    """
    SEC2: to an application behind WSGI it is a hyphen.
    """
    backend = Backend(lambda asked: Reply((asked.field(name.lower()) or "nobody").encode()))
    client = client_of(cache, backend, Rule("/page", ttl=300), credential_headers=["X-Own-Key"])
    for _ in range(2):
        await client.ask("GET", "/page", headers=[("host", "app"), (name, "mallory")])
    assert (await client.get("/page")).body == b"nobody"


# -- clients that do it slowly -----------------------------------------------------------------------------------------


class Wire:
    """A server in front of *app*, whose clients with `X-Slow` take no byte of a body while *shut*."""

    def __init__(self, app):
        self.app, self.open = app, asyncio.Event()

    async def __call__(self, scope, receive, send):
        async def stalled(message):
            if message["type"] == "http.response.body":
                await self.open.wait()
            await send(message)

        await self.app(scope, receive, stalled if (b"x-slow", b"1") in scope["headers"] else send)


@pytest.mark.parametrize("worker", [0, 1])
async def test_a_client_that_reads_nothing_leads_nobody(two_caches, worker):
    """
    A4: it has a cold page fetched, and takes none of it. Whoever comes meanwhile, to whatever worker, has the page fetched
    again and kept; what the slow client gets at last does no harm.
    """
    backend = Backend(lambda asked: Reply([b"a", b"b" if asked.number == 1 else b"c"]))
    rule = Rule("/page", ttl=300, collapse="20ms")
    wires = [Wire(CacheMiddleware(backend, cache=cache, rules=[rule])) for cache in two_caches]
    other = Client(wires[worker])
    slow = Client(wires[0]).start("GET", "/page", x_slow="1")
    await until(lambda: slow.status)
    assert (await other.get("/page")).body == b"ac"
    assert (await other.get("/page")).hit
    wires[0].open.set()
    assert (await slow).body == b"ab"
    assert (await other.get("/page")).body == b"ac"
    assert backend.runs == 2
    assert wires[0].app.statistics()["/page"]["refused"] == {"slow-client": 1}


# -- the worst moment, one after the other -----------------------------------------------------------------------------

MOMENTS = ["start", "first", "second", "last", "after"]
FAULTS = ["raises", "returns", "client gone", "cancelled"]


class Faulty:
    """An application in five steps, the first run of which ends in a *fault* before one of them."""

    def __init__(self, fault, moment, length):
        self.fault, self.at, self.runs = fault, MOMENTS.index(moment), 0
        self.fields = [(b"content-length", b"6")] if length else []
        self.exchange = None

    async def __call__(self, scope, receive, send):
        self.runs += 1
        bodies = [{"body": b"ab", "more_body": True}, {"body": b"cd", "more_body": True}, {"body": b"ef"}]
        messages = [{"type": "http.response.start", "status": 200, "headers": self.fields}]
        messages += [{"type": "http.response.body", **body} for body in bodies]
        for number, message in enumerate([*messages, None]):
            if self.runs == 1 and number == self.at:
                if self.fault == "raises":
                    raise RuntimeError("the application failed")
                if self.fault == "returns":
                    return
                await self.leave()
            if message is not None:
                await send(message)

    async def leave(self):
        if self.fault == "client gone":
            self.exchange.leave()
        else:
            self.exchange.cancel()
        await asyncio.sleep(0)


@pytest.mark.expects_logs
@pytest.mark.parametrize("length", [True, False], ids=["length", "stream"])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_happens_at_whatever_moment_the_next_client_has_the_whole_page(front, fault, moment, length):
    """
    SEC5, A4: nothing is kept by halves, and who waited isn't let down: all of the page, and then it is kept.
    """
    app = Faulty(fault, moment, length)
    client = front(app, Rule("/page", ttl=300))
    app.exchange = client.start("GET", "/page")
    waiting = client.start("GET", "/page")
    await asyncio.wait([app.exchange.task])
    answers = [await waiting, await client.get("/page"), await client.get("/page")]
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"abcdef")] * 3
    assert answers[-1].hit
    assert app.runs <= 3


async def test_a_thousand_variants_leave_no_more_than_sixty_four(front):
    """
    SEC12: the rest passes; the first ones stay, and each client has its own.
    """
    client = front(
        Backend(lambda asked: Reply((asked.field("x-kind") or "").encode(), vary="X-Kind")), Rule("/page", ttl=300)
    )
    for number in range(1_000):
        assert (await client.get("/page", x_kind=f"k{number}")).body == b"k%d" % number
    hits = [(await client.get("/page", x_kind=f"k{number}")).hit for number in range(1_000)]
    assert sum(hits) == 64
    assert all(hits[:64])
