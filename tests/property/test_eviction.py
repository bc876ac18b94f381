"""The eviction policy against a model that knows only what must be inside."""

from __future__ import annotations

from collections.abc import Hashable

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from evercache.core.entry import Entry
from evercache.core.eviction import OUT, Queue, S3Fifo

KEYS = st.integers(0, 30)
WEIGHTS = st.integers(0, 40)


def walk(queue: Queue) -> list[Entry]:
    """The entries of *queue*, oldest first, having checked that the links agree in both directions."""
    found, at = [], queue.root
    while at.newer is not queue.root:
        assert at.newer.older is at
        at = at.newer
        found.append(at)
    assert queue.root.older is at
    return found


class Eviction(RuleBasedStateMachine):
    """Adds, hits, replacements and discards in any order: everything that is in is in one queue, and within bounds."""

    @initialize(
        max_items=st.none() | st.integers(0, 15),
        max_weight=st.none() | st.integers(0, 200),
    )
    def start(self, max_items: int | None, max_weight: int | None) -> None:
        self.max_items, self.max_weight = max_items, max_weight
        self.table: dict[Hashable, Entry] = {}
        self.left: list[Entry] = []
        self.policy = S3Fifo(max_items=max_items, max_weight=max_weight, evict=self.evict)

    def evict(self, entry: Entry) -> None:
        assert self.table.get(entry.key) is entry, "evicted twice, or never added"
        assert entry.queue == OUT
        del self.table[entry.key]
        self.left.append(entry)

    @rule(key=KEYS, weight=WEIGHTS)
    def add(self, key: int, weight: int) -> None:
        old = self.table.pop(key, None)
        if old is not None:
            self.policy.discard(old)
        entry = self.table[key] = Entry(self.table, key, None, fresh_until=1.0, weight=weight)
        self.policy.add(entry)

    @rule(key=KEYS, weight=WEIGHTS)
    def replace(self, key: int, weight: int) -> None:
        if key in self.table:
            old = self.table[key]
            new = self.table[key] = Entry(self.table, key, None, fresh_until=1.0, weight=weight)
            self.policy.replace(old, new)

    @rule(key=KEYS, times=st.integers(1, 5))
    def hit(self, key: int, times: int) -> None:
        if key in self.table:
            self.table[key].hits += times

    @rule(key=KEYS)
    def discard(self, key: int) -> None:
        if key in self.table:
            self.policy.discard(self.table.pop(key))

    @rule()
    def discard_what_left(self) -> None:
        for entry in self.left:
            self.policy.discard(entry)

    @rule(first=st.integers(100, 10_000))
    def scan(self, first: int) -> None:
        for key in range(first, first + 40):
            self.add(key, 3)

    @rule()
    def clear(self) -> None:
        self.table.clear()
        self.policy.clear()

    @invariant()
    def bounds_hold(self) -> None:
        assert self.max_items is None or self.policy.items <= self.max_items
        assert self.max_weight is None or self.policy.weight <= self.max_weight

    @invariant()
    def counters_tell_what_is_inside(self) -> None:
        assert self.policy.items == len(self.table)
        assert self.policy.weight == sum(entry.weight for entry in self.table.values())
        assert self.policy.evictions == len(self.left)

    @invariant()
    def each_entry_is_in_one_queue(self) -> None:
        small, main = walk(self.policy._small), walk(self.policy._main)
        assert {id(entry) for entry in (*small, *main)} == {id(entry) for entry in self.table.values()}
        assert len(small) + len(main) == len(self.table)
        for queue, entries in ((self.policy._small, small), (self.policy._main, main)):
            assert queue.items == len(entries)
            assert queue.weight == sum(entry.weight for entry in entries)
            assert all(entry.queue == queue.name for entry in entries)


TestEviction = Eviction.TestCase


@given(
    capacity=st.integers(20, 200),
    hot=st.integers(1, 10),
    scan=st.integers(0, 2_000),
)
def test_a_hot_set_of_half_the_cache_survives_any_scan(capacity: int, hot: int, scan: int) -> None:
    """
    Asked for twice, then again at least once in `capacity` requests: never pushed out.
    """
    table: dict[Hashable, Entry] = {}
    policy = S3Fifo(max_items=capacity, max_weight=None, evict=lambda entry: table.__delitem__(entry.key))

    def ask(key: Hashable) -> None:
        if key in table:
            table[key].hits += 1
        else:
            table[key] = Entry(table, key, None, fresh_until=1.0, weight=1)
            policy.add(table[key])

    kept = [("hot", number) for number in range(hot)]
    for key in kept * 2:
        ask(key)
    for number in range(scan):
        ask(number)
        if number % capacity == 0:
            for key in kept:
                ask(key)
    assert table.keys() >= set(kept)
