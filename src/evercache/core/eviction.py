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
- The ghost is a table of 64-bit words, two-way associative: fingerprint and tick of departure. No key is kept alive, no
  chain can be made long by chosen keys, and it grows by doubling in place: a word sits at `fingerprint mod size`, so
  the copy in each half is found by the half of the fingerprints it belongs to.
- Rounds per eviction are bounded. If a million entries were all hit three times, the paper's loop turns three million
  times before it finds a victim; ours takes the next in line after `ROUNDS`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

from evercache.core.entry import Entry

__all__ = ["S3Fifo"]

OUT, SMALL, MAIN = 0, 1, 2  # Entry.queue

PROMOTE = 1  # hits in the small queue that earn a place in main
CAP = 3  # hits that count in main
ROUNDS = 256  # entries one eviction may pass over: about 0.1 ms
SHARE = 10  # the small queue is one SHARE-th of the room


class Queue:
    """A FIFO of entries, linked through themselves: push, shift and unlink are O(1) and leave nothing behind."""

    __slots__ = ("items", "name", "root", "weight")

    def __init__(self, name: int) -> None:
        self.name = name
        self.items = 0
        self.weight = 0
        self.root = root = Entry({}, None, None, fresh_until=0.0, dead_at=0.0, weight=0)
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

    def unlink(self, entry: Entry) -> None:
        older, newer = entry.older, entry.newer
        older.newer = newer
        newer.older = older
        # Whoever still holds this entry must not hold its neighbours, and theirs, and theirs.
        del entry.older, entry.newer
        entry.queue = OUT
        self.items -= 1
        self.weight -= entry.weight


class Ghost:
    """Remembers the fingerprints of the last `span` departures, nearly all of them, in 16 to 32 bytes each."""

    __slots__ = ("mask", "tick", "words")

    def __init__(self) -> None:
        self.words = array("Q", bytes(8 * 64))
        self.mask = 63
        self.tick = 0

    def remember(self, fingerprint: int, span: int) -> None:
        while span * 2 > self.mask:
            self.words.extend(self.words)
            self.mask = len(self.words) - 1
        self.tick = tick = (self.tick + 1) & 0xFFFFFFFF
        words, first = self.words, fingerprint & self.mask
        second = first ^ 1
        older = (tick - words[first]) & 0xFFFFFFFF > (tick - words[second]) & 0xFFFFFFFF
        words[first if older else second] = fingerprint & 0xFFFFFFFF00000000 | tick

    def recalls(self, fingerprint: int, span: int) -> bool:
        words, slot = self.words, fingerprint & self.mask
        word = words[slot]
        if (word ^ fingerprint) >> 32:
            word = words[slot ^ 1]
            if (word ^ fingerprint) >> 32:
                return False
        return (self.tick - word) & 0xFFFFFFFF <= span


def fingerprint_of(entry: Entry) -> int:
    """64 bits for the key within its table. Through a tuple, whose hash mixes: that of an int is the int."""
    return hash((id(entry.table), entry.key)) & 0xFFFFFFFFFFFFFFFF


class S3Fifo:
    """Keeps entries within `max_items` and `max_weight` (None: no such bound).

    - After `add` returns, both bounds hold. Expired entries hold room until they are evicted.
    - `evict` is called once for each entry that `add` pushes out, the added one included; it may call `discard`, not `add`.
    - An entry that weighs more than `max_weight` is evicted at once, and nothing else is.
    - The work of a call is bounded for entries of like weight; one that weighs as much as a thousand evicts a thousand.
    - Not thread-safe: the caller holds one lock around every method. `entry.hits += 1` needs none.
    """

    __slots__ = ("_evict", "_ghost", "_main", "_max_items", "_max_weight", "_small", "evictions", "items", "weight")

    def __init__(self, *, max_items: int | None, max_weight: int | None, evict: Callable[[Entry], None]) -> None:
        self._max_items = float("inf") if max_items is None else max_items
        self._max_weight = float("inf") if max_weight is None else max_weight
        self._evict = evict
        self._small = Queue(SMALL)
        self._main = Queue(MAIN)
        self._ghost = Ghost()
        self.items = 0
        self.weight = 0
        self.evictions = 0

    def add(self, entry: Entry) -> None:
        """Take *entry* in, and evict others until the bounds hold."""
        if entry.weight > self._max_weight:
            self.evictions += 1
            self._evict(entry)
            return
        main = self._main
        queue = main if self._ghost.recalls(fingerprint_of(entry), main.items) else self._small
        entry.hits = 0
        queue.push(entry)
        self.items += 1
        self.weight += entry.weight
        while self.items > self._max_items or self.weight > self._max_weight:
            self._evict_one()

    def discard(self, entry: Entry) -> None:
        """Let go of *entry*, which its table no longer holds. Nothing happens if it left already."""
        if entry.queue != OUT:
            (self._main if entry.queue == MAIN else self._small).unlink(entry)
            self.items -= 1
            self.weight -= entry.weight

    def clear(self) -> None:
        """Let go of every entry, without a call of `evict`."""
        for queue in (self._small, self._main):
            while queue.items:
                queue.unlink(queue.root.newer)
        self._ghost = Ghost()
        self.items = self.weight = 0

    def _evict_one(self) -> None:
        small, main = self._small, self._main
        for rounds in range(ROUNDS + 1):
            if (
                main.items == 0
                or small.items * SHARE > self._max_items + SHARE
                or small.weight * SHARE > self._max_weight
            ):
                entry = small.root.newer
                small.unlink(entry)
                if entry.hits >= PROMOTE and rounds < ROUNDS:
                    entry.hits = 0
                    main.push(entry)
                    continue
                self._ghost.remember(fingerprint_of(entry), main.items)
            else:
                entry = main.root.newer
                main.unlink(entry)
                if entry.hits and rounds < ROUNDS:
                    entry.hits = min(entry.hits, CAP) - 1
                    main.push(entry)
                    continue
            break
        self.items -= 1
        self.weight -= entry.weight
        self.evictions += 1
        self._evict(entry)
