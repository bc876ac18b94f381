"""Which entry leaves when there is no room.

The problem. A hit must cost nothing but `entry.hits += 1`: no lock, no list to reorder. So order may be decided only when
something is added, from what the counters say by then; LRU, which moves an entry on every hit, is out.

The idea (S3-FIFO: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023). Most keys
are asked for once. A newcomer waits in a *small* queue, a tenth of the room. If it was asked for again by the time it
reaches the end, it moves to the *main* queue; if not it leaves, and only its fingerprint stays behind, in the *ghost*.
A key that returns while the ghost remembers it was thrown out too early and goes straight to main. Main is a FIFO in
which every hit (three at most) buys one more round.

What differs from the paper, and why:

- Queues are linked through the entries themselves. Invalidation and refresh remove from the middle all the time, and a
  slot left behind in a deque would keep a dead value in memory.
- The ghost is a table with one slot for each remainder of a fingerprint; the newer of two that meet wins. No key is
  kept alive, no chain can be made long by chosen keys, and it doubles by a copy of itself: the slot of a fingerprint is
  in the lower half or in the upper, and both hold it. It forgets some too early, for which no trace was worse.
- One in `GAMBLE` entries that nobody asked for moves to main all the same (bimodal insertion: Qureshi, Jaleel, Patt,
  Steely, Emer, "Adaptive insertion policies for high performance caching", ISCA 2007). A loop longer than the cache
  never hits anything, so the paper's main queue stays empty and the hit ratio 0; with the gamble a part of the loop
  settles in main, is hit in every turn, and stays. Elsewhere it costs less than 0.05 points.
- Entries passed over per call are bounded. If a million entries were all hit three times, the paper's loop turns three
  million times before it finds a victim; ours takes the next in line after `ROUNDS`.

What was considered and left out: a frequency sketch (Einziger, Friedman, Manes, "TinyLFU", ACM ToS 2017) beside it, and
set dueling between the two. Dueling would repair what S3-FIFO loses on loops; the gamble does that in one line.
`python -m benchmarks.hit_ratio` compares this class with LRU, SIEVE, theine and the optimum. Its weak spots: popularity
that jumps (LRU is 2 to 3 points better when the cache holds a quarter of the keys), and caches of some ten entries.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable

from evercache.core.entry import Entry
from evercache.errors import ConfigurationError

__all__ = ["S3Fifo"]

OUT, SMALL, MAIN = 0, 1, 2  # Entry.queue

SHARE = 10  # the small queue is one SHARE-th of the room, and one entry at least
CAP = 3  # hits that count in main
GAMBLE = 256  # one in so many that were asked for only once goes to main
LAST_TICK = 0xFFFFFFFF
ROUNDS = 256  # entries that one `add` may pass over: about 0.2 ms


class Queue:
    """A FIFO of entries, linked through themselves: push, shift and unlink are O(1) and leave nothing behind."""

    __slots__ = ("items", "name", "root", "weight")

    def __init__(self, name: int) -> None:
        self.name = name
        self.items = 0
        self.weight = 0
        self.root = root = Entry({}, None, None, fresh_until=0.0, weight=0)
        root.newer = root.older = root

    def push(self, entry: Entry) -> None:
        root = self.root
        newest = root.older
        newest.newer = entry
        entry.older = newest
        entry.newer = root
        root.older = entry
        entry.queue = self.name
        self.items += 1
        self.weight += entry.weight

    def shift(self) -> Entry:
        root = self.root
        entry = root.newer
        root.newer = newer = entry.newer
        newer.older = root
        # Whoever still holds this entry must not hold its neighbours, and theirs, and theirs.
        del entry.older, entry.newer
        entry.queue = OUT
        self.items -= 1
        self.weight -= entry.weight
        return entry

    def swap(self, old: Entry, new: Entry) -> None:
        new.older, new.newer = old.older, old.newer
        new.older.newer = new.newer.older = new
        new.queue = self.name
        del old.older, old.newer
        old.queue = OUT
        self.weight += new.weight - old.weight

    def unlink(self, entry: Entry) -> None:
        older, newer = entry.older, entry.newer
        older.newer = newer
        newer.older = older
        del entry.older, entry.newer
        entry.queue = OUT
        self.items -= 1
        self.weight -= entry.weight


def fingerprint_of(entry: Entry) -> int:
    """64 bits for a key within its table, whose low bits are even for any set of keys."""
    home = id(entry.table)
    # An int hashes to itself, and each place in a tuple is one round of mixing: the key needs three.
    return hash((entry.key, home, home))


class Ghost:
    """Remembers the fingerprints of the last `span` departures, most of them, in 12 to 24 bytes each."""

    __slots__ = ("fingerprints", "mask", "tick", "ticks")

    def __init__(self) -> None:
        self.fingerprints = array("q", bytes(8 * 64))
        self.ticks = array("I", bytes(4 * 64))
        self.mask = 63
        self.tick = 0

    def remember(self, entry: Entry, span: int) -> None:
        if span > self.mask:
            self.fingerprints.extend(self.fingerprints)
            self.ticks.extend(self.ticks)
            self.mask = len(self.ticks) - 1
        fingerprint = fingerprint_of(entry)
        slot = fingerprint & self.mask
        self.tick = tick = self.tick + 1 if self.tick < LAST_TICK else 0
        self.fingerprints[slot] = fingerprint
        self.ticks[slot] = tick

    def recalls(self, entry: Entry, span: int) -> bool:
        fingerprint = fingerprint_of(entry)
        slot = fingerprint & self.mask
        return self.fingerprints[slot] == fingerprint and self.tick - self.ticks[slot] <= span


class S3Fifo:
    """Keeps entries within `max_items` and `max_weight` (None: no such bound).

    - After `add` and `replace` both bounds hold. Expired entries hold room until they are evicted.
    - `evict` is called once for each entry that is pushed out, the one just added included. The entry is out by then and
      every counter right, so it may call `discard`.
    - An entry that weighs more than `max_weight` is evicted at once, and nothing else is.
    - The work of a call is bounded, except that an entry which weighs as much as a thousand others evicts a thousand.
    - `entry.weight` stays what it is while the entry is in here; `entry.hits`, `queue`, `older` and `newer` are ours.
    - Not thread-safe: the caller holds one lock around every method. `entry.hits += 1` needs none.
    """

    __slots__ = (
        "_evict",
        "_ghost",
        "_main",
        "_max_items",
        "_max_weight",
        "_small",
        "_unasked",
        "evictions",
    )

    def __init__(self, *, max_items: int | None, max_weight: int | None, evict: Callable[[Entry], None]) -> None:
        for name, bound in (("max_items", max_items), ("max_weight", max_weight)):
            if bound is not None and bound < 0:
                raise ConfigurationError(f"{name} is {bound}; give 0 or more, or None for no bound")
        self._max_items = math.inf if max_items is None else max_items
        self._max_weight = math.inf if max_weight is None else max_weight
        self._evict = evict
        self._small = Queue(SMALL)
        self._main = Queue(MAIN)
        self._ghost = Ghost()
        self._unasked = 0
        self.evictions = 0

    @property
    def items(self) -> int:
        """How many entries are in here."""
        return self._small.items + self._main.items

    @property
    def weight(self) -> int:
        """What they weigh together."""
        return self._small.weight + self._main.weight

    def add(self, entry: Entry) -> None:
        """Take *entry* in, and evict others until the bounds hold."""
        entry.hits = 0
        if entry.weight > self._max_weight:
            self.evictions += 1
            self._evict(entry)
            return
        small, main = self._small, self._main
        (main if self._ghost.recalls(entry, main.items) else small).push(entry)
        if small.items + main.items > self._max_items or small.weight + main.weight > self._max_weight:
            self._settle()

    def replace(self, old: Entry, new: Entry) -> None:
        """Let *new* take the place and the hits of *old*: a refreshed entry need not earn its room again."""
        if old.queue == OUT or new.weight > self._max_weight:
            self.discard(old)
            self.add(new)
            return
        new.hits = old.hits
        (self._main if old.queue == MAIN else self._small).swap(old, new)
        self._settle()

    def discard(self, entry: Entry) -> None:
        """Let go of *entry*, which its table no longer holds. Nothing happens if it left already."""
        if entry.queue != OUT:
            (self._main if entry.queue == MAIN else self._small).unlink(entry)

    def clear(self) -> None:
        """Let go of every entry, without a call of `evict`. The one method that takes time by the number of entries."""
        for queue in (self._small, self._main):
            while queue.items:
                queue.shift()
        self._ghost = Ghost()

    def _settle(self) -> None:
        """The oldest of the queue that holds too much moves on or leaves, until the bounds hold."""
        small, main, max_items, max_weight = self._small, self._main, self._max_items, self._max_weight
        rounds = ROUNDS
        while small.items + main.items > max_items or small.weight + main.weight > max_weight:
            rounds -= 1
            if not main.items or small.items * SHARE > max_items + SHARE or small.weight * SHARE > max_weight:
                entry = small.shift()
                if rounds > 0 and (entry.hits or self._gamble()):
                    entry.hits = 0
                    main.push(entry)
                    continue
                self._ghost.remember(entry, main.items)
            else:
                entry = main.shift()
                if rounds > 0 and entry.hits:
                    entry.hits = min(entry.hits, CAP) - 1
                    main.push(entry)
                    continue
            self.evictions += 1
            self._evict(entry)

    def _gamble(self) -> bool:
        self._unasked = (self._unasked + 1) % GAMBLE
        return not self._unasked
