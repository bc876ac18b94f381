"""L1: what this process answers from its own memory, and how an invalidation reaches it.

The hit path lives in the decorators (`entry.checked == l1.passing` and two times); this is everything behind it.

Every invalidation takes the next number of one counter. An entry remembers the number it was last compared with, so
"nothing was invalidated since" is one comparison, and after an invalidation each entry is compared once, when it is
next read: its key is gone from `ids` or not, each of its tags points to a cell that holds the number of the tag's last
invalidation, and the glob bans since then are few. A flush is a number too: the floor of a lease. So an invalidation
costs the same with ten entries and with ten million.

A value that was read from elsewhere may go in only if nothing of it was invalidated between the moment its proof was
sent and now: the last few thousand invalidations are kept in a ring for that question.

Tag cells are shared between entries and vanish with the last entry that names them, so a tag nobody holds costs nothing.

Readers of other threads hold no lock, so an invalidation gets its number last: whoever compares an entry while one is
being carried out notes the old number at most, and compares again. Nothing that they walk through is changed in place.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from itertools import takewhile
from typing import Any
from weakref import WeakValueDictionary

from evercache.core.entry import Entry, Lease
from evercache.core.eviction import S3Fifo
from evercache.core.patterns import matches
from evercache.core.protocol import LogRecord

__all__ = ["L1"]

RING = 4096
MAX_BANS = 256
NOBODY = -1
"""No entry was ever compared with this number: every hit takes a second look."""


class TagCell:
    """The numbers of a tag's last invalidation and last soft expiry; one object per tag that entries name."""

    __slots__ = ("__weakref__", "dead", "name", "soft")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.dead = 0
        self.soft = 0


class L1:
    """The process cache of one `Cache`. Thread-safe: reads are single dictionary operations, changes hold a lock."""

    def __init__(self, *, max_items: int | None, max_weight: int | None) -> None:
        self.counter = 0
        self.passing = 0  # the counter, for hits that nobody needs to know of; NOBODY while somebody may
        self.off = max_items == 0 or max_weight == 0  # nothing fits: who has something to keep needn't begin
        self.shared = False  # whether a shared store stands behind: it then keeps what is stale, and L1 drops it
        self.leases: tuple[Lease, ...] = (Lease(math.inf),)
        self.ids: dict[bytes, Entry] = {}
        self.policy = S3Fifo(max_items=max_items, max_weight=max_weight, evict=self._evicted)
        self.on_evict: Callable[[Entry], None] | None = None
        self.on_gone: Callable[[Entry, str], None] | None = None
        self._cells: WeakValueDictionary[bytes, TagCell] = WeakValueDictionary()
        self._ring: deque[tuple[int, LogRecord]] = deque(maxlen=RING)
        self._bans: tuple[tuple[int, str], ...] = ()
        self._texts: dict[int, tuple[dict[Hashable, Entry], Callable[[Hashable], str]]] = {}
        # Tables whose function is gone. Let go at the next `register`: a finalizer may run in the middle of anything.
        self.abandoned: deque[dict[Hashable, Entry]] = deque()
        self._watchers = 0
        self._lock = threading.RLock()

    def after_fork(self) -> None:
        """In a child process: a thread that isn't here may have held the lock."""
        self._lock = threading.RLock()

    # -- reading -------------------------------------------------------------------------------------------------

    def register(self, table: dict[Hashable, Entry], text: Callable[[Hashable], str]) -> None:
        """Make *table* known: *text* renders one of its keys as a readable logical key, for globs."""
        with self._lock:
            while self.abandoned:
                self._release(self.abandoned.popleft())
            self._texts[id(table)] = table, text

    def _release(self, table: dict[Hashable, Entry]) -> None:
        for entry in tuple(table.values()):
            self._leave(entry)
        self._texts.pop(id(table), None)

    def check(self, entry: Entry, now: float) -> bool:
        """Whether *entry* has survived every invalidation so far; remembered, so that the next read is one comparison.

        An entry that was expired softly survives as stale from *now* on.
        """
        counter = self.counter
        if entry.checked == counter:
            return True
        if self._is_gone(entry):
            self.drop(entry)
            if self.on_gone is not None:
                self.on_gone(entry, self._fate(entry))
            return False
        if entry.stale:
            entry.until = -math.inf
            entry.fresh_until = min(entry.fresh_until, now)
        entry.checked = counter
        return True

    def _is_gone(self, entry: Entry) -> bool:
        filled = entry.filled
        if filled < entry.lease.floor:
            return True
        for cell in entry.tags:
            if cell.dead > filled:
                return True
            if cell.soft > filled:
                if self.shared:
                    return True
                entry.stale = True
        bans = self._bans
        if bans and bans[-1][0] > entry.checked:
            text = self._texts[id(entry.table)][1](entry.key)
            return any(number > filled and matches(pattern, text) for number, pattern in bans)
        return False

    def _fate(self, entry: Entry) -> str:
        """In words, what `_is_gone` has found."""
        if entry.filled < entry.lease.floor:
            return "flushed"
        cell = next((cell for cell in entry.tags if max(cell.dead, cell.soft) > entry.filled), None)
        return "invalidated by a pattern" if cell is None else "tag " + cell.name.decode("ascii", "replace")

    # -- writing -------------------------------------------------------------------------------------------------

    def untouched(self, since: int, ids: bytes | None, tags: Iterable[bytes], text: Callable[[], str]) -> bool:
        """Whether nothing that concerns this key or these tags was invalidated after number *since*."""
        if since == self.counter:
            return True
        names = set(tags)
        with self._lock:
            if self._ring and self._ring[0][0] > since + 1:
                return False  # the ring no longer reaches back that far: unknown counts as touched
            later = takewhile(lambda numbered: numbered[0] > since, reversed(self._ring))
            return not any(_concerns(record, ids, names, text) for _, record in later)

    def insert(
        self, entry: Entry, *, since: int, id: bytes | None, tags: Iterable[bytes], text: Callable[[], str]
    ) -> bool:
        """Put *entry* into its table, unless it was touched since its proof was sent, or its lease was flushed."""
        with self._lock:
            if since < entry.lease.floor or not self.untouched(since, id, tags, text):
                return False
            old = entry.table.get(entry.key)
            if id is not None and (other := self.ids.get(id)) is not None and other is not old:
                self._leave(other)  # the same key under other options: one of them could not be invalidated
            if old is not None:
                self._forget(old)
            entry.tags = tuple([self._cell(tag) for tag in tags])
            entry.checked = entry.filled = self.counter
            entry.id = id
            entry.table[entry.key] = entry
            if id is not None:
                self.ids[id] = entry
            if old is not None:
                self.policy.replace(old, entry)
            else:
                self.policy.add(entry)
            return True

    def drop(self, entry: Entry) -> None:
        """Take *entry* out, if it is still there."""
        with self._lock:
            self._leave(entry)

    def _cell(self, tag: bytes) -> TagCell:
        cell = self._cells.get(tag)
        if cell is None:
            cell = self._cells[tag] = TagCell(tag)
        return cell

    def _leave(self, entry: Entry | None) -> None:
        if entry is None or entry.table.get(entry.key) is not entry:
            return
        self._forget(entry)
        self.policy.discard(entry)

    def _forget(self, entry: Entry) -> None:
        del entry.table[entry.key]
        if entry.id is not None and self.ids.get(entry.id) is entry:
            del self.ids[entry.id]

    def _evicted(self, entry: Entry) -> None:
        if entry.table.get(entry.key) is entry:
            self._forget(entry)
        if self.on_evict is not None:
            self.on_evict(entry)

    # -- invalidation --------------------------------------------------------------------------------------------

    def apply(self, record: LogRecord) -> None:
        """One record of the log, or one invalidation of this process. Order doesn't matter, repeats are harmless."""
        with self._lock:
            if record.kind == "o":
                return
            number = self.counter + 1
            self._ring.append((number, record))
            _APPLY[record.kind](self, record.name, number)
            self._count(number)

    def _key(self, name: bytes, _: int) -> None:
        self._leave(self.ids.get(name))

    def _soft_key(self, name: bytes, _: int) -> None:
        entry = self.ids.get(name)
        if entry is not None and not self.shared:
            entry.stale = True  # noticed by the next check
        else:
            self._leave(entry)

    def _tag(self, name: bytes, number: int) -> None:
        if (cell := self._cells.get(name)) is not None:
            cell.dead = number

    def _soft_tag(self, name: bytes, number: int) -> None:
        if (cell := self._cells.get(name)) is not None:
            cell.soft = number

    def _ban(self, name: bytes, number: int) -> None:
        if len(self._bans) < MAX_BANS:
            self._bans = (*self._bans, (number, name.decode("utf-8", "surrogatepass")))
        else:
            self._namespace(name, number)

    def _namespace(self, _: bytes, number: int) -> None:
        for lease in self.leases:
            lease.floor = number
        self._bans = ()

    def flush(self, lease: Lease) -> None:
        """Forget everything under *lease*, in O(1); the room comes back as the entries are touched or evicted."""
        with self._lock:
            lease.floor = number = self.counter + 1
            self._count(number)

    def _count(self, number: int) -> None:
        self.counter = number
        if not self._watchers:
            self.passing = number

    # -- watching ------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """From now on somebody wants to know of hits, until as many `unwatch`: none may pass without a second look."""
        with self._lock:
            self._watchers += 1
            self.passing = NOBODY

    def unwatch(self) -> None:
        with self._lock:
            self._watchers -= 1
            if not self._watchers:
                self.passing = self.counter


def _concerns(record: LogRecord, id: bytes | None, tags: set[bytes], text: Callable[[], str]) -> bool:
    if record.kind in "kx":
        return record.name == id
    if record.kind in "ty":
        return record.name in tags
    return record.kind == "n" or matches(record.name.decode("utf-8", "surrogatepass"), text())


_APPLY: dict[str, Callable[[L1, bytes, int], Any]] = {
    "k": L1._key,
    "x": L1._soft_key,
    "t": L1._tag,
    "y": L1._soft_tag,
    "b": L1._ban,
    "n": L1._namespace,
}
