"""What a transaction has changed so far, by the names of tags, with its savepoints."""

from __future__ import annotations

from collections.abc import Iterable

from evercache.sql.names import bounded

__all__ = ["Ledger"]


class Ledger:
    """Collects the tags of one transaction. Rolled back to a savepoint, it forgets what came after it.

    - `wrote`: it has changed something that isn't committed, so its reads are its own.
    - `repeats`: the user has asked for one snapshot by hand (SET TRANSACTION), whatever the settings say.
    """

    __slots__ = ("_marks", "_names", "repeats")

    def __init__(self) -> None:
        self._names: list[str] = []
        self._marks: list[tuple[str, int]] = []
        self.repeats = False

    @property
    def wrote(self) -> bool:
        return bool(self._names)

    def add(self, names: Iterable[str]) -> None:
        self._names.extend(names)

    def savepoint(self, name: str) -> None:
        self._marks.append((name, len(self._names)))

    def release(self, name: str) -> None:
        """What came after the savepoint belongs to what is around it."""
        self._cut(name)

    def rollback_to(self, name: str) -> None:
        """What came after the savepoint has not happened. The savepoint itself is still there."""
        position = self._cut(name)
        if position is not None:
            del self._names[position:]
            self._marks.append((name, position))

    def take(self) -> list[str]:
        """Everything collected, each name once; the ledger is empty afterwards."""
        names, self._names = bounded(self._names), []
        self._marks.clear()
        return names

    def _cut(self, name: str) -> int | None:
        """Forget this savepoint and those within it; its position, if it is known."""
        for index in range(len(self._marks) - 1, -1, -1):
            if self._marks[index][0] == name:
                position = self._marks[index][1]
                del self._marks[index:]
                return position
        return None
