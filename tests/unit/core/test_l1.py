"""The process cache: what an invalidation reaches, and what may go in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.core import l1 as module
from evercache.core.entry import Entry, Lease
from evercache.core.l1 import L1
from evercache.core.protocol import LogRecord

NOW = 100.0


class Box:
    """An L1 with one table and one lease, and short words to speak to it."""

    def __init__(self, *, shared: bool = True, max_items: int | None = None) -> None:
        self.l1 = L1(max_items=max_items, max_weight=None)
        self.l1.shared = shared
        self.lease = Lease(math.inf)
        self.l1.leases = (self.lease,)
        self.table: dict = {}
        self.l1.register(self.table, lambda key: f"users:{key}")

    def insert(self, key, *tags: bytes, since: int | None = None, id: bytes | None = None) -> bool:
        entry = Entry(self.table, key, "value", fresh_until=NOW + 60, weight=1, lease=self.lease)
        since = self.l1.counter if since is None else since
        id = b"id-%d" % key if id is None else id
        return self.l1.insert(entry, since=since, id=id, tags=tags, text=lambda: f"users:{key}")

    def has(self, key) -> bool:
        entry = self.table.get(key)
        return entry is not None and self.l1.check(entry, NOW) and entry.until > NOW

    def say(self, kind: str, name: bytes = b"") -> None:
        self.l1.apply(LogRecord(kind, name))


RECORDS = [
    (LogRecord("k", b"id-1"), {2}),
    (LogRecord("x", b"id-1"), {2}),
    (LogRecord("t", b"one"), {2}),
    (LogRecord("y", b"one"), {2}),
    (LogRecord("t", b"both"), set()),
    (LogRecord("b", b"users:1"), {2}),
    (LogRecord("b", b"users:*"), set()),
    (LogRecord("b", b"posts:*"), {1, 2}),
    (LogRecord("n", b""), set()),
    (LogRecord("o", b""), {1, 2}),
]


@pytest.mark.row("PR2")
@pytest.mark.parametrize(("record", "left"), RECORDS)
def test_an_invalidation_reaches_what_it_names_and_nothing_else(record, left):
    """Keys, tags, patterns, the namespace; an opened log means nothing."""
    box = Box()
    assert box.insert(1, b"one", b"both")
    assert box.insert(2, b"two", b"both")
    box.l1.apply(record)
    assert {key for key in (1, 2) if box.has(key)} == left


@pytest.mark.row("PR2")
@pytest.mark.parametrize(("record", "left"), RECORDS)
def test_what_was_touched_since_its_proof_was_sent_stays_out(record, left):
    """The invalidation came first and found nothing to drop; the value it means must not follow it in."""
    box = Box()
    since = box.l1.counter
    box.l1.apply(record)
    assert box.insert(1, b"one", b"both", since=since) == (1 in left)
    assert box.insert(2, b"two", b"both", since=since) == (2 in left)


@pytest.mark.row("PR2")
def test_a_flush_forgets_and_keeps_out_what_was_asked_before():
    """Something may have been missed; what is asked afterwards may go in."""
    box = Box()
    box.insert(1)
    since = box.l1.counter
    box.l1.flush(box.lease)
    assert not box.has(1)
    assert not box.insert(2, since=since)
    assert box.insert(3)
    assert box.has(3)


def test_a_flush_of_one_lease_leaves_the_others():
    """Each partition has its own log."""
    box = Box()
    box.insert(1)
    other = Lease(math.inf)
    box.l1.leases = (box.lease, other)
    box.l1.flush(other)
    assert box.has(1)


def test_unknown_counts_as_touched():
    """The ring of invalidations is finite: what it no longer reaches back to is not let in."""
    box = Box()
    since = box.l1.counter
    for _ in range(module.RING + 1):
        box.say("k", b"other")
    assert not box.insert(1, since=since)
    assert box.insert(1, since=box.l1.counter - 10)


def test_more_bans_than_are_kept_flush_instead():
    """Precision is given up, never an invalidation."""
    box = Box()
    box.insert(1)
    for number in range(module.MAX_BANS + 1):
        box.say("b", b"posts:%d" % number)
    assert not box.has(1)
    assert box.insert(1)
    assert box.has(1)


def test_no_hit_passes_unseen_while_somebody_watches():
    """The number that hits compare with is the counter, and none at all until the last one has looked away."""
    box = Box()
    box.insert(1)
    for watching in (0, 1, 2, 1, 0):
        while box.l1._watchers < watching:
            box.l1.watch()
        while box.l1._watchers > watching:
            box.l1.unwatch()
        assert (box.l1.passing == box.table[1].checked) is (watching == 0)
        box.l1.apply(LogRecord("t", b"other"))
        box.l1.flush(Lease(0.0))
        assert box.l1.check(box.table[1], 0.0)
        assert (box.l1.passing == box.l1.counter) is (watching == 0)


def test_a_tag_that_nobody_holds_costs_nothing():
    """Cells vanish with the last entry that names them."""
    box = Box()
    box.insert(1, b"t")
    box.say("k", b"id-1")
    assert len(box.l1._cells) == 0


@pytest.mark.parametrize("record", [LogRecord("x", b"id-1"), LogRecord("y", b"t")])
def test_without_a_shared_store_an_expired_entry_is_kept_as_stale(record):
    """Somebody has to keep it for fail-safe; it answers no short path any more."""
    box = Box(shared=False)
    box.insert(1, b"t")
    box.l1.apply(record)
    entry = box.table[1]
    assert box.l1.check(entry, NOW)
    assert entry.stale
    assert (entry.until, entry.fresh_until) == (-math.inf, NOW)


@pytest.mark.row("PR2")
def test_two_table_keys_of_one_store_key_never_both_stay():
    """1 and True may be one key of the store; an invalidation must find whatever entry it names."""
    box = Box()
    box.insert(1, id=b"same")
    box.insert(2, id=b"same")
    box.say("k", b"same")
    assert box.table == {}
    assert box.l1.policy.items == 0


def test_a_newer_entry_takes_the_place_of_the_older():
    """And its index: the key is dropped by the old one's leaving no more."""
    box = Box()
    box.insert(1, b"t")
    old = box.table[1]
    box.insert(1)
    box.l1.drop(old)
    box.say("t", b"t")
    assert box.has(1)
    box.say("k", b"id-1")
    assert not box.has(1)


def test_eviction_leaves_nothing_behind():
    """Neither in the table nor in the index of ids."""
    box, gone = Box(max_items=2), []
    box.l1.on_evict = gone.append
    for key in range(5):
        box.insert(key)
    assert len(box.table) == len(box.l1.ids) == box.l1.policy.items == 2
    assert len(gone) == 3


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), st.integers(0, 3), st.sets(st.sampled_from([b"a", b"b"])), st.integers(0, 3)),
        st.tuples(st.just("say"), st.sampled_from("kxtybn"), st.integers(0, 3)),
        st.tuples(st.just("flush")),
        st.tuples(st.just("read"), st.integers(0, 3)),
    ),
    max_size=40,
)


@given(STEPS, st.sampled_from([None, 1, 2]))
def test_a_hit_was_touched_by_nothing_since_its_proof(steps, max_items):
    """The plainest model: remember every invalidation, and look through all of them at each hit."""
    box, said, proofs = Box(max_items=max_items), [], {}
    for step in steps:
        match step:
            case ("insert", key, tags, age):
                since = max(0, box.l1.counter - age)
                if box.insert(key, *tags, since=since):
                    proofs[key] = since, tags
            case ("say", kind, number):
                name = {"k": b"id-%d", "x": b"id-%d", "b": b"users:%d", "n": b""}.get(kind, b"ab"[number % 2 :][:1])
                name = name % number if b"%d" in name else name
                box.say(kind, name)
                said.append((box.l1.counter, kind, name))
            case ("flush",):
                box.l1.flush(box.lease)
                said.append((box.l1.counter, "n", b""))
            case ("read", key):
                if box.has(key):
                    since, tags = proofs[key]
                    later = [(kind, name) for number, kind, name in said if number > since]
                    meant = {b"id-%d" % key, b"users:%d" % key, b"", *tags}
                    assert not [name for _, name in later if name in meant]
        assert set(box.l1.ids.values()) == set(box.table.values())
