"""What there is to know about projects, whoever asks: each function one answer from one session.

``service.py`` decides who gets it, ``caching.py`` how long it is kept.
"""

import asyncio

from sqlalchemy.ext.asyncio import AsyncSession

from examples.taskflow.projects import dashboard as at_a_glance
from examples.taskflow.projects import pdf, queries
from examples.taskflow.projects.dashboard import Activity, ProjectDashboard
from examples.taskflow.projects.models import (
    AgentInteraction,
    DeviceClassification,
    Project,
    ProjectDocument,
    ProjectStatus,
)
from examples.taskflow.projects.schemas import (
    Classification,
    DocumentRead,
    ExportFormat,
    Interaction,
    Predicate,
    ProjectExport,
    ProjectFilter,
    ProjectPage,
    ProjectResponse,
    ProjectStats,
)

LATEST = 10


async def find(db: AsyncSession, project_id: int) -> ProjectResponse | None:
    """The project, or None."""
    project = await db.get(Project, project_id)
    return None if project is None else ProjectResponse.model_validate(project)


async def find_dashboard(db: AsyncSession, project_id: int) -> ProjectDashboard | None:
    """The project at a glance, or None: six statements."""
    project = await find(db, project_id)
    if project is None:
        return None
    latest = await db.scalar(queries.parts(DeviceClassification, project_id).limit(1))
    predicates = await db.scalars(queries.predicates(project_id))
    activity = await db.scalars(queries.parts(AgentInteraction, project_id).limit(LATEST))
    return at_a_glance.compose(
        project,
        None if latest is None else Classification.model_validate(latest),
        [Predicate.model_validate(each) for each in predicates],
        [Activity.model_validate(each) for each in activity],
        documents=await db.scalar(queries.number(ProjectDocument, project_id)) or 0,
        interactions=await db.scalar(queries.number(AgentInteraction, project_id)) or 0,
    )


async def find_page(db: AsyncSession, user_id: int, wanted: ProjectFilter) -> ProjectPage:
    """The page of the user's projects that *wanted* describes."""
    items = [ProjectResponse.model_validate(each) for each in await db.scalars(queries.page(user_id, wanted))]
    total = await db.scalar(queries.count(user_id, wanted)) or 0
    return ProjectPage(items=items, total=total, limit=wanted.limit, offset=wanted.offset)


async def count(db: AsyncSession, user_id: int) -> ProjectStats:
    """The user's projects, counted."""
    rows = (await db.execute(queries.by_status(user_id))).all()
    found = {ProjectStatus(status): number for status, number, _ in rows}
    total = sum(found.values())
    completed = found.get(ProjectStatus.COMPLETED, 0)
    return ProjectStats(
        total=total,
        draft=found.get(ProjectStatus.DRAFT, 0),
        in_progress=found.get(ProjectStatus.IN_PROGRESS, 0),
        completed=completed,
        completion_rate=round(completed / total * 100, 1) if total else 0.0,
        last_updated=max((latest for _, _, latest in rows), default=None),
    )


async def export(db: AsyncSession, project_id: int, format_type: ExportFormat) -> bytes | None:
    """All about a project as a file, or None."""
    project = await find(db, project_id)
    if project is None:
        return None
    everything = ProjectExport(
        project=project,
        classifications=[
            Classification.model_validate(each)
            for each in await db.scalars(queries.parts(DeviceClassification, project_id))
        ],
        predicate_devices=[Predicate.model_validate(each) for each in await db.scalars(queries.predicates(project_id))],
        documents=[
            DocumentRead.model_validate(each) for each in await db.scalars(queries.parts(ProjectDocument, project_id))
        ],
        interactions=[
            Interaction.model_validate(each) for each in await db.scalars(queries.parts(AgentInteraction, project_id))
        ],
    )
    if format_type == "json":
        return everything.model_dump_json(indent=2).encode()
    return await asyncio.to_thread(pdf.render, everything)  # tens of milliseconds of pure computation
