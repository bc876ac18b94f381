"""What L1 keeps for one key.

An entry is the unit of the hit path, so its fields are laid out for four comparisons and nothing else:

    now < entry.until  and  now < entry.lease.until  and  entry.checked == l1.passing

What an entry doesn't hold costs nothing a million times over: when it is dead follows from `fresh_until` and the policy
of its site, how long its load took from `until` (`core.freshness.load_time_of`). `mutable`: each reader gets a copy.

`until` is the moment from which somebody has to think (refresh early, revalidate, load); `lease` is the right of this
process to answer from memory at all; `checked` is the number of the last invalidation this entry was compared with.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

__all__ = ["Entry", "Lease"]


class Lease:
    """Until when (monotonic seconds) L1 may answer for one partition. Moved forward by its reader, never by anyone else."""

    __slots__ = ("floor", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self.floor = 0  # entries filled before this number of an invalidation are gone (a flush, in O(1))


_NONE = Lease(-math.inf)
"""What an entry has before it is put into L1: no right to answer."""


class Entry:
    """One value in L1. Times are monotonic seconds of this process; `weight` is an estimate in bytes."""

    __slots__ = (
        "checked",
        "filled",
        "fresh_until",
        "hits",
        "id",
        "key",
        "lease",
        "mutable",
        "newer",
        "older",
        "queue",
        "stale",
        "table",
        "tags",
        "until",
        "value",
        "weight",
    )

    newer: Entry  # neighbours in a queue of `core.eviction`; unset outside of one
    older: Entry

    def __init__(
        self,
        table: dict[Hashable, Entry],
        key: Hashable,
        value: Any,  # the user's value: any type at all
        *,
        fresh_until: float,
        weight: int,
        lease: Lease = _NONE,
        mutable: bool = False,
    ) -> None:
        self.table = table
        self.key = key
        self.value = value
        self.until = fresh_until
        self.fresh_until = fresh_until
        self.weight = weight
        self.lease = lease
        self.mutable = mutable
        self.checked = 0
        self.filled = 0
        self.hits = 0
        self.queue = 0
        self.tags: tuple[Any, ...] = ()  # cells of `core.l1`
        self.id: bytes | None = None
        self.stale = False
