"""What a publication has done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from evercache.engine.invalidation import Confirmation

__all__ = ["Published"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of the events of one `publish`.

    - `events`: the names of their classes; `rules`: how many rules applied; `tags`, `calls`: what these named, each once.
    - `invalidated_keys`: how many answers that concerned. `exact`: it is the number; else an estimate, what this process
      holds of them, for a shared store drops by tag without ever counting.
    - `confirmation`: CONFIRMED or PENDING, as for `Cache.invalidate_tags`; `success`: it is confirmed.
    - `duration_seconds`: from the call until the store has confirmed. `timestamp`: then (UTC).
    """

    events: tuple[str, ...]
    rules: int
    tags: int
    calls: int
    invalidated_keys: int
    exact: bool
    confirmation: Confirmation
    duration_seconds: float
    timestamp: datetime

    @property
    def success(self) -> bool:
        """Whether it is confirmed."""
        return self.confirmation is Confirmation.CONFIRMED

    def to_dict(self) -> dict[str, Any]:  # Any: numbers, texts, lists
        """As JSON would have it."""
        return asdict(self) | {
            "events": list(self.events),
            "confirmation": self.confirmation.value,
            "timestamp": self.timestamp.isoformat(),
            "success": self.success,
        }
