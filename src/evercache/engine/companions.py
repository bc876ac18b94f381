"""What works beside an engine, hears what it hears, and ends before it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from evercache.core.protocol import LogRecord

__all__ = ["Companion", "Companions"]


class Companion(Protocol):
    """For example a warmer."""

    def invalidated(self, records: Sequence[LogRecord]) -> None:
        """The shared store (alone: this process) has carried these out. May come from any thread; must return at once."""
        ...

    def flushed(self) -> None:
        """Something may have been missed."""
        ...

    async def close(self) -> None:
        """The engine is about to stop. Idempotent."""
        ...


class Companions:
    """Those of one engine."""

    def __init__(self) -> None:
        self._all: tuple[Companion, ...] = ()

    def add(self, companion: Companion) -> None:
        self._all = (*self._all, companion)

    def remove(self, companion: Companion) -> None:
        self._all = tuple(other for other in self._all if other is not companion)

    def invalidated(self, records: Sequence[LogRecord]) -> None:
        for companion in self._all:
            companion.invalidated(records)

    def flushed(self) -> None:
        for companion in self._all:
            companion.flushed()

    async def close(self) -> None:
        everybody, self._all = self._all, ()
        for companion in everybody:
            await companion.close()
