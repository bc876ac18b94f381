"""Heads that are alike mean the same, and what a head means now is never said of another moment."""

from __future__ import annotations

import pytest

from evercache.http.dates import format_date
from evercache.http.heads import Heads
from evercache.http.rules import Rule, Settings

NOW = 1_700_000_000.0
POLICY = Rule("/a", ttl=60).policy(Settings())
JSON = (b"content-type", b"application/json")


def length(number: int) -> tuple[bytes, bytes]:
    return b"content-length", str(number).encode()


HEADS = [
    (JSON, length(1)),
    (length(1), JSON),
    (JSON,),
    (JSON, length(1), length(1)),
    (JSON, length(1), (b"connection", b"content-length")),
    (JSON, length(1), (b"cache-control", b'private="content-length"')),
    (
        JSON,
        length(1),
        (b"cache-control", b"max-age=5, stale-if-error=9"),
        (b"vary", b"accept"),
        (b"cache-groups", b'"g"'),
    ),
    (JSON, length(1), (b"expires", format_date(NOW + 30).encode())),
    (JSON, length(1), (b"date", format_date(NOW - 30).encode())),
    (JSON, length(1), (b"age", b"7"), (b"etag", b'"a"')),
    (JSON, length(1), (b"cache-control", b"no-store")),
    (JSON, length(1), (b"content-encoding", b"gzip")),
]


@pytest.mark.parametrize("fields", HEADS)
@pytest.mark.parametrize("status", [200, 404])
def test_a_head_that_is_known_is_read_as_an_unknown_one(fields, status):
    """At another moment, after another wait, with another length."""
    known = Heads(POLICY)
    for moment, wait, size in ((0.0, 0.0, 1), (50.0, 2.5, 1_000), (90.0, 0.0, 7)):
        head = tuple(length(size) if name == b"content-length" else (name, value) for name, value in fields)
        times = {"requested": NOW + moment, "received": NOW + moment + wait}
        found, fresh = known.read(status, head, **times), Heads(POLICY).read(status, head, **times)
        assert found._replace(size=0) == fresh._replace(size=0)


def test_a_slow_answer_says_nothing_of_the_next_one():
    """What had grown stale on its way isn't stored; the next one of the same head may be."""
    heads, fields = Heads(POLICY), (JSON, (b"cache-control", b"max-age=5"))
    slow = heads.read(200, fields, requested=NOW, received=NOW + 6)
    assert slow.refusal is not None
    assert heads.read(200, fields, requested=NOW, received=NOW + 1).refusal is None
