"""What goes in and out of the task routes."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from examples.taskflow.tasks.models import Task, TaskStatus


def in_utc(moment: datetime) -> datetime:
    """*moment* in UTC; one without a zone is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(in_utc)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Description = Annotated[str, StringConstraints(max_length=5000)]
AssigneeIds = Annotated[list[int], Field(max_length=50, description="Ids of the users who work on it.")]
Sort = Literal[
    "created_at", "-created_at", "updated_at", "-updated_at", "due_date", "-due_date", "title", "-title", "status", "-status"
]  # fmt: skip


class TaskWrite(BaseModel):
    """A whole task, to create it or to replace one."""

    model_config = ConfigDict(extra="forbid")

    title: Title
    description: Description = ""
    status: TaskStatus = TaskStatus.TODO
    due_date: Moment | None = None
    assignee_ids: AssigneeIds = []


class TaskPatch(BaseModel):
    """The part of a task that changes; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    title: Title = ""
    description: Description = ""
    status: TaskStatus = TaskStatus.TODO
    due_date: Moment | None = None
    assignee_ids: AssigneeIds = []


class TaskFilter(BaseModel):
    """Which tasks, in which order, which page of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: TaskStatus | None = None
    assignee: int | None = Field(None, description="Id of a user who works on it.")
    due_before: Moment | None = None
    q: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)] | None = Field(
        None, description="Text in the title or the description."
    )
    sort: Sort = "-created_at"
    limit: int = Field(20, ge=1, le=100)
    offset: int = Field(0, ge=0, le=1_000_000)


class Assignee(BaseModel):
    """Somebody who works on a task."""

    model_config = ConfigDict(frozen=True)

    id: int
    username: str
    assigned_at: datetime


class TaskRead(BaseModel):
    """A task with its people."""

    model_config = ConfigDict(frozen=True)

    id: int
    title: str
    description: str
    status: TaskStatus
    due_date: datetime | None
    owner_id: int
    assignees: list[Assignee]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, task: Task) -> Self:
        """*task*, whose assignments and their users are loaded."""
        people = [
            Assignee(id=who.user_id, username=who.user.username, assigned_at=who.assigned_at)
            for who in task.assignments
        ]
        return cls(
            id=task.id,
            title=task.title,
            description=task.description,
            status=TaskStatus(task.status),
            due_date=task.due_date,
            owner_id=task.owner_id,
            assignees=people,
            created_at=task.created_at,
            updated_at=task.updated_at,
        )


class TaskPage(BaseModel):
    """One page of a list, and how long the list is."""

    model_config = ConfigDict(frozen=True)

    items: list[TaskRead]
    total: int
    limit: int
    offset: int


class TaskStatistics(BaseModel):
    """How many tasks somebody sees, by status."""

    model_config = ConfigDict(frozen=True)

    total: int
    by_status: dict[TaskStatus, int]
    overdue: int = Field(description="Past their due date, and neither done nor cancelled.")
