"""The tables ``tasks`` and ``task_assignments``."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from examples.taskflow.db import Base, UtcDateTime, utc_now
from examples.taskflow.users.models import User


class TaskStatus(StrEnum):
    """How far a task has come."""

    TODO = "todo"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    CANCELLED = "cancelled"


class Task(Base):
    """Something to be done."""

    __tablename__ = "tasks"
    __table_args__ = (Index(None, "owner_id", "created_at"), Index(None, "status"), Index(None, "due_date"))

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[TaskStatus] = mapped_column(String(20), default=TaskStatus.TODO)
    due_date: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)

    # raise_on_sql: a task whose people were not asked for fails in the first test, not as N+1 queries in use.
    assignments: Mapped[list["TaskAssignment"]] = relationship(
        cascade="all, delete-orphan", order_by="TaskAssignment.user_id", lazy="raise_on_sql"
    )


class TaskAssignment(Base):
    """Somebody works on a task, since a moment."""

    __tablename__ = "task_assignments"
    __table_args__ = (Index(None, "user_id"),)

    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    assigned_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    user: Mapped[User] = relationship(lazy="raise_on_sql")
