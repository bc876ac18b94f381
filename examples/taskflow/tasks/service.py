"""What can be done with tasks: each function one act on one session, for one viewer.

A task that the viewer does not see is answered as one that does not exist.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from examples.taskflow.db import utc_now
from examples.taskflow.errors import Forbidden, NotFound, Unprocessable
from examples.taskflow.tasks import queries
from examples.taskflow.tasks.models import Task, TaskAssignment, TaskStatus
from examples.taskflow.tasks.schemas import TaskFilter, TaskPage, TaskPatch, TaskRead, TaskStatistics, TaskWrite
from examples.taskflow.users.models import User
from examples.taskflow.users.schemas import Viewer

FINISHED = (TaskStatus.DONE, TaskStatus.CANCELLED)


async def find_page(db: AsyncSession, viewer: Viewer, wanted: TaskFilter) -> TaskPage:
    """The page of the viewer's tasks that *wanted* describes: three statements, however long it is."""
    tasks = await db.scalars(queries.page(viewer, wanted))
    items = [TaskRead.of(task) for task in tasks]
    total = await db.scalar(queries.count(viewer, wanted)) or 0
    return TaskPage(items=items, total=total, limit=wanted.limit, offset=wanted.offset)


async def statistics(db: AsyncSession, viewer: Viewer) -> TaskStatistics:
    """The viewer's tasks, counted now."""
    visible = queries.visible_to(viewer)
    rows = await db.execute(select(Task.status, func.count()).where(*visible).group_by(Task.status))
    found = {TaskStatus(status): number for status, number in rows}
    late = select(func.count()).where(*visible, Task.due_date < utc_now(), Task.status.not_in(FINISHED))
    return TaskStatistics(
        total=sum(found.values()),
        by_status={status: found.get(status, 0) for status in TaskStatus},
        overdue=await db.scalar(late) or 0,
    )


async def find(db: AsyncSession, task_id: int) -> TaskRead | None:
    """The task, whoever asks, or None: `visible` decides who gets it."""
    task = await db.scalar(select(Task).where(Task.id == task_id).options(queries.with_people()))
    return None if task is None else TaskRead.of(task)


def visible(task: TaskRead | None, viewer: Viewer, task_id: int) -> TaskRead:
    """*task*, if *viewer* may see it.  Raises NotFound if not, and if there is none: nobody learns which."""
    if task is None or not (viewer.is_admin or viewer.id in people_of(task)):
        raise NotFound(f"There is no task {task_id}.")
    return task


def people_of(task: TaskRead) -> frozenset[int]:
    """The ids of those who see *task*: its owner and those who work on it."""
    return frozenset({task.owner_id, *(who.id for who in task.assignees)})


@dataclass(frozen=True, slots=True)
class Written:
    """A task that was written; *people* saw it before, or see it now."""

    task: TaskRead
    people: frozenset[int]


async def create(db: AsyncSession, viewer: Viewer, new: TaskWrite) -> Written:
    """*new*, owned by the viewer.  Raises Unprocessable for people who don't exist."""
    task = Task(**new.model_dump(exclude={"assignee_ids"}), owner_id=viewer.id, assignments=[])
    await _assign(db, task, new.assignee_ids)
    db.add(task)
    await db.commit()
    made = TaskRead.of(await _load(db, task.id))
    return Written(made, people_of(made))


async def update(db: AsyncSession, viewer: Viewer, task_id: int, change: TaskWrite | TaskPatch) -> Written:
    """The task with *change*.  Raises NotFound, Forbidden (others' people), Unprocessable."""
    task = await _require(db, viewer, task_id)
    before = TaskRead.of(task)
    fields = change.model_dump(exclude_unset=isinstance(change, TaskPatch))
    people: list[int] | None = fields.pop("assignee_ids", None)
    if people is not None and sorted(set(people)) != [who.user_id for who in task.assignments]:
        _require_owner(viewer, task, "change who works on it")
        await _assign(db, task, people)
    for name, value in fields.items():
        setattr(task, name, value)
    task.updated_at = utc_now()
    await db.commit()
    now = TaskRead.of(await _load(db, task_id))
    return Written(now, people_of(before) | people_of(now))


async def delete(db: AsyncSession, viewer: Viewer, task_id: int) -> Written:
    """Without the task.  Raises NotFound, Forbidden."""
    task = await _require(db, viewer, task_id)
    _require_owner(viewer, task, "delete it")
    before = TaskRead.of(task)
    await db.delete(task)
    await db.commit()
    return Written(before, people_of(before))


async def _require(db: AsyncSession, viewer: Viewer, task_id: int) -> Task:
    wanted = select(Task).where(Task.id == task_id, *queries.visible_to(viewer))
    task = await db.scalar(wanted.options(queries.with_people()))
    if task is None:
        raise NotFound(f"There is no task {task_id}.")
    return task


async def _load(db: AsyncSession, task_id: int) -> Task:
    # populate_existing: people assigned a moment ago are in the session, without their users.
    wanted = select(Task).where(Task.id == task_id).options(queries.with_people())
    return (await db.execute(wanted, execution_options={"populate_existing": True})).scalar_one()


def _require_owner(viewer: Viewer, task: Task, act: str) -> None:
    if not viewer.is_admin and task.owner_id != viewer.id:
        raise Forbidden(f"Only the owner of task {task.id} may {act}.")


async def _assign(db: AsyncSession, task: Task, user_ids: Sequence[int]) -> None:
    wanted = set(user_ids)
    known = set(await db.scalars(select(User.id).where(User.id.in_(wanted))))
    if unknown := sorted(wanted - known):
        raise Unprocessable(f"There is no user {', '.join(map(str, unknown))}.")
    kept = [who for who in task.assignments if who.user_id in wanted]
    added = wanted - {who.user_id for who in kept}
    task.assignments = [*kept, *(TaskAssignment(user_id=user_id) for user_id in sorted(added))]
