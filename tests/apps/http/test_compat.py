"""The short form: `CacheMiddleware(app, cache_patterns={prefix: ttl}, default_ttl=600)`, kept safe."""

from __future__ import annotations

import pytest

from evercache.http import Rule
from tests.support.http import Backend, Reply

PATTERNS = {
    "/api/v1/health": 60, "/api/v1/standards": 3600, "/api/v1/boardroom": 300, "/api/v1/decisions": 180,
    "/api/v1/ai/health": 120, "/api/v1/ai/metrics": 300, "/metrics": 30,
}  # fmt: skip


@pytest.mark.row("F2.3", "S2.35", "S2.32")
@pytest.mark.parametrize("prefix", PATTERNS)
async def test_each_prefix_has_its_ttl(front, manual_clock, prefix):
    """
    The path itself and what lies below it, to the second.
    """
    client = front(Backend(), cache_patterns=PATTERNS)
    for target in (prefix, f"{prefix}/1", f"{prefix}/1/detail?x=1"):
        assert not (await client.get(target)).hit
    manual_clock.advance(PATTERNS[prefix] - 1)
    for target in (prefix, f"{prefix}/1", f"{prefix}/1/detail?x=1"):
        assert (await client.get(target)).hit
    manual_clock.advance(1)
    for target in (prefix, f"{prefix}/1"):
        assert not (await client.get(target)).hit


@pytest.mark.row("F2.3", "S2.68")
@pytest.mark.parametrize(("given", "ttl"), [({}, 600), ({"default_ttl": 60}, 60), ({"default_ttl": "2m"}, 120)])
async def test_a_pattern_without_a_ttl_has_the_default_of_ten_minutes(front, manual_clock, given, ttl):
    """
    600 s, or what `default_ttl` says.
    """
    client = front(Backend(), cache_patterns={"/api": None}, **given)
    await client.get("/api/a")
    manual_clock.advance(ttl - 1)
    assert (await client.get("/api/a")).hit
    manual_clock.advance(1)
    assert not (await client.get("/api/a")).hit


@pytest.mark.row("F2.3", "W9")
async def test_there_is_no_catch_all(front):
    """
    What no pattern names isn't covered: sign-in, chats and administration least of all.
    """
    backend = Backend()
    client = front(backend, cache_patterns=PATTERNS)
    for target in ("/api/v1/auth/me", "/api/v1/chatbot/1", "/api/v1/cache/stats", "/", "/api/v1/other"):
        for _ in range(2):
            answer = await client.get(target)
            assert (answer.hit, answer.field("cache-status"), answer.field("etag")) == (False, None, None)
    assert backend.runs == 10


@pytest.mark.row("F2.3", "S2.35")
async def test_the_longest_prefix_decides_in_any_order(front, manual_clock):
    """
    /api has a minute, /api/slow an hour; a rule of its own goes before both.
    """
    patterns = {"/api": 60, "/api/slow": 3600}
    for number, ordered in enumerate((patterns, dict(reversed(patterns.items())))):
        client = front(Backend(), Rule("/api/own", ttl=10), cache_patterns=ordered)
        targets = [f"/api/a?{number}", f"/api/slow/a?{number}", f"/api/own?{number}"]
        for target in targets:
            await client.get(target)
        manual_clock.advance(59)
        found = [(await client.get(target, cache_control="only-if-cached")).hit for target in targets]
        assert found == [True, True, False]
        manual_clock.advance(2)
        found = [(await client.get(target, cache_control="only-if-cached")).hit for target in targets]
        assert found == [False, True, False]


@pytest.mark.row("F2.3", "S2.36")
async def test_x_cache_is_there_if_asked_for(front):
    """
    HIT and MISS beside Cache-Status; without `x_cache` only the standard's field.
    """
    client = front(Backend(), cache_patterns={"/a": 60}, x_cache=True)
    assert [(await client.get("/a")).field("x-cache") for _ in range(3)] == ["MISS", "HIT", "HIT"]
    assert (await client.get("/other")).field("x-cache") is None
    plain = front(Backend(), cache_patterns={"/b": 60})
    assert [(await plain.get("/b")).field("x-cache") for _ in range(2)] == [None, None]


@pytest.mark.row("F2.3")
async def test_switched_off_it_is_not_there(front):
    """
    `enabled=False`: every request is the application's, and no field is added.
    """
    backend = Backend()
    client = front(backend, Rule("/page", ttl=60), cache_patterns={"/a": 60}, enabled=False)
    for target in ("/a", "/a", "/page", "/page"):
        answer = await client.get(target)
        assert answer.headers == []
    assert backend.runs == 4


@pytest.mark.row("F2.3", "S2.97")
@pytest.mark.parametrize("status", [201, 202, 301, 404, 500, 503])
async def test_only_what_is_meant_to_be_kept_is_kept(front, status):
    """
    A pattern's ttl is for answers that may be cached by default, not for errors or for news of a change.
    """
    client = front(Backend(Reply(status=status)), cache_patterns={"/a": 60})
    answers = [await client.get("/a") for _ in range(2)]
    assert answers[1].hit is (status == 301)


@pytest.mark.row("F2.4", "S2.33")
async def test_groups_of_pages_go_together(front):
    """
    Boardrooms and decisions drop each other; sign-in and AI are groups of their own.
    """
    groups = {
        "boardroom": ("boardroom", "decisions"),
        "decisions": ("boardroom", "decisions"),
        "auth": ("auth",),
        "ai": ("ai",),
    }
    rules = [
        Rule(f"/api/v1/{name}/{{rest:path}}", ttl=300, tags=[name], invalidates=dropped)
        for name, dropped in groups.items()
    ]
    client = front(Backend(), *rules)

    async def left_after(changed):
        for name in groups:
            await client.get(f"/api/v1/{name}/1")
        await client.post(f"/api/v1/{changed}/2")
        return {name for name in groups if (await client.get(f"/api/v1/{name}/1", cache_control="only-if-cached")).hit}

    assert await left_after("boardroom") == {"auth", "ai"}
    assert await left_after("decisions") == {"auth", "ai"}
    assert await left_after("auth") == {"boardroom", "decisions", "ai"}
    assert await left_after("ai") == {"boardroom", "decisions", "auth"}


async def test_a_pattern_and_a_change_below_it(front):
    """
    PUT drops the page that it is about, under a pattern as under a rule.
    """
    client = front(Backend(), cache_patterns={"/api": 60})
    for target in ("/api/1", "/api/2"):
        await client.get(target)
    await client.ask("PUT", "/api/1")
    assert [(await client.get(target, cache_control="only-if-cached")).hit for target in ("/api/1", "/api/2")] == [
        False,
        True,
    ]
