"""What has happened to a project, as the cache is told, and what the cache says it has done."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from examples.taskflow.db import utc_now


class EventType(StrEnum):
    """What has changed."""

    PROJECT_UPDATE = "project_update"  # the project itself: made, changed, deleted
    CLASSIFICATION_UPDATE = "classification_update"
    PREDICATE_UPDATE = "predicate_update"
    DOCUMENT_UPDATE = "document_update"
    INTERACTION_UPDATE = "interaction_update"
    USER_UPDATE = "user_update"  # everything of one user


@dataclass(frozen=True, slots=True)
class CacheInvalidationEvent:
    """A committed change.  ``metadata["updated_fields"]`` names what changed, where that is known."""

    event_type: str
    project_id: int
    user_id: str
    timestamp: datetime = field(default_factory=utc_now)
    metadata: Mapping[str, Any] = field(default_factory=dict)  # Any: whatever JSON can say

    @property
    def updated_fields(self) -> tuple[str, ...]:
        """What changed."""
        return tuple(self.metadata.get("updated_fields", ()))


@dataclass(frozen=True, slots=True)
class InvalidationResult:
    """What an event has done.

    ``invalidated_keys`` is how many entries it reached, as far as this process knows: it is ``exact`` where this process
    holds all of them.  Without ``success``, ``error`` says why; other processes may then still use what was to go.
    """

    event_type: str
    project_id: int
    user_id: str
    timestamp: datetime
    invalidated_keys: int
    exact: bool
    success: bool
    error: str | None

    def to_dict(self) -> dict[str, Any]:  # Any: numbers, texts, None
        """As JSON would have it."""
        return asdict(self) | {"timestamp": self.timestamp.isoformat()}
