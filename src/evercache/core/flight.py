"""Flights: one running answer per key and process, shared by everybody who may share it.

The problem. A cache that lets callers share a load must not hand an old value to somebody who came after an
invalidation. "The load is still running" proves nothing: it may have read its source before the write. And a value read
from the shared store was current when the store answered, not when the caller asked.

The idea. Every reader has an arrival number, and so has every command that is sent. A flight's value may be used by a
reader that arrived before

  (a) the command that *proved* it was sent, if the proof held (a hit whose stamps matched, a fill that was accepted), or
  (b) its load began, even if the fill was rejected: whatever happened since, the reader came before it.

Nobody else may; they board the next flight. Two rounds always suffice, because a flight that a reader starts itself
begins after the reader's arrival. Flights without a shared store behind them (outage, quarantine) have no proof: only
(b) holds for them. An own invalidation dooms the flights it concerns, so that nobody boards them any more.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from evercache.core.patterns import matches
from evercache.core.protocol import Key, LogRecord
from evercache.core.record import Record

__all__ = ["Flight", "Flights", "Landing", "Ticks"]


class Ticks:
    """The order of arrivals and commands within one process."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = 0

    def next(self) -> int:
        self.now += 1
        return self.now


@dataclass(slots=True)
class Landing:
    """What a flight brings home: a value or an error, and what is known about it.

    - `source`: `l2` (found), `load` (loaded) or `none` (neither: a refresh that found somebody else at work).
    - `stale`: past its ttl, or expired softly; `refresh`: somebody should load it anew behind the answer.
    - `cause`: why it had to be loaded; `rejected`: loaded, but an invalidation came between, so it was not stored.
    - `record`: the stored entry with its times and tags, if there is one; `tags`: those of a value without a record.
    - `taken`: somebody has the value itself: it can't be copied, so nobody else may have it.
    - `trace`: where *error* came from. An exception that many callers raise would collect the frames of all of them.
    """

    value: Any = None
    error: BaseException | None = None
    source: str = "none"
    stale: bool = False
    refresh: bool = False
    rejected: bool = False
    cause: str = ""
    record: Record | None = None
    tags: tuple[bytes, ...] = ()
    trace: TracebackType | None = None
    taken: bool = False
    extra: Any = None  # what the loader said beside the value or the error (`core.course.Loaded`, `Failed`)


@dataclass(slots=True, eq=False)
class Flight:
    """One flight. The numbers are `Ticks`; `since` is L1's invalidation counter when the proof was sent."""

    key: Hashable
    tags: tuple[bytes, ...] = ()
    store_key: Key | None = None
    proof_sent: int | None = None
    load_began: int | None = None
    proved: bool = False
    doomed: bool = False
    since: int = 0
    dice: float = 1.0  # thrown once for each flight: whether it refreshes early must not be asked twice
    spare: Landing | None = None
    landing: Landing | None = None
    waiter: Any = field(default=None, repr=False)  # what the engine's readers wait for: a future, there

    def concerned_by(self, record: LogRecord) -> bool:
        """Whether an invalidation is about this flight, as far as is known before its load ends."""
        key = self.store_key
        if record.kind in "ty":
            return record.name in self.tags
        if record.kind in "kx":
            return key is not None and record.name == key.id
        if record.kind == "b":
            return key is not None and matches(record.name.decode("utf-8", "surrogatepass"), key.text)
        return True

    def serves(self, arrival: int) -> bool:
        """Whether a reader with this arrival number may use the landing: rules (a) and (b) above."""
        landing = self.landing
        if landing is None or landing.source == "none":
            return False
        if landing.error is not None:
            return True
        if self.proved and self.proof_sent is not None and arrival < self.proof_sent:
            return True
        return self.load_began is not None and arrival < self.load_began


class Flights:
    """All flights of one process: the joinable one of each key, and everything in the air.

    Those in the air are also found by their place, their id and their tags: an invalidation costs what it concerns,
    however many flights there are. Only patterns and the namespace walk through all of them.
    """

    def __init__(self) -> None:
        self.joinable: dict[Hashable, Flight] = {}
        self.airborne: set[Flight] = set()
        self._found: dict[tuple[str, Hashable], set[Flight]] = {}

    def board(self, key: Hashable) -> Flight | None:
        """The flight of *key* that may still be joined."""
        return self.joinable.get(key)

    def depart(self, flight: Flight) -> None:
        """A new flight; later arrivals join it."""
        self.joinable[flight.key] = flight
        self.take_off(flight)

    def take_off(self, flight: Flight) -> None:
        """A new flight that nobody joins."""
        self.airborne.add(flight)
        for name in _names(flight):
            self._found.setdefault(name, set()).add(flight)

    def close(self, flight: Flight) -> None:
        """Nobody joins any more: its load has ended, or it is doomed."""
        if self.joinable.get(flight.key) is flight:
            del self.joinable[flight.key]

    def overtake(self, key: Hashable) -> None:
        """Somebody wants a newer value of *key*: nobody boards the older flights, and L1 takes nothing from them."""
        self._doom(tuple(self._found.get(("p", key), ())))

    def land(self, flight: Flight, landing: Landing) -> None:
        flight.landing = landing
        self.close(flight)
        self.airborne.discard(flight)
        for name in _names(flight):
            found = self._found.get(name)
            if found is not None:
                found.discard(flight)
                if not found:
                    del self._found[name]

    def doom(self, record: LogRecord) -> None:
        """An own invalidation: nobody boards the flights it concerns, and L1 takes nothing from them."""
        if record.kind in "kxty":
            concerned = tuple(self._found.get((_KINDS[record.kind], record.name), ()))
        else:
            concerned = tuple([flight for flight in tuple(self.airborne) if flight.concerned_by(record)])
        self._doom(concerned)

    def _doom(self, flights: Iterable[Flight]) -> None:
        for flight in flights:
            flight.doomed = True
            self.close(flight)


_KINDS = {"k": "k", "x": "k", "t": "t", "y": "t"}


def _names(flight: Flight) -> list[tuple[str, Hashable]]:
    """What a flight is found by: place, id, tags."""
    names: list[tuple[str, Hashable]] = [("p", flight.key), *[("t", tag) for tag in flight.tags]]
    if flight.store_key is not None:
        names.append(("k", flight.store_key.id))
    return names
