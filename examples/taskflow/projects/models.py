"""The tables ``projects``, ``device_classifications``, ``predicate_devices``, ``project_documents``, ``agent_interactions``.

Whatever belongs to a project goes with it: the database deletes it (``ON DELETE CASCADE``).
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from examples.taskflow.db import Base, UtcDateTime, utc_now

Document = dict[str, Any]  # Any: whatever JSON can say


class ProjectStatus(StrEnum):
    """How far a project has come."""

    DRAFT = "draft"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


class Project(Base):
    """A device that somebody prepares for its clearance."""

    __tablename__ = "projects"
    __table_args__ = (Index(None, "user_id", "updated_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(Text, default="")
    device_type: Mapped[str] = mapped_column(String(255), default="")
    intended_use: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[ProjectStatus] = mapped_column(String(20), default=ProjectStatus.DRAFT)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)


class Part(Base):
    """What all that belongs to a project has in common."""

    __abstract__ = True

    # sort_order: first in every table, as one reads it.
    id: Mapped[int] = mapped_column(primary_key=True, sort_order=-3)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True, sort_order=-2)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, sort_order=-1)


class DeviceClassification(Part):
    """Which class the device is in, and on which way it gets to the market; the latest one counts."""

    __tablename__ = "device_classifications"

    device_class: Mapped[str] = mapped_column(String(3))
    product_code: Mapped[str] = mapped_column(String(10), default="")
    regulatory_pathway: Mapped[str] = mapped_column(String(10))
    cfr_sections: Mapped[list[str]] = mapped_column(JSON, default=list)
    confidence_score: Mapped[float] = mapped_column()
    reasoning: Mapped[str] = mapped_column(Text, default="")
    sources: Mapped[list[str]] = mapped_column(JSON, default=list)


class PredicateDevice(Part):
    """A device that is cleared already and may be like this one."""

    __tablename__ = "predicate_devices"

    k_number: Mapped[str] = mapped_column(String(20))
    device_name: Mapped[str] = mapped_column(String(255))
    intended_use: Mapped[str] = mapped_column(Text, default="")
    product_code: Mapped[str] = mapped_column(String(10), default="")
    clearance_date: Mapped[date | None] = mapped_column()
    confidence_score: Mapped[float] = mapped_column()
    comparison_data: Mapped[Document | None] = mapped_column(JSON(none_as_null=True))
    is_selected: Mapped[bool] = mapped_column(default=False)


class ProjectDocument(Part):
    """A file of the project; only what is known about it, not what is in it."""

    __tablename__ = "project_documents"

    filename: Mapped[str] = mapped_column(String(255))
    file_path: Mapped[str] = mapped_column(String(500))
    document_type: Mapped[str] = mapped_column(String(50))
    # `metadata` is SQLAlchemy's own word on a class.
    details: Mapped[Document] = mapped_column("metadata", JSON, default=dict)


class AgentInteraction(Part):
    """One thing that an agent has done for a project, and why."""

    __tablename__ = "agent_interactions"

    agent_action: Mapped[str] = mapped_column(String(100))
    input_data: Mapped[Document] = mapped_column(JSON, default=dict)
    output_data: Mapped[Document] = mapped_column(JSON, default=dict)
    confidence_score: Mapped[float] = mapped_column()
    sources: Mapped[list[str]] = mapped_column(JSON, default=list)
    reasoning: Mapped[str] = mapped_column(Text, default="")
    execution_time_ms: Mapped[int] = mapped_column()
