"""Caches that break a promise, each in one place. A checker that doesn't see them sees nothing."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from evercache.core.protocol import Ban, Begin, Distrust, Fill, InvalidateKey, InvalidateTag
from evercache.errors import StoreUnavailable
from evercache.stores.redis.store import RedisStore

__all__ = ["SABOTAGE"]

_INVALIDATIONS = (Ban, Distrust, InvalidateKey, InvalidateTag)


class FillUnchecked(RedisStore):
    """Stores whatever was loaded, as a plain SET would: with the generation and the stamps of now."""

    async def execute(self, partition: int, command: Any) -> Any:
        if not isinstance(command, Fill):
            return await super().execute(partition, command)
        record = command.record
        again = Begin(command.key, record.tags, secrets.token_hex(8).encode(), command.lock, command.terms, force=True)
        begun = await super().execute(partition, again)
        current = replace(
            record,
            namespace=begun.namespace or b"",
            ban=begun.ban or b"",
            stamps=tuple(stamp or b"" for stamp in begun.stamps),
        )
        fill = replace(command, record=current, generation=begun.generation or b"")
        return await super().execute(partition, fill)


class _Listening:
    """A listener that hears everything."""

    def __init__(self, listener: Any) -> None:
        self._listener = listener

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)


class _Eternal(_Listening):
    def leased(self, partition: int, until: float) -> None:
        self._listener.leased(partition, float("inf"))


class _Deaf(_Listening):
    def logged(self, partition: int, records: Any) -> None:
        """Doesn't care."""


class LeaseForever(RedisStore):
    """L1 may answer without end, also when nobody has heard from Redis for long."""

    async def start(self, listener: Any) -> None:
        await super().start(_Eternal(listener))


class LogUnread(RedisStore):
    """The lease of L1 is renewed by reading the log; what stands in it is passed over."""

    async def start(self, listener: Any) -> None:
        await super().start(_Deaf(listener))


class SaysConfirmed(RedisStore):
    """An invalidation that could not be sent is said to be done."""

    async def execute(self, partition: int, command: Any) -> Any:
        try:
            return await super().execute(partition, command)
        except StoreUnavailable:
            if isinstance(command, _INVALIDATIONS):
                return None
            raise


SABOTAGE = {
    "fill-unchecked": FillUnchecked,
    "lease-forever": LeaseForever,
    "log-unread": LogUnread,
    "says-confirmed": SaysConfirmed,
}
