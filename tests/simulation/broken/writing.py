"""Journals and writers with one rule broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evercache.core.flight import Flight, Landing
from evercache.core.journal import Journal
from evercache.core.protocol import (
    ExpireKey,
    ExpireTag,
)
from tests.simulation.process import Process
from tests.simulation.scheduler import Connection

__all__ = [
    "EpochAtConnectOnly",
    "ExpiryReplacesInvalidation",
    "FullJournalForgets",
    "KnownByProcess",
    "NeverDoomed",
    "NoQuarantine",
    "NotDoomedAfter",
    "PutNotDoomedAfter",
    "SettledQuietly",
    "SettlesNewer",
]


class SettlesNewer(Journal):
    """Settling an operation settles everything of that name."""

    def settle(self, partition: int, operations: Any) -> None:
        entries = self._entries.get(partition, {})
        newer = [operation for operation, _ in entries.values()]
        super().settle(partition, newer if operations else ())


class ExpiryReplacesInvalidation(Journal):
    """The last call of a name is the one that is owed, be it softer."""

    def note(self, partition: int, command: Any, distrust: Callable[[], Any]) -> None:
        if isinstance(command, ExpireKey | ExpireTag):
            entries = self._entries.get(partition, {})
            name = ("k", command.id) if isinstance(command, ExpireKey) else ("t", command.tag)
            entries.pop(name, None)
        super().note(partition, command, distrust)


class FullJournalForgets(Journal):
    """A journal that is full lets the oldest go."""

    def note(self, partition: int, command: Any, distrust: Callable[[], Any]) -> None:
        entries = self._entries.setdefault(partition, {})
        if len(entries) >= self.limit:
            entries.clear()
        super().note(partition, command, distrust)


class NoQuarantine(Journal):
    """What is owed doesn't stop this process from reading."""

    def quarantines(self, *_: Any) -> bool:
        return False


class NotDoomedAfter(Process):
    """An invalidation dooms flights before it is sent, and not again after its reply."""

    def doom_after(self, command: Any) -> None:
        pass


class PutNotDoomedAfter(Process):
    """A put dooms flights before it is sent, and not again after its reply."""

    def put_after(self, key: Any, call: Any, flight: Flight, landing: Landing | None) -> None:
        if landing is not None:
            self.insert(key, flight, landing)


class SettledQuietly(Process):
    """What the journal settles is not doomed once more."""

    def doom_settled(self, command: Any) -> None:
        pass


class NeverDoomed(Process):
    """An invalidation leaves this process's own flights and L1 to the log."""

    def doom(self, command: Any) -> None:
        pass


class EpochAtConnectOnly(Process):
    """A server that this process has met before is taken for what it was."""

    def must_adopt(self, connection: Connection) -> bool:
        return connection.node not in self.met and super().must_adopt(connection)


class KnownByProcess(Process):
    """A server is known by its process (`by_process`): one that became a replica and a primary again is the same."""
