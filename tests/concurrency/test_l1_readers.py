"""L1 while another thread invalidates: readers hold no lock, so what they see half-way must never count as whole.

No threads here: each case lets the reader run at the one moment that matters, from inside of the invalidation or of the
comparison, where another thread could have been.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from evercache.core.entry import Entry, Lease
from evercache.core.l1 import L1
from evercache.core.protocol import LogRecord


class Watched(bytes):
    """A name; whoever looks it up in a dictionary runs *meanwhile* first."""

    meanwhile: Callable[[], object]

    def __hash__(self) -> int:
        self.meanwhile()
        return hash(bytes(self))


def cache_with_one_entry(text: Callable[[object], str] = str) -> tuple[L1, Entry]:
    l1, table = L1(max_items=None, max_weight=None), {}
    lease = Lease(math.inf)
    l1.leases = (lease,)
    l1.register(table, text)
    entry = Entry(table, "key", "value", fresh_until=math.inf, weight=1, lease=lease)
    assert l1.insert(entry, since=l1.counter, id=b"id", tags=(b"tag",), text=lambda: "key")
    return l1, entry


@pytest.mark.row("PR2", "S3.4")
@pytest.mark.parametrize("kind", ["t", "y"])
def test_an_entry_that_is_compared_during_an_invalidation_is_compared_again_after_it(kind):
    """Else the comparison would be remembered as one with the invalidation, which it had not seen yet: stale for good."""
    l1, entry = cache_with_one_entry()
    name = Watched(b"tag")
    name.meanwhile = lambda: l1.check(entry, 0.0)
    l1.apply(LogRecord(kind, name))
    assert entry.checked != l1.counter
    assert not l1.check(entry, 0.0) or entry.until == -math.inf


@pytest.mark.row("PR2", "S3.4")
def test_patterns_may_be_added_while_an_entry_is_compared_with_the_others():
    """The list that a reader walks through is never changed under its feet."""

    def text(key: object) -> str:
        l1.apply(LogRecord("b", b"another*"))
        return str(key)

    l1, entry = cache_with_one_entry(text)
    l1.apply(LogRecord("b", b"nothing*"))
    l1.apply(LogRecord("b", b"nothing either*"))
    assert l1.check(entry, 0.0)
    assert entry.checked != l1.counter


@pytest.mark.row("PR2", "S3.4")
def test_a_flush_of_all_patterns_while_an_entry_is_compared_with_them_flushes_the_entry():
    """A namespace invalidation empties the list and says so by the floor of the lease, never by the list alone."""

    def text(key: object) -> str:
        l1.apply(LogRecord("n", b""))
        return str(key)

    l1, entry = cache_with_one_entry(text)
    l1.apply(LogRecord("b", b"nothing*"))
    l1.check(entry, 0.0)
    assert not l1.check(entry, 0.0)
