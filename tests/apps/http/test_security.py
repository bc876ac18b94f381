"""What may be shared and with whom: SEC1 to SEC15, each as an attack or a mistake that must come to nothing."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Security
from fastapi.security import APIKeyHeader, HTTPBearer, OAuth2PasswordBearer
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from evercache.errors import ConfigurationError
from evercache.http import CacheMiddleware, Rule
from tests.support.ears import until
from tests.support.http import Backend, Client, Reply, client_of, lifespan_of
from tests.support.outage import opened_cache

PAGE = Rule("/page", ttl=300)
ANYTHING = Rule("/{rest:path}", ttl=300)


def counted(client, rule="/page"):
    """What a rule has counted."""
    return client.app.statistics()[rule]


async def both(client, target="/page", **headers):
    """The answers to two identical requests."""
    return await client.get(target, **headers), await client.get(target, **headers)


# -- SEC1: opt-in ------------------------------------------------------------------------------------------------------


@pytest.mark.row("S2.32", "W8")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "QUERY", "PURGE"])
async def test_sec1_without_a_rule_nothing_changes(front, method):
    """
    SEC1: every message of every route passes as it is, field for field, twice; `max-age` alone is no permission.
    """
    reply = Reply([b"a", b"b"], status=203, cache_control="public, max-age=60", headers=[("X-Odd", " v "), ("x", "1")])
    backend = Backend(reply)
    client, bare = front(backend), Client(Backend(reply))
    for _ in range(2):
        covered, plain = await client.ask(method, "/any?x=1", b"body"), await bare.ask(method, "/any?x=1", b"body")
        assert covered.messages == plain.messages
    assert backend.runs == 2
    assert backend.last.body == b"body"


@pytest.mark.row("S2.32", "F2.3")
async def test_sec1_a_rule_covers_its_own_path_alone(front):
    """
    SEC1: neither a longer path nor a sibling inherits the rule; `respect_origin` is a permission of its own.
    """
    backend = Backend(cache_control="max-age=60")
    client = front(backend, PAGE)
    for target in ("/page/", "/page/1", "/pages", "/Page", "/other", "//page", "/page;x"):
        for answer in await both(client, target):
            assert answer.field("cache-status") is None, target
    assert backend.runs == 14
    assert [answer.hit for answer in await both(front(backend, respect_origin=True), "/other")] == [False, True]


# -- SEC2: credentials -------------------------------------------------------------------------------------------------

SESSION = {"session": {"user": 7}}
USER = {"user": SimpleNamespace(is_authenticated=True, display_name="ann")}
CHAIN = {"extensions": {"tls": {"client_cert_name": None, "client_cert_chain": ("-----",)}}}
CERTIFICATE = {"extensions": {"tls": {"client_cert_name": "CN=ann", "client_cert_chain": ["-----"]}}}
IDENTIFIED = {
    "authorization": ({"authorization": "Bearer a"}, {}),
    "basic": ({"authorization": "Basic YTpi"}, {}),
    "proxy-authorization": ({"proxy_authorization": "Basic YTpi"}, {}),
    "cookie": ({"cookie": "session=1"}, {}),
    "unreadable cookie": ({"cookie": "session"}, {}),
    "api key": ({"x_api_key": "k"}, {}),
    "any x-auth field": ({"x_auth_token": "t"}, {}),
    "session": ({}, SESSION),
    "user": ({}, USER),
    "certificate": ({}, CERTIFICATE),
    "certificate without a name": ({}, CHAIN),
}


@pytest.mark.row("S2.37", "S2.97", "W8", "W9")
@pytest.mark.parametrize("who", IDENTIFIED)
async def test_sec2_who_can_be_identified_neither_fills_nor_reads_a_shared_entry(front, who):
    """
    SEC2: the application answers a request with credentials, the cache says why, and an anonymous client never gets
    what was made for somebody.
    """
    headers, scope = IDENTIFIED[who]
    backend = Backend()
    client = front(backend, PAGE)
    for run in (1, 2):
        answer = await client.ask("GET", "/page", scope=scope, **headers)
        assert (answer.body, answer.cache["detail"], answer.stored) == (b"run %d" % run, "credentials", False)
    assert [answer.body for answer in await both(client)] == [b"run 3", b"run 3"]
    assert (await client.ask("GET", "/page", scope=scope, **headers)).body == b"run 4"
    found = counted(client)
    assert found["bypass"].get("credentials", 0) + found["refused"].get("credentials", 0) == 3


BEGUN = {
    "session": lambda scope: scope["session"].update(token="t"),
    "user": lambda scope: scope.update(user=SimpleNamespace(is_authenticated=True)),
}


@pytest.mark.row("S2.37", "S2.97", "W9")
@pytest.mark.parametrize("what", BEGUN)
async def test_sec2_who_becomes_somebody_during_the_request_shares_nothing(front, what):
    """
    SEC2: a form that begins a session and has its token in the page, a guard behind the cache that finds out who asks:
    the cookie that would tell is set outside of the cache.
    """
    said = {}

    def answer(asked):
        BEGUN[what](asked.scope)
        return Reply(b"token %d" % asked.number, **said)

    client = front(Backend(answer), PAGE)
    answers = [await client.ask("GET", "/page", scope={"session": {}}) for _ in range(3)]
    assert [(answer.body, answer.hit, answer.stored) for answer in answers] == [
        (b"token %d" % number, False, False) for number in (1, 2, 3)
    ]
    waiting = [client.start("GET", "/page", scope={"session": {}}) for _ in range(5)]
    assert len({(await exchange).body for exchange in waiting}) == 5
    said["cache_control"] = "public"
    assert (await client.ask("GET", "/page", scope={"session": {}})).stored


@pytest.mark.row("S2.37")
async def test_sec2_nobody_is_no_credential(front):
    """
    SEC2: an empty session, a user who isn't signed in, and cookies that are declared harmless identify nobody.
    """
    backend = Backend()
    client = front(backend, PAGE, harmless_cookies=("_ga*", "theme"))
    nobody = {"session": {}, "user": SimpleNamespace(is_authenticated=False)}
    await client.get("/page")
    assert (await client.ask("GET", "/page", scope=nobody)).hit
    assert (await client.get("/page", cookie="_ga_1=x; theme=dark")).hit
    assert not (await client.get("/page", cookie="_ga_1=x; id=1")).hit


@pytest.mark.row("S2.37")
async def test_sec2_a_field_of_the_applications_own_can_be_a_credential(front):
    """
    SEC2: `credential_headers` adds to the known ones and takes none away.
    """
    backend = Backend()
    client = front(backend, PAGE, credential_headers=("x-tenant-token",))
    await client.get("/page")
    for headers in ({"x_tenant_token": "t"}, {"authorization": "Bearer a"}):
        assert (await client.get("/page", **headers)).cache["detail"] == "credentials"


@pytest.mark.parametrize("said", ["public", "s-maxage=300", "max-age=300, must-revalidate"])
async def test_sec2_a_response_that_says_so_may_be_shared(front, said):
    """
    SEC2: RFC 9111 §3.5: `public`, `s-maxage` and `must-revalidate` lift it, for storing and for reading.
    """
    backend = Backend(cache_control=said)
    client = front(backend, PAGE)
    assert [answer.hit for answer in await both(client, authorization="Bearer a")] == [False, True]
    assert (await client.get("/page")).hit
    assert (await client.get("/page", authorization="Bearer b")).hit


async def test_sec2_a_rule_that_says_public_means_everybody(front):
    """
    SEC2: `audience="public"` is the application's word that credentials don't matter; the fields of the response do.
    """
    backend = Backend()
    client = front(backend, Rule("/page", ttl=300, audience="public"), Rule("/me", ttl=300, audience="public"))
    assert (await client.get("/page", authorization="Bearer a")).stored
    assert (await client.get("/page", cookie="session=2")).hit
    backend.answer = Reply(cache_control="private")
    assert [answer.hit for answer in await both(client, "/me", authorization="Bearer a")] == [False, False]


# -- SEC3: one principal -----------------------------------------------------------------------------------------------


def by_user(request):
    user = request.scope.get("user")
    return user.name if user is not None and user.is_authenticated else None


def user(name):
    return {"user": SimpleNamespace(is_authenticated=True, name=name)}


@pytest.mark.row("S2.37", "W9")
async def test_sec3_each_principal_has_entries_of_its_own_and_nobody_none(front):
    """
    SEC3: `key_by` separates users, whatever their tokens look like; without a principal the cache stays out; what was
    stored for one is sent as private.
    """
    backend = Backend(lambda asked: Reply(f"for {asked.scope['user'].name}, run {asked.number}".encode()))
    client = front(backend, Rule("/me", ttl=300, key_by=by_user))
    for name in ("ann", "bob"):
        first = await client.ask("GET", "/me", scope=user(name), authorization=f"Bearer {name}")
        second = await client.ask("GET", "/me", scope=user(name), authorization="Bearer renewed")
        assert (first.hit, second.hit) == (False, True)
        assert first.body == second.body
        assert first.body.startswith(f"for {name}".encode())
        for answer in (first, second):
            assert "private" in (answer.field("cache-control") or "")
            assert "public" not in (answer.field("cache-control") or "")
    stranger = {"user": SimpleNamespace(is_authenticated=False, name="ann")}
    for _ in range(2):
        assert (await client.ask("GET", "/me", scope=stranger)).cache["fwd"] == "bypass"
    assert backend.runs == 4


@pytest.mark.expects_logs
@pytest.mark.parametrize("principal", [7, b"ann", ["ann"], "", False])
async def test_sec3_what_is_no_name_is_nobodys(front, principal):
    """
    SEC3: a number, an empty name: the request is answered by the application, and nothing is kept; a log says why.
    """
    client = front(Backend(), Rule("/me", ttl=300, key_by=lambda request: principal))
    for run in (1, 2):
        answer = await client.get("/me")
        assert (answer.status, answer.body, answer.cache["detail"]) == (200, b"run %d" % run, "no-principal")


def test_sec3_functions_of_a_rule_are_plain_ones():
    """
    SEC3: a coroutine would be everybody's principal; the rule says so.
    """

    async def waits(*given):
        return "ann"

    for wrong in ({"key_by": waits}, {"tags": waits}):
        with pytest.raises(ConfigurationError, match="plain function"):
            Rule("/me", **wrong)


async def test_sec3_private_responses_are_one_principals_and_public_words_are_not_sent(front):
    """
    SEC3: with a principal in the key, `private` may be stored; an application's `public` doesn't leave.
    """
    backend = Backend(cache_control="private, max-age=300")
    client = front(backend, Rule("/me", key_by=by_user), Rule("/we", key_by=by_user))
    answers = [await client.ask("GET", "/me", scope=user("ann")) for _ in range(2)]
    assert [answer.hit for answer in answers] == [False, True]
    backend.answer = Reply(cache_control="public, s-maxage=9, max-age=300")
    for answer in [await client.ask("GET", "/we", scope=user("ann")) for _ in range(2)]:
        assert answer.field("cache-control") == "private, max-age=300"


@pytest.mark.row("W9")
async def test_sec3_two_users_never_meet_in_any_mode(two_caches):
    """
    SEC3: every way to cover a path, two users and a stranger, over two workers, in every order: whoever is answered
    gets an answer that was made for him, or for everybody.
    """
    rules = [
        Rule("/anonymous", ttl=300),
        Rule("/keyed", ttl=300, key_by=by_user),
        Rule("/varied", ttl=300, audience="public"),
        Rule("/dimension", ttl=300, audience="public", dimensions=("authorization",)),
    ]

    def answer(asked):
        return Reply((asked.field("authorization") or "nobody").encode(), vary="Authorization")

    backend = Backend(answer)
    clients = [client_of(cache, backend, *rules) for cache in two_caches]
    names = ("ann", "bob", None)
    for order in (names, names[::-1], (None, "bob", "ann", "bob", None)):
        for client in clients:
            for path in ("/anonymous", "/keyed", "/varied", "/dimension"):
                for name in order:
                    headers = {} if name is None else {"authorization": name}
                    got = await client.ask("GET", path, scope={} if name is None else user(name), **headers)
                    assert got.body == (name or "nobody").encode(), (path, name)


# -- SEC4: guards ------------------------------------------------------------------------------------------------------


def current_user() -> str:
    return "ann"


def nested(token: Annotated[str, Depends(HTTPBearer())]) -> str:
    return token


GUARDS = {
    "security": Security(current_user),
    "bearer": Depends(HTTPBearer()),
    "api key": Depends(APIKeyHeader(name="x-key")),
    "oauth2": Depends(OAuth2PasswordBearer(tokenUrl="token")),
    "nested": Depends(nested),
}


def guarded(guard) -> FastAPI:
    """An application with a guarded and an open route."""
    app = FastAPI()

    @app.get("/guarded/{id}")
    async def read(id: int, token: str = guard) -> str:
        return "secret"

    @app.get("/open")
    async def open_to_all() -> str:
        return "open"

    return app


@pytest.mark.row("S2.75")
@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("way", ["wrapped", "added"])
async def test_sec4_a_rule_before_the_guards_of_its_route_is_refused_at_start_up(cache, guard, way):
    """
    SEC4: outermost, a hit would pass by the route's security dependencies; the error names the route and the way out.
    """

    async def start(path, **options):
        app = guarded(GUARDS[guard])
        rules = [Rule(path, ttl=60, **options)]
        if way == "added":
            app.add_middleware(CacheMiddleware, cache=cache, rules=rules)
        async with lifespan_of(app if way == "added" else CacheMiddleware(app, cache=cache, rules=rules)):
            pass

    with pytest.raises(Exception, match=r"(?s)/guarded/\{id\}.*skip_dependencies"):
        await start("/guarded/{id}")
    await start("/guarded/{id}", skip_dependencies=True)
    await start("/open")


# -- SEC5: what is never stored ----------------------------------------------------------------------------------------

NEVER = {
    "no-store": Reply(cache_control="no-store"),
    "private": Reply(cache_control="private"),
    "private beside max-age": Reply(cache_control="max-age=60, private"),
    "Vary: *": Reply(vary="*"),
    "Vary with a star among others": Reply(vary="accept, *"),
    "Set-Cookie": Reply(set_cookie="a=1"),
    "second Set-Cookie": Reply(headers=[("x-a", "1"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2")]),
    "partial": Reply(status=206),
    "Content-Range": Reply(content_range="bytes 0-1/9"),
    "server error": Reply(status=500),
    "unavailable": Reply(status=503),
    "not found": Reply(status=404),
    "gone": Reply(status=410),
    "bad request, even explicitly fresh": Reply(status=400, cache_control="max-age=60"),
    "too many requests": Reply(status=429, cache_control="max-age=60"),
    "too large header": Reply(status=431, cache_control="max-age=60"),
    "switching": Reply(status=101),
    "truncated": Reply(b"half", content_length="8"),
    "too long": Reply(b"too long", content_length="4"),
    "two lengths": Reply(b"four", headers=[("content-length", "4"), ("content-length", "5")]),
}


@pytest.mark.row("S2.97", "W9", "F2.3")
@pytest.mark.parametrize("what", NEVER)
async def test_sec5_what_must_not_be_stored_is_not(front, what):
    """
    SEC5: the second request is the application's again, and a reason is counted.
    """
    backend = Backend(NEVER[what])
    client = front(backend, PAGE)
    for answer in await both(client):
        assert not answer.hit
        assert not answer.stored
    assert backend.runs == 2
    assert sum(counted(client)["refused"].values()) == 2
    assert counted(client)["stored"] == 0


async def test_sec5_an_error_may_be_stored_where_it_was_asked_for(front):
    """
    SEC5: 404 by `negative`, or by its own explicit freshness; 500 never by a rule's ttl alone.
    """
    backend = Backend(Reply(status=404))
    client = front(backend, Rule("/page", ttl=300, negative=(404, 410)), Rule("/fresh"))
    first, second = await both(client)
    assert (first.status, second.status, second.hit) == (404, 404, True)
    backend.answer = Reply(status=404, cache_control="max-age=60")
    assert [answer.hit for answer in await both(client, "/fresh")] == [False, True]
    backend.answer = Reply(status=500)
    assert not any(answer.hit for answer in await both(client, "/page?x=1"))


async def test_sec5_a_cookie_can_be_taken_out_before_storing(front):
    """
    SEC5: with `strip_set_cookie` the response is stored without it; the client it was meant for may have it, nobody else.
    """
    backend = Backend(set_cookie="session=1")
    client = front(backend, Rule("/page", ttl=300, strip_set_cookie=True))
    _, second = await both(client)
    assert second.hit
    assert second.field("set-cookie") is None


async def test_sec5_a_request_for_a_part_stores_nothing(front):
    """
    SEC5: `Range` goes to the application, and neither a 206 nor a 200 to it is kept.
    """
    backend = Backend()
    client = front(backend, PAGE)
    for _ in range(2):
        assert not (await client.get("/page", range="bytes=0-1")).stored
    assert not (await client.get("/page")).hit
    assert backend.runs == 3


async def test_sec5_a_body_that_ends_in_an_exception_is_not_stored(front):
    """
    SEC5: the exception reaches the server as without the cache, and half a body is nobody's answer.
    """
    runs = []

    async def app(scope, receive, send):
        runs.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("broken in the middle")

    client = front(app, PAGE)
    for _ in range(2):
        exchange = client.start("GET", "/page")
        with pytest.raises(ValueError, match="in the middle"):
            await exchange
        assert (exchange.body, exchange.complete) == (b"half", False)
    assert len(runs) == 2


async def test_sec5_a_body_without_a_last_message_is_not_stored(front):
    """
    SEC5: an application that returns early has not answered.
    """
    runs = []

    async def app(scope, receive, send):
        runs.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    client = front(app, PAGE)
    for _ in range(2):
        exchange = client.start("GET", "/page")
        await exchange.task
        assert not exchange.complete
    assert len(runs) == 2


async def test_sec5_a_response_whose_client_left_in_the_middle_is_not_stored(front):
    """
    SEC5: an application that stops at a disconnect has made half a response.
    """
    backend_runs = []

    async def app(scope, receive, send):
        backend_runs.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    client = front(app, PAGE)
    for _ in range(2):
        exchange = client.start("GET", "/page")
        await until(lambda exchange=exchange: exchange.body)
        exchange.leave()
        await exchange.task
    assert len(backend_runs) == 2


# -- SEC6, SEC7: keys --------------------------------------------------------------------------------------------------

COLLIDING = [
    ("/a:b", "/a"), ("/a%2Fb", "/a/b"), ("/a%2fb", "/a%2Fb"), ("/a?b", "/a%3Fb"), ("/a?x=1&y=2", "/a?x=1&y=2&"),
    ("/a?x=1;y=2", "/a?x=1&y=2"), ("/a?x=1&x=2", "/a?x=2&x=1"), ("/a?", "/a?x"), ("/a?x=%20", "/a?x=+"), ("/a//b", "/a/b"),
    ("/a;b", "/a"), ("/a/../b", "/b"), ("/a/.", "/a/"), ("/A", "/a"), ("/a%00", "/a"), ("/a?x=a%3Ab", "/a?x=a:b"),
]  # fmt: skip


@pytest.mark.row("S2.37", "W9")
@pytest.mark.parametrize(("one", "other"), COLLIDING)
async def test_sec6_two_urls_that_differ_in_a_byte_share_nothing(front, one, other):
    """
    SEC6: no separator to inject, nothing decoded, nothing normalised.
    """
    backend = Backend()
    client = front(backend, ANYTHING)
    assert not (await client.get(one)).hit
    assert not (await client.get(other)).hit
    assert (await client.get(one)).body == b"run 1"
    assert (await client.get(other)).body == b"run 2"


@pytest.mark.row("S2.97", "S2.37")
async def test_sec6_nothing_of_a_request_stands_in_clear_in_redis(redis_server, redis_url, redis_namespace):
    """
    SEC6: keys are digests: neither path nor query, host, principal or dimension can be read in them, and no credential
    is in a value.
    """
    rule = Rule("/canary-path", ttl=300, key_by=lambda request: "canary-user", dimensions=("x-tenant",))
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        client = client_of(cache, Backend(), rule)
        client.host = "canary-host"
        headers = {"x_tenant": "canary-tenant", "authorization": "Bearer canary-token"}
        await client.get("/canary-path?canary-query=1", **headers)
        assert (await client.get("/canary-path?canary-query=1", **headers)).hit
        for name in await stored_in(redis_server, redis_namespace):
            assert b"canary-token" not in redis_server.command("GET", name)
    assert b"canary" not in b"\n".join(redis_server.command("KEYS", "*"))


@pytest.mark.row("S2.37", "W9")
async def test_sec7_host_scheme_and_root_path_are_in_the_key(front):
    """
    SEC7: two sites on one application, and one site over http and https, share nothing.
    """
    backend = Backend()
    client = front(backend, PAGE)
    seen = set()
    for host in ("one.example", "two.example", "one.example:8443"):
        for scheme in ("http", "https"):
            for root in ("", "/v1"):
                client.host, client.scheme = host, scheme
                scope = {"root_path": root, "path": root + "/page", "raw_path": (root + "/page").encode()}
                answers = [await client.ask("GET", "/page", scope=scope) for _ in range(2)]
                assert [answer.hit for answer in answers] == [False, True]
                seen.add(answers[1].body)
    assert len(seen) == 12
    client.host, client.scheme = "ONE.example", "http"
    assert (await client.get("/page")).hit


@pytest.mark.parametrize(
    "headers",
    [[], [("host", "app"), ("host", "evil")], [("host", "app/evil")], [("host", "a b")], [("host", "")]],
    ids=["none", "two", "a path", "a space", "empty"],
)
async def test_sec7_a_host_that_cannot_be_read_makes_no_entry(front, headers):
    """
    SEC7: such a request is the application's, each time.
    """
    backend = Backend()
    client = front(backend, PAGE)
    for _ in range(2):
        assert (await client.ask("GET", "/page", headers=headers)).cache["fwd"] == "bypass"
        await client.get("/page")
        assert (await client.get("/page")).hit
    assert backend.runs == 3


async def test_sec7_only_allowed_hosts_have_entries(front):
    """
    SEC7: a host that isn't on the list is answered by the application, and fills nothing.
    """
    backend = Backend()
    client = front(backend, PAGE, allowed_hosts=("app", "*.example.com"))
    for host, hits in (("app", 1), ("shop.example.com", 1), ("evil.test", 0), ("example.com.evil.test", 0)):
        client.host = host
        assert [answer.hit for answer in await both(client)].count(True) == hits, host


SMUGGLED = ("x_forwarded_host", "x_forwarded_proto", "x_forwarded_for", "x_original_url", "x_rewrite_url",
            "x_http_method_override", "forwarded", "x_host")  # fmt: skip


@pytest.mark.parametrize("name", SMUGGLED)
async def test_sec7_forwarding_fields_are_no_part_of_the_key_unless_declared(front, name):
    """
    SEC7: nobody fills the cache by counting a field up; an application that reads one adds it as a dimension.
    """
    backend = Backend(lambda asked: Reply((asked.field(name.replace("_", "-")) or "plain").encode()))
    dimension = Rule("/declared", ttl=300, dimensions=(name.replace("_", "-"),))
    client = front(backend, PAGE, dimension)
    assert (await client.get("/page")).body == b"plain"
    assert (await client.get("/page", **{name: "evil"})).body == b"plain"
    assert (await client.get("/declared", **{name: "evil"})).body == b"evil"
    assert (await client.get("/declared")).body == b"plain"
    assert (await client.get("/declared", **{name: "evil"})).hit


# -- SEC8, SEC9: conditions and HEAD -----------------------------------------------------------------------------------


@pytest.mark.row("S2.34")
async def test_sec8_a_tag_counts_for_its_own_entry_alone(front):
    """
    SEC8: the tag of another URL, variant or user is no "not modified".
    """
    backend = Backend(
        lambda asked: Reply(asked.scope["raw_path"] + (asked.field("accept") or "").encode(), vary="Accept")
    )
    client = front(backend, ANYTHING)
    one = await client.get("/one", accept="text/html")
    two = await client.get("/two", accept="text/html")
    plain = await client.get("/one", accept="text/plain")
    tags = {answer.field("etag") for answer in (one, two, plain)}
    assert len(tags) == 3
    for tag in tags:
        answer = await client.get("/one", accept="text/html", if_none_match=str(tag))
        assert answer.status == (304 if tag == one.field("etag") else 200)


async def test_sec9_head_reads_an_entry_and_never_makes_one(front):
    """
    SEC9: a HEAD before the GET leaves nothing; after it, it is answered with the fields and no body.
    """
    backend = Backend(lambda asked: Reply(b"" if asked.scope["method"] == "HEAD" else b"body", x="1"))
    client = front(backend, PAGE)
    await client.head("/page")
    await client.head("/page")
    assert backend.runs == 2
    stored = await client.get("/page")
    assert stored.body == b"body"
    head = await client.head("/page")
    assert (head.hit, head.body, head.field("x"), head.field("etag")) == (True, b"", "1", stored.field("etag"))
    assert head.field("content-length") in (None, "4")
    assert (await client.get("/page")).body == b"body"


# -- SEC10: cache deception --------------------------------------------------------------------------------------------

DISGUISES = [
    "/account/x.css", "/account;.css", "/account;x=1.css", "/account%2fx.css", "/account%2F..%2Fstatic%2Fx.css",
    "/account/..%2fstatic/x.css", "/account%00.css", "/account%0a.css", "/account%23.css", "/account%3f.css",
    "/account.css", "/account/.css", "/account//x.css", "//account", "/account/", "/./account", "/static/../account",
    "/static/..%2faccount", "/static/%2e%2e/account", "/static%2f..%2faccount", "/account?x.css", "/account\\x.css",
]  # fmt: skip


@pytest.mark.parametrize("target", DISGUISES)
async def test_sec10_a_private_page_in_the_clothes_of_a_file_is_not_stored(front, target):
    """
    SEC10: an application so sloppy that it answers all of these with the private page, a victim with a cookie, and an
    attacker who asks for the same URL after it.
    """
    backend = Backend(lambda asked: Reply(b"secret of " + (asked.field("cookie") or "nobody").encode()))
    client = front(backend, Rule("/static/{name}", ttl=300), Rule("/static/{rest:path}", ttl=300))
    assert not (await client.get(target, cookie="session=ann")).stored
    assert (await client.get(target)).body == b"secret of nobody"


@pytest.mark.parametrize("target", DISGUISES)
async def test_sec10_a_rule_follows_the_route_and_not_the_looks(cache, target):
    """
    SEC10: with a router of its own in front of the page, and with static files that are everybody's, the secret is in
    no entry.
    """

    async def account(request):
        return PlainTextResponse(f"secret of {request.cookies.get('session')}")

    async def static(request):
        return PlainTextResponse("body { }")

    app = Starlette(routes=[Route("/account", account), Mount("/static", routes=[Route("/{name:path}", static)])])
    client = client_of(cache, app, Rule("/static/{name:path}", ttl=300, audience="public"))
    await client.get(target, cookie="session=ann")
    assert b"ann" not in (await client.get(target)).body
    assert b"ann" not in (await client.get("/account")).body


async def test_sec10_an_unknown_url_inherits_nothing(front):
    """
    SEC10: a 404 under a rule's path isn't stored, so that it can't be filled in before the page exists.
    """
    backend = Backend(Reply(status=404))
    client = front(backend, Rule("/files/{name}", ttl=300))
    assert not any(answer.hit for answer in await both(client, "/files/soon"))
    backend.answer = Reply(b"here")
    assert (await client.get("/files/soon")).body == b"here"


# -- SEC11: cache poisoning --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 405, 408, 413, 414, 431, 501])
async def test_sec11_an_error_that_a_header_field_caused_is_not_stored(front, status):
    """
    SEC11: the attacker's oversized or odd field makes the application fail; the next client gets the page.
    """

    def answer(asked):
        return Reply(b"error", status=status) if asked.field("x-oversized") else Reply(b"page")

    client = front(Backend(answer), Rule("/page", ttl=300, negative=(404,)))
    assert (await client.get("/page", x_oversized="A" * 20_000)).status == status
    assert (await client.get("/page")).body == b"page"


def reflecting(asked):
    """An application that lets whatever it was asked with stand in the page."""
    seen = [
        asked.scope["scheme"],
        asked.scope["raw_path"].decode(),
        asked.scope["query_string"].decode("latin-1"),
        asked.body.decode(),
    ]
    named = (
        "host",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-original-url",
        "x-http-method-override",
        "origin",
        "accept-language",
    )
    return Reply(
        " ".join([*seen, *(asked.field(name) or "-" for name in named)]).encode(), vary="Origin, Accept-Language"
    )


POISONS = {
    "host": {"headers": [("host", "evil")]},
    "port": {"headers": [("host", "app:evil")]},
    "odd port": {"headers": [("host", "app:1337")]},
    "second host": {"headers": [("host", "app"), ("host", "evil")]},
    "forwarded host": {"x_forwarded_host": "evil"},
    "forwarded proto": {"x_forwarded_proto": "evil"},
    "original url": {"x_original_url": "/evil"},
    "method override": {"x_http_method_override": "EVIL"},
    "varied field": {"origin": "https://evil"},
    "varied language": {"accept_language": "evil"},
    "cloaked parameter": {"target": "/page?id=1;id=evil"},
    "second parameter": {"target": "/page?id=1&id=evil"},
    "encoded parameter": {"target": "/page?id=1%26id=evil"},
    "fat GET": {"body": b"evil"},
    "scheme": {"scope": {"scheme": "https", "headers": [(b"host", b"app"), (b"x-forwarded-host", b"evil")]}},
}


@pytest.mark.row("S2.37", "W9")
@pytest.mark.parametrize("way", POISONS)
async def test_sec11_what_an_attacker_adds_to_a_request_is_not_in_the_page_of_the_next_client(front, way):
    """
    SEC11: what chooses the page is in the key, by nature or declared; a GET with a body is the application's.
    """
    attack = {"target": "/page?id=1"} | POISONS[way]
    declared = ("x-forwarded-host", "x-forwarded-proto", "x-original-url", "x-http-method-override")
    client = front(Backend(reflecting), Rule("/page", ttl=300, dimensions=declared))
    poisoned = await client.ask("GET", **attack)
    assert b"evil" in poisoned.body.lower() or b"1337" in poisoned.body or b"https" in poisoned.body
    clean = await client.get("/page?id=1")
    assert clean.body == b"http /page id=1  app - - - - - -"
    assert (await client.get("/page?id=1")).hit


# -- SEC12: bounds -----------------------------------------------------------------------------------------------------

BIG = b"x" * 2_000
BOUNDS = {
    "body": ({"max_body": 1_000}, lambda: Reply(BIG)),
    "body in pieces": ({"max_body": 1_000}, lambda: Reply([b"x" * 500] * 3)),
    "announced body": ({"max_body": 1_000}, lambda: Reply(BIG, content_length="2000")),
    "head": ({"max_headers": 500}, lambda: Reply(b"", x_long="y" * 1_000)),
}


@pytest.mark.row("S2.92", "S2.38")
@pytest.mark.parametrize("what", BOUNDS)
async def test_sec12_what_is_too_large_passes_and_is_counted(front, what):
    """
    SEC12: the client gets all of it; nothing is kept.
    """
    options, reply = BOUNDS[what]
    expected = reply()
    backend = Backend(expected)
    client = front(backend, Rule("/page", ttl=300, **options))
    whole = b"".join(expected.body) if isinstance(expected.body, list) else expected.body
    for answer in await both(client):
        assert (answer.hit, answer.stored, answer.body) == (False, False, whole)
    assert sum(counted(client)["refused"].values()) == 2


@pytest.mark.row("S2.92")
async def test_sec12_a_url_has_only_so_many_variants(front):
    """
    SEC12: those beyond the limit pass; the first ones stay.
    """
    backend = Backend(vary="Accept")
    client = front(backend, Rule("/page", ttl=300, max_variants=3))
    for number in range(6):
        await client.get("/page", accept=f"type/{number}")
    hits = [(await client.get("/page", accept=f"type/{number}")).hit for number in range(6)]
    assert hits.count(True) == 3
    assert sum(counted(client)["refused"].values()) >= 3


@pytest.mark.row("S2.92")
async def test_sec12_a_rule_has_only_so_many_queries(front):
    """
    SEC12: `max_distinct_queries` bounds what a client can fill by counting a parameter up.
    """
    backend = Backend()
    client = front(backend, Rule("/page", ttl=300, max_distinct_queries=3))
    for number in range(6):
        await client.get(f"/page?n={number}")
    hits = [(await client.get(f"/page?n={number}")).hit for number in range(6)]
    assert hits.count(True) == 3


async def test_sec12_a_rule_has_only_so_many_addresses_at_a_time(front, cache):
    """
    SEC12: `max_keys` bounds them, whatever they differ in; when one is over, there is room for another.
    """
    client = front(Backend(), Rule("/items/{id}", ttl=300, max_keys=3))
    for number in range(6):
        await client.get(f"/items/{number}")
    assert [(await client.get(f"/items/{number}")).hit for number in range(6)] == [True] * 3 + [False] * 3
    assert counted(client, "/items/{id}")["bypass"]["too-many-keys"] == 6
    cache.clock.advance(301)
    await client.get("/items/5")
    assert (await client.get("/items/5")).hit


async def test_sec12_queries_can_be_named(front):
    """
    SEC12: `keep_query`, `ignore_query` and `sort_query` say which parameters choose the response.
    """
    backend = Backend()
    rules = [
        Rule("/keep", ttl=300, keep_query=("id",)),
        Rule("/ignore", ttl=300, ignore_query=("utm_*", "fbclid")),
        Rule("/sort", ttl=300, sort_query=True),
    ]
    client = front(backend, *rules)
    for one, other, hit in [
        ("/keep?id=1", "/keep?x=9&id=1", True),
        ("/keep?id=2", "/keep?id=3", False),
        ("/ignore?a=1", "/ignore?utm_source=x&a=1&fbclid=y", True),
        ("/ignore?a=2", "/ignore?a=2&b=1", False),
        ("/sort?a=1&b=2", "/sort?b=2&a=1", True),
        ("/sort?a=1&a=2", "/sort?a=2&a=1", False),
    ]:
        await client.get(one)
        assert (await client.get(other)).hit is hit, (one, other)


# -- SEC13: clients can't force work -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers", [{"cache_control": "no-cache"}, {"cache_control": "max-age=0"}, {"pragma": "no-cache"}]
)
async def test_sec13_a_client_cannot_make_the_application_work(front, headers):
    """
    SEC13: `no-cache`, `max-age=0` and `Pragma` get a hit by default.
    """
    backend = Backend()
    client = front(backend, PAGE)
    await client.get("/page")
    assert (await client.get("/page", **headers)).hit
    assert backend.runs == 1


async def test_sec13_no_store_and_only_if_cached_are_honoured(front):
    """
    SEC13: nothing of a `no-store` request is kept; `only-if-cached` is a hit or 504, never work.
    """
    backend = Backend()
    client = front(backend, PAGE)
    for _ in range(2):
        assert not (await client.get("/page", cache_control="no-store")).stored
    assert backend.runs == 2
    assert (await client.get("/page", cache_control="only-if-cached")).status == 504
    assert backend.runs == 2
    await client.get("/page")
    found = await client.get("/page", cache_control="only-if-cached")
    assert (found.status, found.hit) == (200, True)


async def test_sec13_where_clients_may_force_work_they_may_not_force_much(front, manual_clock):
    """
    SEC13: `honor_request_cache_control` lets them, so many times per second and not more.
    """
    backend = Backend()
    client = front(backend, PAGE, honor_request_cache_control=True, validations_per_second=5)
    await client.get("/page")
    for _ in range(50):
        assert (await client.get("/page", cache_control="no-cache")).status == 200
    assert backend.runs == 6
    manual_clock.advance(1)
    assert not (await client.get("/page", cache_control="no-cache")).hit


# -- SEC14, SEC15 ------------------------------------------------------------------------------------------------------


async def test_sec14_no_request_purges_what_the_application_has_not_changed(front):
    """
    SEC14: `PURGE` and `BAN` are methods like others: without the application's success they drop nothing.
    """
    backend = Backend(lambda asked: Reply(status=200 if asked.scope["method"] == "GET" else 405))
    client = front(backend, PAGE)
    await client.get("/page")
    for method in ("PURGE", "BAN", "REFRESH", "DELETE"):
        assert (await client.ask(method, "/page")).status == 405
    assert (await client.get("/page")).hit


async def test_sec14_the_key_is_only_shown_where_it_was_asked_for(front):
    """
    SEC14: `Cache-Status` has `key=` with `expose_key` alone, and even then no secret of the request in it.
    """
    for expose in (False, True):
        client = front(Backend(), PAGE, expose_key=expose)
        await client.get("/page")
        answer = await client.get("/page")
        assert ("key" in answer.cache) is expose


@pytest.mark.row("W13")
@pytest.mark.expects_logs
async def test_sec15_a_stored_response_that_cannot_be_read_is_a_miss(redis_server, redis_url, redis_namespace):
    """
    SEC15: bytes of any origin under a real key: the application answers, and the counter says what happened.
    """
    async with opened_cache(redis_url, redis_namespace) as (cache, _):
        backend = Backend()
        client = client_of(cache, backend, PAGE)
        await client.get("/page")
        await stored_in(redis_server, redis_namespace)
        for name in await stored_in(redis_server, redis_namespace):
            redis_server.command("SET", name, b"EC" + b"\xff" * 300)
        async with opened_cache(redis_url, redis_namespace) as (other, _):
            reader = client_of(other, backend, PAGE)
            answers = [await reader.get("/page") for _ in range(2)]
        assert [(answer.status, answer.body, answer.hit) for answer in answers] == [
            (200, b"run 2", False),
            (200, b"run 2", True),
        ]


async def stored_in(server, namespace):
    """The physical names of the entries, once there are some."""
    found = []

    def look():
        found[:] = server.command("KEYS", f"{{{namespace}.0}}:e:*")
        return found

    await until(look)
    return found


@pytest.mark.row("S2.97")
async def test_sec14_nothing_that_is_logged_counted_or_said_has_a_secret_in_it(front, cache, caplog, manual_clock):
    """
    SEC14: tokens, cookies, users, queries and bodies, while everything fails that can: functions of rules, the
    application, validation.
    """
    caplog.set_level("DEBUG")

    def failing(*given):
        raise KeyError("gone")

    canary = {"authorization": "Bearer canary", "cookie": "s=canary", "x_tenant": "canary", "if_none_match": '"canary"'}
    scope = {"user": SimpleNamespace(is_authenticated=True, name="canary")}
    rules = [
        Rule("/user", ttl=10, key_by=by_user, tags=["user:1"], stale_if_error=60),
        Rule("/key", ttl=10, key_by=failing),
        Rule("/tags", ttl=10, audience="public", tags=failing),
        Rule("/page", ttl=10, audience="public", dimensions=["x-tenant"], stale_if_error=60, methods=("GET", "QUERY")),
    ]
    backend = Backend()
    client = front(backend, *rules)
    for answer in (
        Reply(set_cookie="canary"),
        Reply(etag='"canary"'),
        Reply(cache_control="private"),
        ConnectionError("away"),
    ):
        backend.answer = answer
        for rule in rules:
            for method in ("GET", "QUERY", "PUT"):
                with suppress(ConnectionError):
                    await client.ask(
                        method,
                        f"{rule.path}?token=canary",
                        b"" if method == "GET" else b"canary",
                        scope=scope,
                        **canary,
                    )
        manual_clock.advance(20)
    assert caplog.records
    assert "canary" not in caplog.text
    assert "canary" not in repr((client.app.statistics(), cache.statistics(), cache.health()))


# -- the same through a real application -------------------------------------------------------------------------------


@pytest.mark.row("S2.4", "S2.75")
async def test_a_guard_in_front_of_the_cache_is_asked_on_every_hit(cache):
    """
    SEC4: security, cache, application: in this order the guard answers first, also where the cache has something.
    """
    app, guard_runs = FastAPI(), []

    @app.get("/page")
    async def page() -> str:
        return "page"

    class Guard:
        def __init__(self, app) -> None:
            self.app = app

        async def __call__(self, scope, receive, send):
            if scope["type"] == "http":
                guard_runs.append(scope["path"])
                if (b"x-gate", b"open") not in scope["headers"]:
                    await PlainTextResponse("no", status_code=403)(scope, receive, send)
                    return
            await self.app(scope, receive, send)

    app.add_middleware(CacheMiddleware, cache=cache, rules=[PAGE])
    app.add_middleware(Guard)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        statuses = [
            (await client.get("/page", headers={"x-gate": gate})).status_code for gate in ("open", "open", "shut")
        ]
    assert statuses == [200, 200, 403]
    assert len(guard_runs) == 3
