"""One airfield for each event loop that uses the cache."""

from __future__ import annotations

import asyncio
import threading

from evercache.engine.airfield import Airfield

__all__ = ["Airfields"]


class Airfields:
    """Finds the airfield of a loop. May be read from any thread: the dictionary is replaced whole, never changed."""

    def __init__(self, max_loads: int | None = None) -> None:
        self._max_loads = max_loads
        self._of: dict[asyncio.AbstractEventLoop, Airfield] = {}
        self._lock = threading.Lock()

    def here(self) -> Airfield:
        """The airfield of the running loop, made at its first use. Those of closed loops are forgotten then."""
        loop = asyncio.get_running_loop()
        found = self._of.get(loop)
        if found is not None:
            return found
        with self._lock:
            found = Airfield(loop, self._max_loads)
            alive = {other: field for other, field in self._of.items() if not other.is_closed()}
            self._of = {**alive, loop: found}
        return found

    def of(self, loop: asyncio.AbstractEventLoop | None) -> Airfield | None:
        return None if loop is None else self._of.get(loop)

    def all(self) -> tuple[Airfield, ...]:
        return tuple(self._of.values())

    def forget(self) -> None:
        """After a fork: the loops of the parent don't run here, and a lock may have been held by one of its threads."""
        self._of = {}
        self._lock = threading.Lock()
