"""When to look at which call, and which to load next. Values and decisions: no waiting, the time is passed in.

A call is in one of three places. In `watch` until its next look is due; `wanted` once a look has said that it needs a
load; or in somebody's hands. Wanted calls are handed out by priority, then by the end of their life: what is cold or
dies first goes first (earliest deadline first; Liu and Layland, "Scheduling Algorithms for Multiprogramming in a
Hard-Real-Time Environment", JACM 1973), then in the order of the plan.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator

from evercache.core.patterns import matches
from evercache.core.protocol import LogRecord
from evercache.engine.warmth import COLD, Warmth
from evercache.warming.call import Call

__all__ = ["Item", "Schedule", "lead_of"]

LONGEST_LEAD = 0.5
"""No answer is replaced before half of its life is over."""


class Item:
    """A call in a schedule: how warm it was when it was last seen, and how often its load has failed since."""

    __slots__ = ("at_latest", "call", "counted", "due", "failures", "held", "life", "place", "warmth")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.warmth: Warmth = COLD
        self.life = call.site.policy.ttl  # of an answer, when it was loaded last
        self.failures = 0
        self.counted = False  # in the tally of this round
        self.due = -math.inf
        self.held = False  # in somebody's hands
        self.at_latest = math.inf  # when it is due, once it is put back
        self.place = 0  # number of the heap entry that counts; older ones of the same item are void


class Schedule:
    """The calls of one plan. Everything is O(log n), but for patterns and the namespace, which concern all."""

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        self._items: dict[bytes, Item] = {}
        self._by_tag: dict[bytes, set[Item]] = {}
        self._watch: list[tuple[float, int, Item]] = []
        self._wanted: list[tuple[float, float, int, int, Item]] = []
        self._serial = 0
        for call in calls:
            self.add(call)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items.values())

    def add(self, call: Call) -> Item:
        """Take *call* in, due at once. One that is there already only gets its new place in the order."""
        item = self._items.get(call.id)
        if item is None:
            item = self._items[call.id] = Item(call)
            self._tag(item, call.tags)
            self.watch(item, -math.inf)
        else:
            item.call = call
        return item

    def keep_only(self, ids: set[bytes]) -> None:
        """Forget the calls that are no longer in the plan."""
        for id in self._items.keys() - ids:
            item = self._items.pop(id)
            item.place = -1
            for tag in {*item.call.tags, *item.warmth.tags}:
                self._untag(item, tag)

    # -- where an item is --------------------------------------------------------------------------------------------

    def watch(self, item: Item, due: float) -> None:
        """Look at it at *due*, or earlier if it was hastened meanwhile."""
        if item.place >= 0:
            self._serial += 1
            item.place = self._serial
            item.due, item.at_latest, item.held = min(due, item.at_latest), math.inf, False
            if item.due < math.inf:
                heapq.heappush(self._watch, (item.due, self._serial, item))
            if len(self._watch) > 4 * len(self._items) + 64:
                self._compact()

    def hasten(self, item: Item, due: float) -> None:
        """Something has happened to it: look at it at *due* at the latest, or once it is put back."""
        if item.held:
            item.at_latest = min(due, item.at_latest)
        elif due < item.due:
            self.watch(item, due)

    def want(self, item: Item) -> None:
        """It needs a load."""
        if item.place >= 0:
            self._serial += 1
            item.place = self._serial
            item.due, item.held = -math.inf, False  # nothing hastens it: it is loaded anyway
            order = -item.call.priority, item.warmth.until, item.call.number
            heapq.heappush(self._wanted, (*order, self._serial, item))

    def saw(self, item: Item, warmth: Warmth) -> None:
        """Remember how warm it is, and under which tags it is to be found."""
        for tag in set(item.warmth.tags).difference(warmth.tags, item.call.tags):
            self._untag(item, tag)
        item.warmth = warmth
        if item.place >= 0:
            self._tag(item, warmth.tags)

    def _compact(self) -> None:
        """Let void entries go: of an answer that lives for a day and is looked at every few minutes, there are hundreds."""
        self._watch = [entry for entry in self._watch if entry[2].place == entry[1]]
        heapq.heapify(self._watch)

    def due(self, now: float, limit: int) -> list[Item]:
        """At most *limit* items to look at now; they are in the caller's hands until they are put back."""
        found: list[Item] = []
        while self._watch and self._watch[0][0] <= now and len(found) < limit:
            _, place, item = heapq.heappop(self._watch)
            if item.place == place:
                item.held = True
                found.append(item)
        return found

    def take(self) -> Item | None:
        """The wanted item that comes first; it is in the caller's hands until it is put back."""
        while self._wanted:
            *_, place, item = heapq.heappop(self._wanted)
            if item.place == place:
                item.held = True
                return item
        return None

    @property
    def next_due(self) -> float:
        """When the next look is due; infinity if nothing is watched."""
        while self._watch and self._watch[0][2].place != self._watch[0][1]:
            heapq.heappop(self._watch)
        return self._watch[0][0] if self._watch else math.inf

    @property
    def wanting(self) -> bool:
        while self._wanted and self._wanted[0][4].place != self._wanted[0][3]:
            heapq.heappop(self._wanted)
        return bool(self._wanted)

    # -- what invalidations concern ------------------------------------------------------------------------------------

    def concerned(self, record: LogRecord) -> list[Item]:
        """The items that an invalidation may have made cold."""
        kind, name = record
        if kind in "kx":
            item = self._items.get(name)
            return [] if item is None else [item]
        if kind in "ty":
            return list(self._by_tag.get(name, ()))
        if kind == "b":
            pattern = name.decode("utf-8", "surrogatepass")
            return [item for item in self._items.values() if matches(pattern, item.call.text)]
        return list(self._items.values()) if kind == "n" else []

    def _tag(self, item: Item, tags: Iterable[bytes]) -> None:
        for tag in tags:
            self._by_tag.setdefault(tag, set()).add(item)

    def _untag(self, item: Item, tag: bytes) -> None:
        items = self._by_tag.get(tag)
        if items is not None:
            items.discard(item)
            if not items:
                del self._by_tag[tag]


def lead_of(life: float, load: float, backlog: float, ahead: float) -> float:
    """How long before its end an answer with *life* seconds to live is to be replaced.

    - *ahead*: a fraction of the life that is always left.
    - *load*: seconds that a load takes; four of them must fit.
    - *backlog*: seconds that all calls of the plan take within the budget. If all of them were to die at the same
      moment, the last one's turn would come so late.
    - Never more than half of the life.
    """
    if math.isinf(life):
        return 0.0
    return min(life * LONGEST_LEAD, max(life * ahead, 4 * load, backlog))
