"""The life of an invalidation.

    doom the own flights it concerns, forget it in the own L1
    send it to the store: the key's partition, or all partitions for a tag, a pattern, the namespace
    doom once more: a flight may have looked before the store knew, and landed after the first time
    no answer: into the journal, which quarantines it here and repeats it until it is confirmed

CONFIRMED is only said when the store has said so.

Where there are many partitions, a tag, a pattern and the namespace go to all of them twice, the second time after all
have answered the first. For values are made of others (`engine.recording`): while the first round is under way, a load
whose entry belongs to a partition that has it already may read a value of one that hasn't, and its fill would pass. In
the second round nobody can read such a value any more. So what was made of it was either stored before, and is dropped
now, or its load began before, and its fill is rejected.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from enum import Enum

from evercache.core.protocol import (
    Ban,
    Command,
    Distrust,
    ExpireKey,
    ExpireTag,
    InvalidateKey,
    InvalidateTag,
    LogRecord,
)
from evercache.engine.context import Context
from evercache.errors import InvalidationPending, StoreUnavailable

__all__ = ["Confirmation", "Invalidator"]

AT_ONCE = 1024
"""Commands of one call that are under way together: a fraction of what a connection to Redis lets wait."""


class Confirmation(Enum):
    """What is known about an invalidation when the call returns.

    - `CONFIRMED`: no read that starts later, in any process, gets a value loaded before it (from L1: Δ later).
    - `PENDING`: the store could not be reached. This process no longer uses what was invalidated, the journal repeats
      the invalidation until it is confirmed; other processes may still use it until then.
    """

    CONFIRMED = "confirmed"
    PENDING = "pending"

    def __bool__(self) -> bool:
        return self is Confirmation.CONFIRMED


class Invalidator:
    """Sends what writers say. One for each engine."""

    def __init__(self, engine: Context) -> None:
        self.engine = engine

    async def keys(self, ids: Sequence[bytes], *, soft: bool = False) -> Confirmation:
        """Invalidate (or expire) entries by their ids."""
        kind, command = ("x", ExpireKey) if soft else ("k", InvalidateKey)
        orders = [(self.engine.partition_of(id), command(id)) for id in ids]
        records = [LogRecord(kind, id) for id in ids]
        return await self._carry_out("key", records, orders, soft=soft)

    async def tags(self, tags: Sequence[bytes], *, soft: bool = False) -> Confirmation:
        """Invalidate (or expire) everything that carries one of these tags: one command each and partition."""
        kind, command = ("y", ExpireTag) if soft else ("t", InvalidateTag)
        orders = [(p, command(tag, _candidate(), self.engine.terms)) for tag in tags for p in self._everywhere()]
        return await self._carry_out("tag", [LogRecord(kind, tag) for tag in tags], orders, soft=soft)

    async def pattern(self, pattern: str) -> Confirmation:
        """Invalidate every key whose text matches the glob."""
        record = LogRecord("b", pattern.encode("utf-8", "surrogatepass"))
        orders = [(p, Ban(pattern, _candidate(), self.engine.terms)) for p in self._everywhere()]
        return await self._carry_out("pattern", [record], orders)

    async def everything(self) -> Confirmation:
        """Invalidate the whole namespace; O(1)."""
        orders = [(p, self.distrust()) for p in self._everywhere()]
        return await self._carry_out("namespace", [LogRecord("n", b"")], orders)

    def _everywhere(self) -> Iterable[int]:
        return range(self.engine.partitions)

    def distrust(self) -> Distrust:
        return Distrust(_candidate(), self.engine.terms)

    # -- carrying out --------------------------------------------------------------------------------------------

    async def _carry_out(
        self,
        kind: str,
        records: Sequence[LogRecord],
        orders: Sequence[tuple[int, Command[None]]],
        *,
        soft: bool = False,
    ) -> Confirmation:
        engine = self.engine
        started = engine.clock.monotonic()
        self.doom(records)
        confirmation = Confirmation.CONFIRMED
        if not engine.shares:
            engine.companions.invalidated(records)
        else:
            # The caller may be cancelled; what it said about its data may not be.
            sending = engine.airfield().spawn(self._send_all(records, orders), "invalidates")
            try:
                confirmation = await asyncio.shield(sending)
            except asyncio.CancelledError:
                if not sending.cancelled():
                    raise
                confirmation = Confirmation.PENDING  # the cache was stopped; what was not sent is in the journal
        self._count(kind, len(records), confirmation, started, soft=soft)
        if engine.raise_pending:
            demand(confirmation, f"{len(records)} x {kind}")
        return confirmation

    async def _send_all(
        self, records: Sequence[LogRecord], orders: Sequence[tuple[int, Command[None]]]
    ) -> Confirmation:
        everywhere = any(not isinstance(command, InvalidateKey | ExpireKey) for _, command in orders[:1])
        wide = everywhere and self.engine.partitions > 1
        confirmed = False
        try:
            confirmed = await self._send_round(orders)
        finally:
            if wide and not confirmed:
                self._owe_second([command for _, command in orders])
        if wide and confirmed:
            confirmed = await self._send_round(orders)
        self.doom(records)
        return Confirmation.CONFIRMED if confirmed else Confirmation.PENDING

    def _owe_second(self, commands: Iterable[Command[None]]) -> None:
        """The second round is the journal's: now, if the first one has been repaid in the meantime."""
        engine = self.engine
        for command in commands:
            engine.journal.note_second(command)
        if engine.journal.second_round(self._everywhere(), self.distrust):
            for partition in self._everywhere():
                engine.owing(partition)

    async def _send_round(self, orders: Sequence[tuple[int, Command[None]]]) -> bool:
        confirmed = True
        for begin in range(0, len(orders), AT_ONCE):
            confirmed = await self._send_some(orders, begin) and confirmed
        return confirmed

    async def _send_some(self, orders: Sequence[tuple[int, Command[None]]], begin: int) -> bool:
        end = begin + AT_ONCE
        try:
            return all(
                await asyncio.gather(*(self._send(partition, command) for partition, command in orders[begin:end]))
            )
        except asyncio.CancelledError:
            for partition, command in orders[end:]:
                self.engine.journal.note(partition, command, self.distrust)
            raise

    async def _send(self, partition: int, command: Command[None]) -> bool:
        try:
            await self.engine.execute(partition, command)
        except (StoreUnavailable, asyncio.CancelledError) as error:
            self.engine.journal.note(partition, command, self.distrust)
            if isinstance(error, asyncio.CancelledError):
                raise
            self.engine.owing(partition)
            return False
        return True

    def doom(self, records: Sequence[LogRecord]) -> None:
        """Forget it here: in L1, and in the flights of every loop."""
        engine = self.engine
        for record in records:
            engine.l1.apply(record)
        for airfield in engine.airfields():
            for record in records:
                airfield.flights.doom(record)

    def _count(self, kind: str, count: int, confirmation: Confirmation, started: float, *, soft: bool) -> None:
        statistics = self.engine.statistics
        if confirmation is Confirmation.CONFIRMED:
            statistics.confirmed += count
        else:
            statistics.pending += count
        hooks = self.engine.hooks
        if hooks.observers:
            from evercache.core.events import Invalidated

            seconds = self.engine.clock.monotonic() - started
            hooks.emit(Invalidated(kind, "soft" if soft else "hard", count, confirmation.value, seconds))


def demand(confirmation: Confirmation, what: str) -> Confirmation:
    """Raise InvalidationPending unless it is CONFIRMED; for callers that asked for an error."""
    if confirmation is Confirmation.PENDING:
        raise InvalidationPending(
            f"the invalidation of {what} is not confirmed: the shared store doesn't answer. It is journalled and will be "
            "repeated; until then other processes may serve the old value."
        )
    return confirmation


def _candidate() -> bytes:
    return secrets.token_hex(8).encode()
