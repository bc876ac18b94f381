"""Who asks, and what they are told."""

import json

import pytest

from evercache.errors import ConfigurationError
from evercache.ratelimit import Limit, Limiter, RateLimitMiddleware, by_client, by_header, by_user, everybody
from evercache.ratelimit.headers import fields_of
from evercache.testing.clock import ManualClock


def scope(peer: str | None, *headers: tuple[str, str], kind: str = "http", path: str = "/", **more):
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return {"type": kind, "client": None if peer is None else (peer, 1234), "headers": raw, "path": path, **more}


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "counted"),
    [
        ((), "203.0.113.7", "1.2.3.4", "ip:203.0.113.7"),
        (("10.0.0.0/8",), "203.0.113.7", "1.2.3.4", "ip:203.0.113.7"),
        (("10.0.0.0/8",), "10.0.0.1", "1.2.3.4", "ip:1.2.3.4"),
        (("10.0.0.0/8",), "10.0.0.1", "6.6.6.6, 1.2.3.4", "ip:1.2.3.4"),
        (("10.0.0.0/8",), "10.0.0.1", "6.6.6.6, 1.2.3.4, 10.9.9.9", "ip:1.2.3.4"),
        (("10.0.0.0/8",), "10.0.0.1", "", "ip:10.0.0.1"),
        (("10.0.0.0/8",), "10.0.0.1", "1.2.3.4:5678", "ip:1.2.3.4"),
        ((), "2001:db8:1:2:3:4:5:6", "", "ip:2001:db8:1:2::/64"),
        ((), "2001:db8:1:2:ffff::1", "", "ip:2001:db8:1:2::/64"),
        ((), "::ffff:203.0.113.7", "", "ip:203.0.113.7"),
        ((), "[2001:db8:1:2::1]:80", "", "ip:2001:db8:1:2::/64"),
        ((), "unix", "1.2.3.4", "ip:unix"),
        ((), None, "1.2.3.4", None),
    ],
)
def test_an_address_counts_as_far_as_trusted_proxies_wrote_it(trusted, peer, forwarded, counted):
    """What a client says of itself is no address, and an IPv6 client is its /64."""
    headers = [("X-Forwarded-For", forwarded)] if forwarded else []
    assert by_client(trusted)(scope(peer, *headers)) == counted


def test_networks_that_are_none_are_refused_at_once():
    """With the text that is wrong."""
    with pytest.raises(ConfigurationError, match=r"10\.0\.0\.300"):
        by_client(["10.0.0.300/8"])


def test_users_keys_and_everybody():
    """Who isn't signed in, or shows no key, isn't counted by it."""
    user = type("User", (), {"id": 7, "is_authenticated": True})()
    assert by_user()(scope("1.1.1.1", user=user)) == "user:7"
    assert by_user()(scope("1.1.1.1")) is None
    assert by_header("X-API-Key")(scope("1.1.1.1", ("x-api-key", "k1"))) == "header:k1"
    assert by_header("X-API-Key")(scope("1.1.1.1")) is None
    assert everybody(scope(None)) == "everybody"


async def application(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
    else:
        await send({"type": "websocket.accept"})


async def ask(middleware, scope):
    sent = []

    async def send(message):
        sent.append(message)

    await middleware(scope, None, send)
    return sent


async def test_the_middleware_refuses_with_a_problem_that_says_when_to_come_back():
    """429, Retry-After, the fields of the draft, and nothing that a cache may keep."""
    limits = [Limit("api", 2, "1m", key=by_client())]
    app = RateLimitMiddleware(application, limiter=Limiter(clock=ManualClock()), limits=limits, headers="both")
    for left in (1, 0):
        start, body = await ask(app, scope("203.0.113.7"))
        fields = dict(start["headers"])
        assert body["body"] == b"ok"
        assert fields[b"ratelimit-policy"] == b'"api";q=2;w=60'
        assert fields[b"ratelimit"].startswith(b'"api";r=%d;t=' % left)
        assert fields[b"x-ratelimit-remaining"] == b"%d" % left
    start, body = await ask(app, scope("203.0.113.7"))
    fields = dict(start["headers"])
    assert (start["status"], fields[b"retry-after"], fields[b"cache-control"]) == (429, b"30", b"no-store")
    problem = json.loads(body["body"])
    assert problem["violated-policies"] == ["api"]
    assert problem["type"].endswith("#quota-exceeded")
    assert (await ask(app, scope("203.0.113.8")))[0]["status"] == 200


async def test_websockets_are_counted_and_other_paths_are_not():
    """A refused one is closed with 1008."""
    limits = [Limit("api", 1, "1m", key=by_client())]
    app = RateLimitMiddleware(application, limiter=Limiter(clock=ManualClock()), limits=limits, paths=["/api/"])
    assert (await ask(app, scope("1.1.1.1", kind="websocket", path="/api/ws")))[0]["type"] == "websocket.accept"
    assert (await ask(app, scope("1.1.1.1", kind="websocket", path="/api/ws")))[0]["code"] == 1008
    assert (await ask(app, scope("1.1.1.1", path="/health")))[0]["status"] == 200


async def test_limits_of_several_identities_take_together_or_not_at_all():
    """The user is out: the address keeps what it had."""
    user = type("User", (), {"id": 7})()
    address, person = Limit("address", 5, "1m", key=by_client()), Limit("person", 1, "1m", key=by_user())
    limiter = Limiter(clock=ManualClock())
    app = RateLimitMiddleware(application, limiter=limiter, limits=[address, person])
    request = scope("1.1.1.1", user=user)
    assert (await ask(app, request))[0]["status"] == 200
    assert (await ask(app, request))[0]["status"] == 429
    assert (await limiter.hit("ip:1.1.1.1", address)).answers[0].remaining == 3


async def test_places_are_left_when_the_request_ends_however_it_ends():
    """Also by an error."""

    async def broken(scope, receive, send):
        raise RuntimeError("broken")

    limits = [Limit("jobs", 1, "1m", algorithm="concurrency", key=everybody)]
    app = RateLimitMiddleware(broken, limiter=Limiter(clock=ManualClock()), limits=limits)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="broken"):
            await ask(app, scope("1.1.1.1"))


async def test_no_fields_where_none_are_wanted():
    """But who is refused is told when to come back."""
    limiter = Limiter(clock=ManualClock())
    one = Limit("api", 1, "1m")
    assert fields_of(await limiter.hit("x", one), "none") == []
    assert [name for name, _ in fields_of(await limiter.hit("x", one), "none")] == [b"retry-after"]
