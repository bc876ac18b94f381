"""A process that lags behind the invalidations of others, as it may within Δ, for as long as a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from evercache import Cache
from evercache.config import Settings
from evercache.core.protocol import LogRecord
from evercache.engine.clock import SystemClock
from evercache.stores.base import Listener
from tests.support.outage import PATIENT, Steady, trusted

__all__ = ["Held", "lagging"]


class Held(Steady):
    """While it is held, what the log says reaches nobody."""

    held = False
    position: bytes | None = None

    def __init__(self, settings: Settings, *, clock: Any) -> None:
        super().__init__(settings, clock=clock)
        self.kept: list[tuple[int, Sequence[LogRecord]]] = []

    async def start(self, listener: Listener) -> None:
        self.listener = listener
        await super().start(_Ear(self, listener))

    def hold(self) -> None:
        self.held, self.position = True, super().heard(0)

    def let_go(self) -> None:
        self.held = False
        for partition, records in self.kept:
            self.listener.logged(partition, records)

    def heard(self, partition: int) -> bytes | None:
        return self.position if self.held else super().heard(partition)


class _Ear:
    def __init__(self, store: Held, listener: Listener) -> None:
        self._store = store
        self._listener = listener

    def logged(self, partition: int, records: Sequence[LogRecord]) -> None:
        if self._store.held:
            self._store.kept.append((partition, records))
        else:
            self._listener.logged(partition, records)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)


@asynccontextmanager
async def lagging(url: str, namespace: str) -> AsyncIterator[tuple[Cache, Held]]:
    """A started cache, and its store, which can be held."""
    settings = Settings.resolve(url, environ={}, namespace=namespace, **PATIENT)
    store = Held(settings, clock=SystemClock())
    async with Cache(settings=settings, store=lambda: store) as cache:
        await trusted(cache)
        yield cache, store
