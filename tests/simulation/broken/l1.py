"""Ways to feed and to ask L1 with one rule broken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evercache.core.l1 import L1
from evercache.core.lease import Heard, LogReader
from tests.simulation.process import Process

__all__ = [
    "AnchorFirst",
    "CheckUnread",
    "FlushSparesFlights",
    "InsertTouched",
    "LeaseFromReply",
    "LeaseUnread",
    "NoAnchor",
    "ReopenedWithoutFlush",
]


class LeaseFromReply(LogReader):
    """The lease counts from the moment the answer arrived."""

    def _until(self, sent: float, received: float) -> float:
        return received + self.delta


class NoAnchor(LogReader):
    """A log that answers "nothing new" has nothing new."""

    def heard(self, sent: float, received: float, *, anchored: bool, records: Any) -> Heard:
        return super().heard(sent, received, anchored=True, records=records)


class ReopenedWithoutFlush(LogReader):
    """A log that is opened anew leaves L1 as it is."""

    def opened(self, position: bytes, sent: float) -> Heard:
        return replace(super().opened(position, sent), flush=False)


class InsertTouched(L1):
    """L1 takes what it is given."""

    def untouched(self, *_: Any, **__: Any) -> bool:
        return True


class CheckUnread(L1):
    """An entry in L1 is good until its time is up."""

    def _is_gone(self, entry: Any) -> bool:
        return False


class FlushSparesFlights(L1):
    """What was asked before a flush may go in after it."""

    def insert(self, entry: Any, *, since: int, **rest: Any) -> bool:
        return super().insert(entry, since=max(since, entry.lease.floor), **rest)


class AnchorFirst(Process):
    """The log is asked whether it still reaches back before its records are read, not after."""

    def ask_log(self, server: Any, position: bytes) -> tuple[bool, Any]:
        anchored = server.read_log(position)[0]
        self.world.between()
        return anchored, server.read_log(position)[1]


class LeaseUnread(Process):
    """L1 answers whatever the log says."""

    def hit(self, key: bytes, now: float) -> Any:
        self.lease.until = max(self.lease.until, now + 1)
        return super().hit(key, now)
