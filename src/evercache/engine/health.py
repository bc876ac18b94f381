"""How the cache is, in three words: healthy, degraded (why, since when), down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Health", "PartitionHealth", "Status"]

Status = Literal["healthy", "degraded", "down", "memory"]


@dataclass(frozen=True, slots=True)
class PartitionHealth:
    """One partition of the shared store: trusted or not, the last reason, and for how many seconds."""

    partition: int
    trusted: bool
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a cache.

    - `healthy`: the shared store answers. `memory`: none is configured, this process is the whole cache.
    - `degraded`: some partitions don't answer, or the cache isn't started: those keys are loaded, not cached.
    - `down`: no partition answers. The application goes on; every read is a load.
    """

    status: Status
    reason: str = ""
    seconds: float = 0.0
    owed: int = 0
    partitions: tuple[PartitionHealth, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        """For a health endpoint."""
        body: dict[str, Any] = {"status": self.status}
        if self.reason:
            body |= {"reason": self.reason, "since_seconds": round(self.seconds, 3)}
        if self.owed:
            body["unconfirmed_invalidations"] = self.owed
        if len(self.partitions) > 1:
            body["untrusted_partitions"] = [p.partition for p in self.partitions if not p.trusted]
        return body


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
