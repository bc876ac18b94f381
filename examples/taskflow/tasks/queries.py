"""The statements behind the task lists: what a viewer sees, what a filter leaves, in which order."""

from typing import Any

from sqlalchemy import ColumnElement, Select, UnaryExpression, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from examples.taskflow.tasks.models import Task, TaskAssignment
from examples.taskflow.tasks.schemas import Sort, TaskFilter
from examples.taskflow.users.schemas import Viewer

SORTABLE: dict[str, InstrumentedAttribute[Any]] = {
    "created_at": Task.created_at,
    "updated_at": Task.updated_at,
    "due_date": Task.due_date,
    "title": Task.title,
    "status": Task.status,
}


def with_people() -> ORMOption:
    """Loads the people of any number of tasks with one more statement."""
    return selectinload(Task.assignments).joinedload(TaskAssignment.user)


def visible_to(viewer: Viewer) -> list[ColumnElement[bool]]:
    """Own tasks and tasks one works on; for an admin, all."""
    if viewer.is_admin:
        return []
    assigned = select(TaskAssignment.task_id).where(TaskAssignment.user_id == viewer.id)
    return [or_(Task.owner_id == viewer.id, Task.id.in_(assigned))]


def matching(wanted: TaskFilter) -> list[ColumnElement[bool]]:
    """The conditions *wanted* names."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.status is not None:
        conditions.append(Task.status == wanted.status)
    if wanted.assignee is not None:
        conditions.append(Task.assignments.any(TaskAssignment.user_id == wanted.assignee))
    if wanted.due_before is not None:
        conditions.append(Task.due_date < wanted.due_before)
    if wanted.q:
        # autoescape: a searched % or _ is that character, not a wildcard.
        found = (column.icontains(wanted.q, autoescape=True) for column in (Task.title, Task.description))
        conditions.append(or_(*found))
    return conditions


def ordering(sort: Sort) -> list[UnaryExpression[Any]]:
    """By *sort*, then by id: without a last tie-break, two pages may show the same task."""
    column = SORTABLE[sort.removeprefix("-")]
    if sort.startswith("-"):
        return [column.desc().nulls_last(), Task.id.desc()]
    return [column.asc().nulls_last(), Task.id.asc()]


def page(viewer: Viewer, wanted: TaskFilter) -> Select[Task]:
    """One page of tasks with their people."""
    chosen = select(Task).where(*visible_to(viewer), *matching(wanted)).order_by(*ordering(wanted.sort))
    return chosen.limit(wanted.limit).offset(wanted.offset).options(with_people())


def count(viewer: Viewer, wanted: TaskFilter) -> Select[int]:
    """How many tasks all pages have together."""
    return select(func.count()).select_from(Task).where(*visible_to(viewer), *matching(wanted))
