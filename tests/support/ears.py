"""A cache that only listens: what a store has told it, and invalidations it owes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from evercache.core import protocol as say
from evercache.core.record import Record
from evercache.engine.clock import SystemClock
from evercache.stores.redis.store import RedisStore

__all__ = ["TERMS", "Ears", "filled", "opened", "record_of", "until"]

TERMS = say.Terms()


class Ears:
    """Implements `stores.base.Listener`."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.debts: dict[int, list[tuple[int, say.Command[object]]]] = {}
        self.leases: dict[int, float] = {}

    def leased(self, partition: int, until: float) -> None:
        self.leases[partition] = until

    def flushed(self, partition: int) -> None:
        self.heard.append(("flushed", partition))

    def logged(self, partition: int, records: Sequence[say.LogRecord]) -> None:
        self.heard.extend(("logged", partition, *record) for record in records)

    def woken(self, partition: int, keys: Sequence[bytes]) -> None:
        self.heard.extend(("woken", partition, key) for key in keys)

    def owed(self, partition: int, limit: int) -> Sequence[tuple[int, say.Command[object]]]:
        return self.debts.get(partition, [])[:limit]

    def settled(self, partition: int, operations: Sequence[int]) -> None:
        done = set(operations)
        self.debts[partition] = [debt for debt in self.debts.get(partition, []) if debt[0] not in done]

    def changed(self, partition: int, *, trusted: bool, reason: str) -> None:
        self.heard.append(("trusted" if trusted else "untrusted", partition, reason))

    def restarted(self, partition: int) -> None:
        self.heard.append(("restarted", partition))

    def count(self, what: str) -> int:
        return sum(item[0] == what for item in self.heard)

    def reasons(self) -> list[str]:
        return [item[2] for item in self.heard if item[0] == "untrusted"]


@asynccontextmanager
async def opened(url: str, namespace: str, **settings: Any) -> AsyncIterator[tuple[RedisStore, Ears]]:
    """A started store that is trusted everywhere, and its listener. Patient, unless a test is about patience."""
    settings = {"operation_timeout": 5.0, "connect_timeout": 5.0} | settings
    store, ears = RedisStore(f"{url}{'&' if '?' in url else '?'}namespace={namespace}", clock=SystemClock()), Ears()
    store = RedisStore(store.settings.changed(**settings), clock=SystemClock())
    await store.start(ears)
    try:
        await until(lambda: all(store.trusted(p) for p in range(store.partitions)))
        yield store, ears
    finally:
        await store.close()


async def until(fact: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until *fact* is so."""
    async with asyncio.timeout(seconds):
        while not fact():
            await asyncio.sleep(0.002)


def record_of(
    begun: say.Begun, tags: tuple[bytes, ...] = (), payload: bytes = b"payload", fill: bytes = b"f" * 16
) -> Record:
    """A record that may be filled after *begun*."""
    far = begun.now + 10**6
    return Record(
        fill, begun.namespace or b"", begun.ban or b"", tags, tuple(stamp or b"" for stamp in begun.stamps),
        begun.now, far, far, 1, b"schema..", payload,
    )  # fmt: skip


async def filled(store: RedisStore, name: bytes, tags: tuple[bytes, ...] = (), payload: bytes = b"payload") -> say.Key:
    """Begin and fill *name*; the key."""
    key = say.Key(name, name.decode())
    where = store.partition_of(name)
    begun = await store.execute(where, say.Begin(key, tags, b"c" + name, b"lock", TERMS, force=True))
    assert begun.generation is not None
    fill = say.Fill(key, record_of(begun, tags, payload), begun.generation, b"lock", 10**6, TERMS)
    assert await store.execute(where, fill)
    return key
