"""``/api/tasks``."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from evercache import cache_response
from examples.taskflow.errors import refusals
from examples.taskflow.services import SessionDep
from examples.taskflow.tasks import caching, service
from examples.taskflow.tasks.schemas import TaskFilter, TaskPage, TaskPatch, TaskRead, TaskStatistics, TaskWrite
from examples.taskflow.users.access import ViewerDep

router = APIRouter(prefix="/tasks", tags=["tasks"], responses=refusals(401))


def say_hit(response: Response) -> None:
    """``X-Cache: hit``, unless a route whose body runs says something else."""
    response.headers["X-Cache"] = "hit"


@router.get("/", dependencies=[Depends(say_hit)])
@cache_response(key="tasks_list", expire=300)
async def list_tasks(
    wanted: Annotated[TaskFilter, Query()], viewer: ViewerDep, db: SessionDep, response: Response
) -> TaskPage:
    """One page of the tasks you own or work on; administrators see all."""
    response.headers["X-Cache"] = "miss"
    caching.seen_by(viewer)
    return await service.find_page(db, viewer, wanted)


@router.post("/", status_code=201)
async def create_task(new: TaskWrite, viewer: ViewerDep, db: SessionDep) -> TaskRead:
    """A new task, owned by you."""
    return await caching.written(await service.create(db, viewer, new))


@router.get("/statistics")
@caching.reply(ttl="1m", stale_while_revalidate="5m")
async def read_statistics(viewer: ViewerDep) -> TaskStatistics:
    """How many of your tasks are in which status, and how many are late."""
    return await caching.statistics(viewer)


@router.get("/{task_id}", responses=refusals(404))
@caching.reply(ttl="10m")
async def read_task(task_id: int, viewer: ViewerDep) -> TaskRead:
    """One task."""
    return service.visible(await caching.find(task_id), viewer, task_id)


@router.put("/{task_id}", responses=refusals(403, 404))
async def replace_task(task_id: int, change: TaskWrite, viewer: ViewerDep, db: SessionDep) -> TaskRead:
    """The whole task, replaced; what is left out gets its default."""
    return await caching.written(await service.update(db, viewer, task_id, change))


@router.patch("/{task_id}", responses=refusals(403, 404))
async def update_task(task_id: int, change: TaskPatch, viewer: ViewerDep, db: SessionDep) -> TaskRead:
    """The fields that are sent, changed; the others stay."""
    return await caching.written(await service.update(db, viewer, task_id, change))


@router.delete("/{task_id}", status_code=204, responses=refusals(403, 404))
async def delete_task(task_id: int, viewer: ViewerDep, db: SessionDep) -> None:
    """Without this task (its owner, or an administrator)."""
    await caching.written(await service.delete(db, viewer, task_id))
