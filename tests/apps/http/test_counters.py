"""What the cache says that it did: Cache-Status of RFC 9211 on each response, and a count for each rule (A8)."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

import pytest

from evercache.http import Rule
from evercache.testing.clock import settle
from tests.support.ears import until
from tests.support.http import Backend, Reply, client_of

PAGE = Rule("/page", ttl=300)
# RFC 9211 §2: a token or a string, and parameters of known types.
MEMBER = re.compile(
    r'evercache(; ?(hit|fwd=[a-z-]+|fwd-status=\d{3}|ttl=-?\d+|stored|collapsed|key="[^"]*"|detail=([a-z][\w.-]*|"[^"]*")))+'
)


def statistics(client, rule="/page"):
    return client.app.statistics()[rule]


async def revalidated(client, backend, clock):
    backend.answer = Reply(cache_control="max-age=10", etag='"a"')
    await client.get("/page")
    backend.answer = Reply(b"", status=304, cache_control="max-age=10")
    clock.advance(20)
    return await client.get("/page")


async def missed(client, backend, clock):
    return await client.get("/page")


async def missed_variant(client, backend, clock):
    backend.answer = Reply(vary="Accept")
    await client.get("/page", accept="a")
    return await client.get("/page", accept="b")


async def hit(client, backend, clock):
    await client.get("/page")
    clock.advance(1)
    return await client.get("/page")


async def stale(client, backend, clock):
    backend.answer = Reply(cache_control="max-age=10, stale-while-revalidate=60")
    await client.get("/page")
    clock.advance(20)
    answer = await client.get("/page")
    await settle()
    return answer


async def expired(client, backend, clock):
    await client.get("/page")
    clock.advance(301)
    return await client.get("/page")


async def not_stored(client, backend, clock):
    backend.answer = Reply(cache_control="no-store")
    return await client.get("/page")


async def failed(client, backend, clock):
    backend.answer = Reply(status=503)
    return await client.get("/page")


async def with_credentials(client, backend, clock):
    return await client.get("/page", authorization="Bearer a")


async def changed(client, backend, clock):
    return await client.post("/page")


OUTCOMES = {
    missed: "evercache; fwd=uri-miss; fwd-status=200; stored",
    missed_variant: "evercache; fwd=vary-miss; fwd-status=200; stored",
    hit: "evercache; hit; ttl=299",
    stale: "evercache; hit; ttl=-10",
    expired: "evercache; fwd=stale; fwd-status=200; stored",
    revalidated: "evercache; fwd=stale; fwd-status=304; stored",
    not_stored: "evercache; fwd=uri-miss; fwd-status=200",
    failed: "evercache; fwd=uri-miss; fwd-status=503",
    with_credentials: "evercache; detail=credentials",
    changed: "evercache; fwd=method",
}


@pytest.mark.row("S2.36", "F2.3")
@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: outcome.__name__)
async def test_a8_each_answer_says_what_became_of_its_request(front, manual_clock, outcome):
    """
    A8: one line of Cache-Status, in the grammar of RFC 9211.
    """
    backend = Backend()
    answer = await outcome(front(backend, PAGE), backend, manual_clock)
    [said] = answer.fields("cache-status")
    assert MEMBER.fullmatch(said), said
    wanted, parts = OUTCOMES[outcome].split("; "), re.split("; ?", said)
    # What else is said (how long it will be fresh, why it isn't stored) may follow; a claim to have stored it may not.
    assert [part for part in wanted if part not in parts] == [], said
    assert ("stored" in parts) is ("stored" in wanted)


@pytest.mark.row("S2.36")
async def test_a8_the_line_comes_after_those_of_other_caches(front):
    """
    A8: what a cache behind the application said stays in front of ours, also on a hit.
    """
    client = front(Backend(cache_status='inner; fwd=miss, "other"; hit'), PAGE)
    for wanted in ("evercache;fwd=uri-miss", "evercache;hit"):
        lines = (await client.get("/page")).fields("cache-status")
        assert lines[0] == 'inner; fwd=miss, "other"; hit'
        assert lines[-1].replace("; ", ";").startswith(wanted)


async def test_a8_the_cache_has_the_name_that_it_was_given(front):
    """
    A8: a token as it is, anything else as a string.
    """
    for name, said in (("edge", "edge;"), ("the edge", '"the edge";')):
        client = front(Backend(), Rule(f"/{len(name)}", ttl=60), name=name)
        assert str((await client.get(f"/{len(name)}")).field("cache-status")).startswith(said)


@pytest.mark.row("S2.36", "S2.88")
async def test_a8_hits_and_misses_are_counted_by_rule(front):
    """
    A8: each request once, under the rule that covered it; what no rule covers isn't counted.
    """
    client = front(Backend(), Rule("/a", ttl=60), Rule("/b/{id}", ttl=60, name="b"))
    for target in ("/a", "/a", "/a", "/b/1", "/b/2", "/b/1", "/c"):
        await client.get(target)
    found = client.app.statistics()
    assert set(found) == {"/a", "b"}
    assert (found["/a"]["hit"], found["/a"]["miss"], found["/a"]["stored"]) == (2, 1, 1)
    assert (found["b"]["hit"], found["b"]["miss"], found["b"]["stored"]) == (1, 2, 2)


REASONS = {
    "no-store": Reply(cache_control="no-store"),
    "private": Reply(cache_control="private"),
    "vary": Reply(vary="*"),
    "set-cookie": Reply(set_cookie="a=1"),
    "status": Reply(status=206),
    "error-without-freshness": Reply(status=404),
    "content-range": Reply(content_range="bytes 0-1/2"),
    "incomplete": Reply(b"half", content_length="8"),
    "coding": Reply(b"x", content_encoding="br"),
    "not-understood": Reply(status=418, cache_control="must-understand, max-age=60"),
}


@pytest.mark.row("S2.36")
@pytest.mark.parametrize("reason", REASONS)
async def test_a8_each_refusal_has_its_reason(front, reason):
    """
    A8: why a response wasn't stored, by name.
    """
    client = front(Backend(REASONS[reason]), PAGE)
    await client.get("/page", accept_encoding="gzip")
    assert dict(statistics(client)["refused"]) == {reason: 1}
    assert statistics(client)["stored"] == 0


@pytest.mark.parametrize("reason", ["no-freshness", "request-no-store"])
async def test_a8_what_the_request_or_nobody_said_is_a_reason_too(front, reason):
    """
    A8: a rule without ttl over a response without freshness; a client that wants nothing kept.
    """
    client = front(Backend(), Rule("/page") if reason == "no-freshness" else PAGE)
    await client.get("/page", **({} if reason == "no-freshness" else {"cache_control": "no-store"}))
    assert statistics(client)["refused"] == {reason: 1}


@pytest.mark.row("S2.36")
async def test_a8_bypasses_are_counted_by_reason(front):
    """
    A8: credentials, a host that isn't allowed.
    """
    client = front(Backend(), PAGE, allowed_hosts=("app",))
    await client.get("/page", cookie="a=1")
    await client.get("/page", authorization="Bearer a")
    client.host = "evil"
    await client.get("/page")
    bypass, refused = statistics(client)["bypass"], statistics(client)["refused"]
    # The first answers have to be looked at: they might say that they are for everybody.
    assert bypass.get("credentials", 0) + refused.get("credentials", 0) == 2
    assert sum(bypass.values()) + sum(refused.values()) == 3
    assert statistics(client)["hit"] == 0


@pytest.mark.row("S2.36", "S2.16")
async def test_a8_the_counts_are_part_of_the_caches_own(front, cache):
    """
    A8: whoever watches the cache sees its responses.
    """
    client = front(Backend(), PAGE)
    for _ in range(3):
        await client.get("/page")
    assert cache.statistics()["http"]["/page"]["hit"] == 2


@pytest.mark.row("S2.36", "S2.88", "S2.16")
async def test_a8_the_hit_rate_of_the_cache_knows_of_misses(front, cache, manual_clock):
    """
    A8: what the cache says of itself as a whole counts responses as it counts values: two of three were there.
    """
    backend = Backend(Reply(cache_control="max-age=10", etag='"a"'))
    client = front(backend, PAGE)
    for _ in range(3):
        await client.get("/page")
    backend.answer = Reply(b"", status=304, cache_control="max-age=10", etag='"a"')
    manual_clock.advance(20)
    for _ in range(3):
        await client.get("/page")
    opened = backend.shut()
    backend.answer = Reply(b"page")
    waiting = [client.start("GET", "/page?x=1") for _ in range(3)]
    await until(lambda: backend.running)
    await settle()
    opened.set()
    await asyncio.gather(*waiting)
    for _ in range(9):
        await client.get("/page?x=1")
    found = cache.statistics()
    assert found["requests"] == 18
    assert found["hit_rate"] == 13 / 18
    assert found["functions"]["http /page"]["misses"] == {"uri-miss": 2, "revalidated": 1, "collapsed": 2}


@pytest.mark.row("S2.36")
async def test_a8_every_request_has_one_outcome(front, manual_clock):
    """
    A8: over a mixed day, hits, misses, stale answers, validations, waits and bypasses add up to what was asked.
    """
    backend = Backend(Reply(cache_control="max-age=10, stale-while-revalidate=5", etag='"a"'))
    client = front(backend, PAGE)
    asked = Counter()
    for number in range(60):
        if number % 7 == 0:
            manual_clock.advance(6)
        headers = {"authorization": "Bearer a"} if number % 11 == 0 else {}
        asked["sequential"] += (await client.get("/page", **headers)).status == 200
        await settle()
    manual_clock.advance(100)
    opened = backend.shut()
    waiting = [client.start("GET", "/page") for _ in range(10)]
    await until(lambda: backend.running)
    await settle()
    opened.set()
    await asyncio.gather(*waiting)
    found = statistics(client)
    counted = sum(found[name] for name in ("hit", "miss", "stale", "revalidated", "collapsed"))
    assert counted + sum(found["bypass"].values()) == 70


@pytest.mark.row("S2.36")
async def test_a8_concurrent_counts_lose_nothing(two_caches):
    """
    A8: each worker counts its own.
    """
    backend = Backend(Reply(b"page"))
    clients = [client_of(cache, backend, PAGE) for cache in two_caches]
    await asyncio.gather(*(client.get("/page") for client in clients for _ in range(100)))
    for client in clients:
        found = statistics(client)
        assert found["hit"] + found["miss"] + found["collapsed"] == 100


@pytest.mark.row("S2.88", "S2.32")
async def test_a8_a_usual_mix_is_answered_from_the_cache(front):
    """
    A8: a thousand requests for a hundred pages, the popular ones more often: 90 of 100 are hits.
    """
    client = front(Backend(), Rule("/page/{id}", ttl=300))
    for number in range(1_000):
        await client.get(f"/page/{number % 100}")
    found = statistics(client, "/page/{id}")
    assert found["hit"] / (found["hit"] + found["miss"]) == 0.9
