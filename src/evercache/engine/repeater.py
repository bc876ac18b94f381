"""Repeating what could not be confirmed.

A partition that returns asks for its debts before it is trusted (`Listener.owed`). What is repeated here is owed by
partitions that are trusted all along: one command was lost, or refused, and nothing else is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from evercache.core.clock import Clock
from evercache.core.journal import Journal
from evercache.engine.airfield import Airfield
from evercache.errors import StoreUnavailable

if TYPE_CHECKING:
    from evercache.stores.base import Store

__all__ = ["Repeater"]

FIRST, LONGEST = 0.05, 1.0
"""Seconds between two rounds; they double while nothing succeeds."""


class Repeater:
    """Repeats the journal for one store. Its task belongs to the airfield of the store's loop; *settled* is told what is
    confirmed."""

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        store: Store,
        airfield: Airfield,
        settled: Callable[[int, Sequence[int]], None],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._store = store
        self._airfield = airfield
        self._settled = settled
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """See to it that the journal is being repeated. Only in the airfield's own loop."""
        if self._task is None or self._task.done():
            self._task = self._airfield.spawn(self._repeat(), "repeats invalidations")

    def end(self) -> None:
        """Stop repeating."""
        if self._task is not None:
            self._task.cancel()

    async def _repeat(self) -> None:
        pause = FIRST
        while len(self._journal):
            await self._clock.sleep(pause)
            pause = min(LONGEST, pause * 2)
            for partition in range(self._store.partitions):
                if self._store.trusted(partition) and await self._repay(partition):
                    pause = FIRST

    async def _repay(self, partition: int) -> bool:
        """Whether something was owed and all of it is confirmed now."""
        owed = self._journal.owed(partition, 512)
        for operation, command in owed:
            try:
                await self._store.execute(partition, command)
            except StoreUnavailable:
                return False
            self._settled(partition, (operation,))
        return bool(owed)
