"""What happened in a world, and the laws that every read is held against.

PR1   A read that begins after an invalidation was confirmed never gets a value whose load began before that
      invalidation was called. Read from L1 (PR2): the same, but counted from Δ after the confirmation.
Own   A process obeys its own invalidations at once, in L1 too; those of a key or a declared tag even while they are
      not confirmed.
Soft  After a confirmed expiry an older value is marked as stale, or not returned at all.
Fresh After a refresh that was stored, the store has nothing older. (Judged as an invalidation that L1 need not know.)
Time  A value is never returned as fresh to a read that began after its ttl.
Order What the store accepts was loaded after what it accepted before: an older load never takes a newer one's place.
Key   Nobody ever gets the value of another key.
Parts All of this holds for the values that a value was made of, as far as their tags go; a pattern or the namespace that
      names both counts for both. Only a value that was not stored may be as old as L1 may be (PR2), and made of what was
      stale.
Built What is stored was not made of anything older than an invalidation that was confirmed before the load began, whatever
      L1 had heard of. (Keys count for what it was made of itself: what that was made of may stay, if its tags do.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["History", "Invalidation", "Value", "Violation"]


class Violation(AssertionError):
    """A law was broken."""


@dataclass(slots=True)
class Value:
    """What the loaders of a world return: it knows when its load began, so that a reader can be judged."""

    key: bytes
    began: int
    tags: tuple[bytes, ...]
    fresh_until: int = 1 << 60
    parts: tuple[Value, ...] = ()


@dataclass(slots=True, eq=False)
class Invalidation:
    """One call, and which keys or which tag it names. *l2*: L1 may know nothing of it (a refresh)."""

    name: str
    proc: Any = field(repr=False)
    called: int
    keys: frozenset[bytes] = frozenset()
    tag: bytes = b""
    soft: bool = False
    l2: bool = False
    returned: int | None = None
    confirmed: int | None = None
    confirmed_at: int = 0
    command: Any = field(default=None, repr=False)


class History:
    """All invalidations of one world so far."""

    def __init__(self, delta: int) -> None:
        self.delta = delta
        self.invalidations: list[Invalidation] = []
        self._filled: dict[bytes, int] = {}
        self.hits = self.reads = self.rounds = 0

    def filled(self, key: bytes, value: Value, now: int) -> None:
        """The store has accepted *value*."""
        if value.began < self._filled.get(key, 0):
            raise Violation(f"Order: {value} took the place of a value that was stored at {self._filled[key]}")
        self._filled[key] = now

    def judge(
        self,
        start: int,
        start_ms: int,
        proc: Any,
        key: bytes,
        value: Value,
        *,
        l1: bool,
        stale: bool,
        built: bool = True,
    ) -> None:
        """Raise Violation if a read of *proc* that began at *start* must not have got *value*. *built*: it was stored."""
        if value.key != key:
            raise Violation(f"Key: {proc.name} asked for {key!r} and got {value}")
        if not stale and value.fresh_until <= start_ms:
            raise Violation(f"Time: {proc.name} got {value} as fresh in a read that began at {start_ms} ms")
        began = value.began
        for call in self.invalidations:
            if began >= call.called or (call.soft and stale):
                continue
            if key not in call.keys and call.tag not in value.tags:
                continue
            law = self._broken(call, start, start_ms, proc, value, l1=l1)
            if law:
                raise Violation(f"{law}: the read of {proc.name} began at {start} and got {value} in spite of {call}")
        for part in parts_of(value):
            self._judge_part(start, start_ms, proc, value, part, l1=l1 or not built, stale=stale or not built)
            if built:
                self._judge_built(value, part)

    def _judge_part(
        self, start: int, start_ms: int, proc: Any, value: Value, part: Value, *, l1: bool, stale: bool
    ) -> None:
        for call in self.invalidations:
            if part.began >= call.called or (call.soft and stale):
                continue
            both = part.key in call.keys and value.key in call.keys
            if (both or call.tag in part.tags) and (law := self._broken(call, start, start_ms, proc, value, l1=l1)):
                raise Violation(f"Parts: {law}: a read that began at {start} got {value} in spite of {call}")

    def _judge_built(self, value: Value, part: Value) -> None:
        for call in self.invalidations:
            if part.began >= call.called or call.l2 or call.confirmed is None or call.confirmed >= value.began:
                continue
            if (part.key in call.keys and part in value.parts) or call.tag in part.tags:
                raise Violation(f"Built: {value} was made of a value older than {call}")

    def _broken(self, call: Invalidation, start: int, start_ms: int, proc: Any, value: Value, *, l1: bool) -> str:
        if call.proc is proc and call.returned is not None and call.returned < start:
            late_tag = call.confirmed is None and call.tag and call.tag not in proc.declared[value.key]
            settled_late = call.confirmed is not None and call.confirmed >= start and bool(call.tag)
            if not late_tag and not settled_late:
                return "Own"
        if call.confirmed is None or call.confirmed >= start:
            return ""
        if not l1:
            return "PR1"
        if call.l2:
            return ""
        return "PR2" if call.confirmed_at + self.delta <= start_ms else ""


def parts_of(value: Value) -> Iterator[Value]:
    """What a value was made of, on all levels."""
    for part in value.parts:
        yield part
        yield from parts_of(part)
