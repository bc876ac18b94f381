"""Invalidations that could not be confirmed, kept until they are.

Repeating an invalidation is harmless, so the journal keeps one entry per key, tag or pattern and partition. Each entry
carries an operation number: while an old one is being repeated, a newer one may arrive, and settling the old one must
not clear it. A journal that is full gives up precision, never an invalidation: the whole partition is to be distrusted.

What stands in the journal is in quarantine: this process neither reads it from the shared store nor fills it.

An invalidation of many partitions has a second round, after all have confirmed the first (`engine.invalidation` says
why). If the first one isn't confirmed, the second is the journal's too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from evercache.core.patterns import matches
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

__all__ = ["Journal", "record_of"]

Name = tuple[str, bytes | str]


class Journal:
    """The unconfirmed invalidations of one process; at most *limit* per partition."""

    def __init__(self, limit: int = 100_000) -> None:
        self.limit = limit
        self._entries: dict[int, dict[Name, tuple[int, Command[object]]]] = {}
        self._second: dict[Name, Command[object]] = {}
        self._operation = 0

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    @property
    def empty(self) -> bool:
        """Whether nothing is in quarantine anywhere."""
        return not self._entries

    def note(self, partition: int, command: Command[object], distrust: Callable[[], Distrust]) -> None:
        """Keep *command* until it is confirmed; *distrust* replaces everything when there is no room."""
        entries = self._entries.setdefault(partition, {})
        self._operation += 1
        name = _name(command)
        if name not in entries and len(entries) >= self.limit:
            entries.clear()
            command = distrust()
            name = _name(command)
        before = entries.pop(name, None)  # a repeated one moves to the end: oldest first
        if before is not None and isinstance(command, ExpireKey | ExpireTag):
            command = _harder(before[1], command)
        entries[name] = self._operation, command

    def note_second(self, command: Command[object]) -> None:
        """Once no partition owes *command* any more, all of them owe it once more."""
        self._second[_name(command)] = command

    def second_round(self, partitions: Iterable[int], distrust: Callable[[], Distrust]) -> bool:
        """Note the second rounds that are due; whether there were any."""
        due = [name for name in self._second if not self._owes(name)]
        for command in [self._second.pop(name) for name in due]:
            for partition in partitions:
                self.note(partition, command, distrust)
        return bool(due)

    def _owes(self, name: Name) -> bool:
        return any(name in entries or ("n", b"") in entries for entries in self._entries.values())

    def owed(self, partition: int, limit: int) -> list[tuple[int, Command[object]]]:
        """The oldest *limit* entries of *partition*."""
        entries = self._entries.get(partition, {})
        return [entry for entry, _ in zip(entries.values(), range(limit), strict=False)]

    def settle(self, partition: int, operations: Iterable[int]) -> list[LogRecord]:
        """These operations are confirmed; newer ones of the same name stay. What they were about, for who must forget
        it once more: a flight may have looked before the store knew."""
        done = set(operations)
        entries = self._entries.get(partition, {})
        names = [name for name, (operation, _) in entries.items() if operation in done]
        settled = [record_of(entries.pop(name)[1]) for name in names]
        if not entries:
            self._entries.pop(partition, None)
        return settled

    def sort(self, places: Callable[[Command[object]], Iterable[int]], distrust: Callable[[], Distrust]) -> None:
        """Put every entry where it belongs: what was noted while nobody knew the partitions stands under any one."""
        noted = sorted((entry for entries in self._entries.values() for entry in entries.values()), key=_age)
        self._entries.clear()
        for _, command in noted:
            for partition in places(command):
                self.note(partition, command, distrust)

    def quarantines(self, partition: int, key: bytes, tags: Iterable[bytes], text: Callable[[], str]) -> bool:
        """Whether an invalidation of this key or one of these tags is still on its way."""
        entries = self._entries.get(partition)
        if not entries:
            return False
        if ("n", b"") in entries or ("k", key) in entries or any(("t", tag) in entries for tag in tags):
            return True
        return any(kind == "b" and isinstance(name, str) and matches(name, text()) for kind, name in entries)


def _age(entry: tuple[int, Command[object]]) -> int:
    return entry[0]


def _harder(before: Command[object], command: Command[object]) -> Command[object]:
    """An expiry must not take the place of an invalidation that is still owed."""
    return before if isinstance(before, InvalidateKey | InvalidateTag) else command


def record_of(command: Command[object]) -> LogRecord:
    """The record that an invalidation leaves in the log."""
    kind, name = _name(command)
    if isinstance(command, ExpireKey | ExpireTag):
        kind = "x" if kind == "k" else "y"
    return LogRecord(kind, name.encode("utf-8", "surrogatepass") if isinstance(name, str) else name)


def _name(command: Command[object]) -> Name:
    match command:
        case InvalidateKey() | ExpireKey():
            return "k", command.id
        case InvalidateTag() | ExpireTag():
            return "t", command.tag
        case Ban():
            return "b", command.pattern
        case Distrust():
            return "n", b""
        case _:
            raise TypeError(f"{type(command).__name__} is not an invalidation; only those are journalled")
