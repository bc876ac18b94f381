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
