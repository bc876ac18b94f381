"""Since when each partition is as it is; what `engine.health` is made from when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evercache.engine.health import Health, PartitionHealth, Status

__all__ = ["Ledger"]


def _duration(state: PartitionHealth) -> float:
    return state.seconds


class Ledger:
    """Since when each partition is as it is. Written by the store's listener, read by health."""

    def __init__(self, now: float) -> None:
        self._started = now
        self._states: dict[int, tuple[bool, str, float]] = {}

    def changed(self, partition: int, *, trusted: bool, reason: str, now: float) -> float | None:
        """Note a state; seconds the opposite state lasted, or None if nothing changed."""
        known, _, since = self._states.get(partition, (not trusted, "", self._started))
        if partition in self._states and known == trusted:
            self._states[partition] = (trusted, reason, since)
            return None
        self._states[partition] = (trusted, reason, now)
        return now - since

    def reason(self, partition: int) -> str:
        """The last word about *partition*."""
        return self._states.get(partition, (False, "connecting", 0.0))[1]

    def health(self, partitions: int, owed: int, now: float) -> Health:
        from evercache.engine.health import Health, PartitionHealth

        states = []
        for partition in range(partitions):
            trusted, reason, since = self._states.get(partition, (False, "connecting", self._started))
            states.append(PartitionHealth(partition, trusted, reason, now - since))
        bad = [state for state in states if not state.trusted]
        if not bad:
            return Health("healthy", owed=owed, partitions=tuple(states))
        longest = max(bad, key=_duration)
        status: Status = "down" if len(bad) == len(states) else "degraded"
        return Health(status, longest.reason, longest.seconds, owed, tuple(states))
