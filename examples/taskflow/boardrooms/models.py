"""The tables of boardrooms: who takes part, sessions and their threads, decisions with their rounds and votes."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from examples.taskflow.db import Base, UtcDateTime, utc_now


class SessionStatus(StrEnum):
    """Whether a session goes on."""

    ACTIVE = "active"
    ENDED = "ended"


class ThreadType(StrEnum):
    """What a thread is for."""

    DISCUSSION = "discussion"
    DECISION = "decision"
    ACTION_ITEM = "action_item"
    NOTE = "note"


class ThreadStatus(StrEnum):
    """Whether a thread goes on."""

    ACTIVE = "active"
    CLOSED = "closed"
    ARCHIVED = "archived"


class DecisionStatus(StrEnum):
    """How far a decision has come."""

    PENDING = "pending"
    ACTIVE = "active"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Boardroom(Base):
    """A place where some people decide."""

    __tablename__ = "boardrooms"
    __table_args__ = (Index(None, "owner_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text, default="")
    is_active: Mapped[bool] = mapped_column(default=True)
    max_participants: Mapped[int] = mapped_column(default=10)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Participant(Base):
    """Somebody takes part in a boardroom; its owner always does."""

    __tablename__ = "boardroom_participants"
    __table_args__ = (Index(None, "user_id"),)

    boardroom_id: Mapped[int] = mapped_column(ForeignKey("boardrooms.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)


class Session(Base):
    """A meeting."""

    __tablename__ = "boardroom_sessions"
    __table_args__ = (Index(None, "boardroom_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    boardroom_id: Mapped[int] = mapped_column(ForeignKey("boardrooms.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str] = mapped_column(String(200))
    status: Mapped[SessionStatus] = mapped_column(String(20), default=SessionStatus.ACTIVE)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Thread(Base):
    """One subject of a session."""

    __tablename__ = "boardroom_threads"
    __table_args__ = (Index(None, "session_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("boardroom_sessions.id", ondelete="CASCADE"))
    thread_type: Mapped[ThreadType] = mapped_column(String(20))
    status: Mapped[ThreadStatus] = mapped_column(String(20), default=ThreadStatus.ACTIVE)
    priority: Mapped[int] = mapped_column(default=3)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Decision(Base):
    """A question that a boardroom answers."""

    __tablename__ = "decisions"
    __table_args__ = (Index(None, "boardroom_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    boardroom_id: Mapped[int] = mapped_column(ForeignKey("boardrooms.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(200))
    status: Mapped[DecisionStatus] = mapped_column(String(20), default=DecisionStatus.PENDING)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Round(Base):
    """One vote of a decision on some options; the latest round counts."""

    __tablename__ = "decision_rounds"
    __table_args__ = (UniqueConstraint("decision_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    decision_id: Mapped[int] = mapped_column(ForeignKey("decisions.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column()
    options: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Vote(Base):
    """What somebody chose in a round."""

    __tablename__ = "votes"

    round_id: Mapped[int] = mapped_column(ForeignKey("decision_rounds.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    choice: Mapped[int] = mapped_column()
