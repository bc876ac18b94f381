"""How many answers an invalidation concerns.

It costs the same with ten of them and with ten million, because nobody walks through them: so nobody counts them either.
What this process holds can be counted. If it is the only one, that is all there is, and the number is exact.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from evercache.core.entry import Entry
from evercache.engine.engine import Engine
from evercache.engine.site import Site

__all__ = ["Count", "count"]

MOST = 5_000
"""Entries that are looked at: about 5 ms of the event loop's time. Of more, the rest is estimated."""


class Count(NamedTuple):
    """*keys* answers; if not *exact*, an estimate: what this process holds of them."""

    keys: int
    exact: bool


def count(engine: Engine, tags: set[bytes], places: set[tuple[int, Hashable]]) -> Count:
    """How many answers in this process carry one of *tags*, or are at one of *places* (a table's id, a key)."""
    tables = {id(site.table): site for site in tuple(engine.sites.values())}
    total = sum(len(site.table) for site in tables.values())
    now = engine.clock.monotonic()
    found = sum(
        _lives(engine, site, entry, now)
        for site, entry in islice(_entries(tables.values()), MOST)
        if not tags.isdisjoint([cell.name for cell in entry.tags]) or (places and (id(site.table), entry.key) in places)
    )
    if total > MOST:
        return Count(round(found * total / MOST), exact=False)
    return Count(found, exact=not engine.shares)


def _entries(sites: Iterable[Site]) -> Iterator[tuple[Site, Entry]]:
    for site in sites:
        for entry in tuple(site.table.values()):  # a look may drop it
            yield site, entry


def _lives(engine: Engine, site: Site, entry: Entry, now: float) -> bool:
    return engine.l1.check(entry, now) and now < entry.fresh_until + site.policy.spare_for
