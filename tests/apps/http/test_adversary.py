"""What somebody who means harm, or a client that does everything at the worst moment, tries on the HTTP cache.

Each test is an attack that has been tried by hand; those that had worked stand beside those that never did.
"""

from __future__ import annotations

import pytest

from evercache.http import CacheMiddleware
from tests.support.http import Backend, Client, Reply

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
