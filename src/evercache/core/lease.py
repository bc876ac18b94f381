"""The reader of the invalidation log: when L1 may answer, and what it must forget. Decisions only.

The log is a capped stream in the store. A process reads it without pause; each answer proves that the process knew, at
the moment the question was *sent*, every invalidation confirmed until then, and gives L1 the right to answer for Δ
seconds from that moment. No answer, no right: a lost push, a half-open link, a paused process end the lease by
themselves.

The trap: a log that was trimmed, evicted or flushed answers "nothing new" without an error. So every read also asks
whether the record it stands on (the anchor) is still there. If it isn't, something may have been missed: forget all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evercache.core.protocol import LogRecord

__all__ = ["Heard", "LogReader"]


@dataclass(slots=True)
class Heard:
    """What an answer of the log means: forget everything, or apply these records; and the new end of the lease."""

    flush: bool
    records: tuple[LogRecord, ...]
    until: float


class LogReader:
    """Follows the log of one partition.

    `opened()` starts anew from the last position: everything known before is to be forgotten. `heard()` takes the
    answer of one read. Without a position (`None`) the caller opens the log again.
    """

    def __init__(self, delta: float) -> None:
        self.delta = delta
        self.position: bytes | None = None

    def opened(self, position: bytes, sent: float) -> Heard:
        """The log was opened by a question sent at *sent*, and ends at *position*."""
        self.position = position
        return Heard(flush=True, records=(), until=self._until(sent, sent))

    def heard(
        self, sent: float, received: float, *, anchored: bool, records: Sequence[tuple[bytes, LogRecord]]
    ) -> Heard:
        """The answer to a read that was sent at *sent*: whether the anchor was there, and the records behind it."""
        if not anchored:
            self.position = None
            return Heard(flush=True, records=(), until=float("-inf"))
        if records:
            self.position = records[-1][0]
        return Heard(flush=False, records=tuple(record for _, record in records), until=self._until(sent, received))

    def lost(self) -> None:
        """The link broke, or leads to another server: nothing is known until the log is opened again."""
        self.position = None

    def _until(self, sent: float, received: float) -> float:
        return sent + self.delta
