"""The policies compared: each takes a trace and a capacity in items, and gives the number of hits."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from importlib.util import find_spec

from evercache.core.entry import Entry
from evercache.core.eviction import S3Fifo

__all__ = ["POLICIES", "Policy", "available"]

Policy = Callable[[Sequence[int], int], int]


def belady(trace: Sequence[int], capacity: int) -> int:
    """The optimum, which knows the future: evict what is needed last (Belady 1966)."""
    never = len(trace)
    next_use = [never] * never
    last: dict[int, int] = {}
    for position in range(never - 1, -1, -1):
        next_use[position] = last.get(trace[position], never)
        last[trace[position]] = position
    held: dict[int, int] = {}
    farthest: list[tuple[int, int]] = []
    hits = 0
    for position, key in enumerate(trace):
        if key in held:
            hits += 1
        held[key] = next_use[position]
        heapq.heappush(farthest, (-next_use[position], key))
        while len(held) > capacity:
            use, victim = heapq.heappop(farthest)
            if held.get(victim) == -use:
                del held[victim]
    return hits


def lru(trace: Sequence[int], capacity: int) -> int:
    """Least recently used: functools, cachetools, cachebox and cashews all give exactly this."""
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for key in trace:
        if key in held:
            hits += 1
            held.move_to_end(key)
        else:
            held[key] = None
            if len(held) > capacity:
                held.popitem(last=False)
    return hits


def fifo(trace: Sequence[int], capacity: int) -> int:
    """First in, first out."""
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for key in trace:
        if key in held:
            hits += 1
        else:
            held[key] = None
            if len(held) > capacity:
                held.popitem(last=False)
    return hits


def sieve(trace: Sequence[int], capacity: int) -> int:
    """SIEVE (Zhang et al., NSDI 2024): one queue, one bit, a hand that does not move what it spares."""
    older: dict[int, int | None] = {}  # key -> the next newer key, walked by the hand
    newer: dict[int, int | None] = {}
    visited: dict[int, bool] = {}
    head: int | None = None
    tail: int | None = None
    hand: int | None = None
    hits = 0
    for key in trace:
        if key in visited:
            visited[key] = True
            hits += 1
            continue
        if len(visited) >= capacity:
            victim = hand if hand is not None else tail
            assert victim is not None
            while visited[victim]:
                visited[victim] = False
                step = newer[victim]
                victim = step if step is not None else tail
                assert victim is not None
            hand = newer[victim]
            before, after = older.pop(victim), newer.pop(victim)
            if before is None:
                tail = after
            else:
                newer[before] = after
            if after is None:
                head = before
            else:
                older[after] = before
            del visited[victim]
        visited[key] = False
        older[key], newer[key] = head, None
        if head is not None:
            newer[head] = key
        head = key
        if tail is None:
            tail = key
    return hits


def evercache(trace: Sequence[int], capacity: int) -> int:
    """The class the library runs, driven as the library drives it."""
    table: dict[Hashable, Entry] = {}

    def evict(entry: Entry) -> None:
        del table[entry.key]

    policy = S3Fifo(max_items=capacity, max_weight=None, evict=evict)
    hits = 0
    for key in trace:
        entry = table.get(key)
        if entry is not None:
            hits += 1
            entry.hits += 1
        else:
            entry = table[key] = Entry(table, key, None, fresh_until=0.0, weight=1)
            policy.add(entry)
    return hits


def theine(trace: Sequence[int], capacity: int) -> int:
    """The real theine 2 (W-TinyLFU, adaptive), without its lock."""
    from theine import Cache

    cache: Cache[int, int] = Cache(capacity, nolock=True)
    hits = 0
    for key in trace:
        _, found = cache.get(key)
        if found:
            hits += 1
        else:
            cache.set(key, key)
    cache.close()
    return hits


POLICIES: dict[str, Policy] = {
    "belady": belady,
    "evercache": evercache,
    "theine": theine,
    "lru": lru,
    "sieve": sieve,
    "fifo": fifo,
}


def available() -> dict[str, Policy]:
    """The policies that can run here: theine only if it is installed."""
    return {name: policy for name, policy in POLICIES.items() if name != "theine" or find_spec("theine")}
