"""What leaves when there is no room, and what stays."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Iterable

import pytest

from evercache.core.entry import Entry
from evercache.core.eviction import ROUNDS, Ghost, S3Fifo
from evercache.errors import ConfigurationError


class Value:
    """Something a weak reference can watch."""


class Shelf:
    """A table with its policy, driven as L1 drives them."""

    def __init__(self, max_items: int | None = None, max_weight: int | None = None) -> None:
        self.table: dict[object, Entry] = {}
        self.evicted: list[object] = []
        self.policy = S3Fifo(max_items=max_items, max_weight=max_weight, evict=self._evict)

    def _evict(self, entry: Entry) -> None:
        del self.table[entry.key]
        self.evicted.append(entry.key)

    def entry(self, key: object, *, weight: int = 1, value: object = None) -> Entry:
        return Entry(self.table, key, value, fresh_until=1.0, weight=weight)  # type: ignore[arg-type]

    def put(self, key: object, *, weight: int = 1, value: object = None) -> Entry:
        entry = self.table[key] = self.entry(key, weight=weight, value=value)
        self.policy.add(entry)
        return entry

    def ask(self, key: object) -> bool:
        """One request; whether it was a hit."""
        entry = self.table.get(key)
        if entry is None:
            self.put(key)
            return False
        entry.hits += 1
        return True

    def drop(self, key: object) -> None:
        self.policy.discard(self.table.pop(key))

    def hits(self, keys: Iterable[object]) -> int:
        return sum(self.ask(key) for key in keys)


def test_without_bounds_nothing_leaves() -> None:
    """
    None means no bound.
    """
    shelf = Shelf()
    for key in range(5_000):
        shelf.put(key, weight=10**6)
    assert shelf.evicted == []
    assert shelf.policy.items == 5_000


def test_of_those_nobody_asked_for_the_oldest_leaves_first() -> None:
    """
    Without hits the order is first in, first out.
    """
    shelf = Shelf(max_items=10)
    for key in range(14):
        shelf.put(key)
    assert shelf.evicted == [0, 1, 2, 3]
    assert shelf.policy.evictions == 4


@pytest.mark.row("S3.13")
def test_a_hot_set_survives_a_long_scan() -> None:
    """
    What was asked for twice is not pushed out by any number of keys asked for once.
    """
    shelf = Shelf(max_items=100)
    hot = [f"hot {number}" for number in range(50)]
    shelf.hits(hot)
    shelf.hits(hot)
    for scanned in range(10_000):
        shelf.ask(scanned)
        if scanned % 100 == 0:
            shelf.hits(hot)
    assert shelf.table.keys() >= set(hot)


def test_a_key_that_returns_soon_goes_to_main() -> None:
    """
    The ghost remembers a key that left too early; on its return a scan no longer moves it.
    """
    shelf = Shelf(max_items=20)
    shelf.hits([*range(20)] * 2)
    shelf.hits(range(100, 120))  # the twenty move to main, and these come and go in what is left
    returned = max(key for key in range(100, 120) if key not in shelf.table)
    shelf.ask(returned)
    shelf.hits(range(1_000, 1_020))
    assert returned in shelf.table


@pytest.mark.parametrize("capacity", [30, 70, 100, 250, 500, 700, 900])
def test_a_loop_longer_than_the_cache_is_hit(capacity: int) -> None:
    """
    LRU and plain S3-FIFO hit nothing here; a part of the loop must settle.
    """
    shelf = Shelf(max_items=capacity)
    loop = range(1_000)
    for _ in range(100):
        shelf.hits(loop)
    assert shelf.hits(loop) >= min(capacity, 300) // 2


def test_an_entry_heavier_than_everything_leaves_alone() -> None:
    """
    It is evicted at once, and nobody makes room for it in vain.
    """
    shelf = Shelf(max_weight=100)
    shelf.put("light", weight=60)
    shelf.put("heavy", weight=101)
    assert shelf.evicted == ["heavy"]
    assert (shelf.policy.items, shelf.policy.weight) == (1, 60)


@pytest.mark.parametrize("max_items", [0, 1, 2, 3])
def test_the_smallest_caches_hold_what_they_may(max_items: int) -> None:
    """
    Neither the share of the small queue nor anything else rounds the room away.
    """
    shelf = Shelf(max_items=max_items)
    for key in range(20):
        shelf.ask(key)
        shelf.ask(key // 2)
    assert shelf.policy.items == len(shelf.table) == max_items


def test_a_newcomer_is_not_the_first_to_leave() -> None:
    """
    Even when main fills nearly everything, the latest entry stays until the next one comes.
    """
    shelf = Shelf(max_items=5)
    shelf.hits([*range(5)] * 3)
    for key in range(100, 120):
        shelf.put(key)
        assert key in shelf.table


def test_discarding_twice_counts_once() -> None:
    """
    An entry that left already may be discarded again: invalidation and eviction may meet.
    """
    shelf = Shelf(max_items=10, max_weight=100)
    entry = shelf.put("a", weight=7)
    shelf.put("b", weight=5)
    shelf.policy.discard(entry)
    shelf.policy.discard(entry)
    assert (shelf.policy.items, shelf.policy.weight, shelf.policy.evictions) == (1, 5, 0)


def test_a_discarded_value_is_freed_at_once() -> None:
    """
    No queue keeps a value alive that was invalidated, wherever it stood.
    """
    shelf = Shelf(max_items=10)
    values = [Value() for _ in range(3)]
    watched = [weakref.ref(value) for value in values]
    for key in range(3):
        shelf.put(key, value=values[key])
    values.clear()
    shelf.drop(1)
    assert [ref() is None for ref in watched] == [False, True, False]


def test_whoever_keeps_an_entry_that_left_keeps_no_other() -> None:
    """
    A reader may hold an evicted entry for long; its former neighbours must not stay in memory with it.
    """
    shelf = Shelf(max_items=2)
    held = shelf.put("held")
    watched = weakref.ref(shelf.put("neighbour", value=Value()).value)
    shelf.hits(range(10))
    assert "held" not in shelf.table
    assert watched() is None
    assert held.key == "held"


def test_a_replacement_inherits_place_and_hits() -> None:
    """
    A refreshed entry stays in main: a scan does not get at it.
    """
    shelf = Shelf(max_items=20)
    shelf.hits(["hot", *range(19), "hot"])
    shelf.hits(range(100, 130))
    old = shelf.table["hot"]
    new = shelf.table["hot"] = shelf.entry("hot", weight=3)
    shelf.policy.replace(old, new)
    assert shelf.policy.weight == 22
    shelf.policy.discard(old)  # it is out: nothing happens
    shelf.hits(range(200, 230))
    assert "hot" in shelf.table
    shelf.drop("hot")
    assert shelf.policy.items == shelf.policy.weight == len(shelf.table)


def test_a_heavier_replacement_makes_room() -> None:
    """
    The bounds hold after `replace` as after `add`, and one that is too heavy leaves with the one it came for.
    """
    shelf = Shelf(max_weight=100)
    for key in range(10):
        shelf.put(key, weight=10)
    old = shelf.table[9]
    new = shelf.table[9] = shelf.entry(9, weight=45)
    shelf.policy.replace(old, new)
    assert shelf.policy.weight <= 100
    huge = shelf.table[9] = shelf.entry(9, weight=101)
    shelf.policy.replace(new, huge)
    assert 9 not in shelf.table
    assert shelf.policy.weight == sum(entry.weight for entry in shelf.table.values())


def test_one_add_passes_over_few_entries_however_hot_all_are() -> None:
    """
    No add stalls: the hits of at most `ROUNDS` entries are spent before somebody leaves.
    """
    shelf = Shelf(max_items=5_000)
    shelf.hits(range(5_000))
    for entry in shelf.table.values():
        entry.hits = 9
    shelf.put("new")
    assert sum(entry.hits != 9 for entry in shelf.table.values()) <= ROUNDS + 1
    assert shelf.policy.evictions == 1


def test_clear_lets_everything_go_without_evicting() -> None:
    """
    The caller empties its tables itself; entries held elsewhere are out.
    """
    shelf = Shelf(max_items=10)
    entries = [shelf.put(key) for key in range(10)]
    shelf.policy.clear()
    for entry in entries:
        shelf.policy.discard(entry)
    assert (shelf.policy.items, shelf.policy.weight, shelf.evicted) == (0, 0, [])


def test_evict_may_discard_another() -> None:
    """
    An eviction may take related entries along; counters stay right.
    """
    table: dict[object, Entry] = {}

    def evict(entry: Entry) -> None:
        del table[entry.key]
        if (partner := table.pop(("partner", entry.key), None)) is not None:
            policy.discard(partner)

    policy = S3Fifo(max_items=10, max_weight=None, evict=evict)
    for key in [*range(5), *[("partner", key) for key in range(5)], *range(5, 30)]:
        entry = table[key] = Entry(table, key, None, fresh_until=1.0, weight=2)  # type: ignore[arg-type]
        policy.add(entry)
    assert policy.items == len(table) <= 10
    assert policy.weight == 2 * len(table)


@pytest.mark.parametrize("bound", ["max_items", "max_weight"])
def test_a_negative_bound_is_refused(bound: str) -> None:
    """
    The message names the option.
    """
    with pytest.raises(ConfigurationError, match=bound):
        Shelf(**{bound: -1})


def test_the_ghost_is_bounded_by_its_span() -> None:
    """
    A hundred thousand departures take no more memory than the span asks for.
    """
    ghost, shelf = Ghost(), Shelf()
    for key in range(100_000):
        ghost.remember(shelf.entry(key), span=1_000)
    assert len(ghost.ticks) == len(ghost.fingerprints) == 1_024


@pytest.mark.parametrize("stride", [1, 1 << 16, 1 << 40, (1 << 61) + 1])
def test_chosen_keys_do_not_crowd_the_ghost(stride: int) -> None:
    """
    Integers hash to themselves; picked so that their low bits agree they must still find slots of their own.
    """
    ghost, shelf = Ghost(), Shelf()
    entries = [shelf.entry(number * stride) for number in range(500)]
    for entry in entries:
        ghost.remember(entry, span=1_000)
    assert sum(ghost.recalls(entry, 1_000) for entry in entries) >= 300


def test_the_ghost_keeps_its_memory_when_it_grows() -> None:
    """
    Doubling loses none, and what is older than the span is not recalled.
    """
    ghost, shelf = Ghost(), Shelf()
    entries = [shelf.entry(number) for number in range(30)]
    for entry in entries:
        ghost.remember(entry, span=10)
    before = sum(ghost.recalls(entry, 1_000) for entry in entries)
    ghost.remember(shelf.entry("one more"), span=100)
    after = sum(ghost.recalls(entry, 1_000) for entry in entries)
    assert before >= after >= before - 1  # the newcomer may have taken one slot
    assert not any(ghost.recalls(entry, 10) for entry in entries[:20])


def test_the_same_key_of_another_table_is_another_key() -> None:
    """
    Two functions called with 42 don't share a memory.
    """
    ghost, one, other = Ghost(), Shelf(), Shelf()
    ghost.remember(one.entry(42), span=10)
    assert ghost.recalls(one.entry(42), 10)
    assert not ghost.recalls(other.entry(42), 10)


@pytest.mark.row("S3.13")
def test_skewed_requests_with_scans_are_hit_more_often_than_by_lru() -> None:
    """
    The reason for all this: at the same size, more hits than LRU.
    """
    skewed = [int(5_000 / (1 + turn * 7919 % 5_003)) for turn in range(20_000)]
    requests = [key for turn, key in enumerate(skewed) for key in ((key, -turn) if turn % 3 == 0 else (key,))]
    lru: OrderedDict[int, None] = OrderedDict()
    lru_hits = 0
    for key in requests:
        lru_hits += key in lru
        lru[key] = None
        lru.move_to_end(key)
        if len(lru) > 20:
            lru.popitem(last=False)
    assert Shelf(max_items=20).hits(requests) > lru_hits
