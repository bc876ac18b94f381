"""Small, bounded memories that make answers better and correctness no different: which tags a key had, and
what became of its entry."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from itertools import islice
from typing import Generic, TypeVar

from evercache.codecs.weigh import weigh

__all__ = ["Bounded", "Memories"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

ENTRY_BYTES = 300
"""What L1 spends on an entry beside its value: the entry, its place in two dictionaries, its key."""

_SOME = 64

SHARED_WEIGHTS = 16_384
"""Up to this weight, equal weights are one object."""


class Bounded(Generic[K, V]):
    """A dictionary that forgets its oldest items beyond *limit*: some at once, for finding the first item of a
    dictionary takes as long as there were items before it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.items: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        return self.items.get(key)

    def put(self, key: K, value: V) -> None:
        items = self.items
        items.pop(key, None)
        items[key] = value
        if len(items) > self.limit:
            with suppress(RuntimeError):  # another thread was there first
                for oldest in list(islice(items, 1 + min(_SOME, self.limit // 8))):
                    items.pop(oldest, None)


class Memories:
    """What a process remembers about keys it has seen."""

    def __init__(self) -> None:
        self._tags: Bounded[bytes, tuple[bytes, ...]] = Bounded(10_000)
        self._weights: dict[int, int] = {}
        self._fates: Bounded[Hashable, str] = Bounded(10_000)

    def tags_of(self, key: bytes) -> tuple[bytes, ...]:
        """The tags that *key* had when it was last seen: they are fetched along with it, one trip saved."""
        return self._tags.get(key) or ()

    def remember_tags(self, key: bytes, tags: tuple[bytes, ...]) -> None:
        self._tags.put(key, tags)

    def met(self, place: Hashable, fate: str) -> None:
        """What became of the entry at *place* (a key's id, or a table's id and a key): `evicted`, `expired`, …"""
        self._fates.put(place, fate)

    def fate_of(self, *places: Hashable) -> str | None:
        return next((fate for place in places if (fate := self._fates.get(place)) is not None), None)

    def weigh(self, value: object) -> int:
        """An estimate of the bytes that an entry with this value holds."""
        weight = ENTRY_BYTES + weigh(value)
        # Most entries weigh the same as some others: one object for each weight, not 32 bytes for each entry.
        return weight if weight > SHARED_WEIGHTS else self._weights.setdefault(weight, weight)
