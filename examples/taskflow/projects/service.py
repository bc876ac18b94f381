"""What can be done with projects, for one user, on one session.

A project is its owner's alone.  One of somebody else is answered as one that does not exist, to the letter.
"""

from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from examples.taskflow.db import utc_now
from examples.taskflow.errors import NotFound
from examples.taskflow.projects import reads
from examples.taskflow.projects.dashboard import ProjectDashboard
from examples.taskflow.projects.models import (
    AgentInteraction,
    DeviceClassification,
    Part,
    PredicateDevice,
    Project,
    ProjectDocument,
)
from examples.taskflow.projects.schemas import (
    Classification,
    ClassificationCreate,
    DocumentCreate,
    DocumentRead,
    ExportFormat,
    Interaction,
    InteractionCreate,
    Predicate,
    PredicateCreate,
    PredicateUpdate,
    ProjectCreate,
    ProjectFilter,
    ProjectPage,
    ProjectResponse,
    ProjectStats,
    ProjectUpdate,
)

P = TypeVar("P", bound=Part)
T = TypeVar("T")


class ProjectService:
    """Projects, straight from the database.  Everything raises NotFound for what is not *user_id*'s."""

    def __init__(self, db: AsyncSession) -> None:
        self.db = db

    # -- reading -------------------------------------------------------------------------------------------------

    async def get_project(self, project_id: int, user_id: int) -> ProjectResponse:
        """The project itself."""
        return owned(await reads.find(self.db, project_id), user_id, project_id)

    async def get_dashboard(self, project_id: int, user_id: int) -> ProjectDashboard:
        """The project at a glance."""
        await self._require(project_id, user_id)
        return there(await reads.find_dashboard(self.db, project_id), project_id)

    async def list_projects(self, user_id: int, wanted: ProjectFilter) -> ProjectPage:
        """One page of the user's projects."""
        return await reads.find_page(self.db, user_id, wanted)

    async def get_stats(self, user_id: int) -> ProjectStats:
        """The user's projects, counted."""
        return await reads.count(self.db, user_id)

    async def export_project(self, project_id: int, user_id: int, format_type: ExportFormat) -> bytes:
        """All about the project, as a file."""
        await self._require(project_id, user_id)
        return there(await reads.export(self.db, project_id, format_type), project_id)

    # -- writing -------------------------------------------------------------------------------------------------

    async def create_project(self, user_id: int, new: ProjectCreate) -> ProjectResponse:
        """*new*, owned by the user."""
        project = Project(**new.model_dump(), user_id=user_id)
        self.db.add(project)
        await self.db.commit()
        return ProjectResponse.model_validate(project)

    async def update_project(self, project_id: int, user_id: int, change: ProjectUpdate) -> ProjectResponse:
        """The project with *change*."""
        project = await self._require(project_id, user_id)
        for name, value in change.model_dump(exclude_unset=True).items():
            setattr(project, name, value)
        project.updated_at = utc_now()
        await self.db.commit()
        return ProjectResponse.model_validate(project)

    async def delete_project(self, project_id: int, user_id: int) -> None:
        """Without the project, and without all that belongs to it."""
        await self.db.delete(await self._require(project_id, user_id))
        await self.db.commit()

    async def add_classification(self, project_id: int, user_id: int, new: ClassificationCreate) -> Classification:
        """The project's latest classification."""
        part = DeviceClassification(**new.model_dump(), project_id=project_id)
        return Classification.model_validate(await self._add(part, user_id))

    async def add_predicate(self, project_id: int, user_id: int, new: PredicateCreate) -> Predicate:
        """One more device that may be like this one."""
        part = PredicateDevice(**new.model_dump(), project_id=project_id)
        return Predicate.model_validate(await self._add(part, user_id))

    async def update_predicate(
        self, project_id: int, predicate_id: int, user_id: int, change: PredicateUpdate
    ) -> Predicate:
        """The predicate with *change*."""
        await self._require(project_id, user_id)
        predicate = await self.db.get(PredicateDevice, predicate_id)
        if predicate is None or predicate.project_id != project_id:
            raise NotFound(f"There is no predicate {predicate_id} in project {project_id}.")
        for name, value in change.model_dump(exclude_unset=True).items():
            setattr(predicate, name, value)
        await self.db.commit()
        return Predicate.model_validate(predicate)

    async def add_document(self, project_id: int, user_id: int, new: DocumentCreate) -> DocumentRead:
        """One more file."""
        known = new.model_dump(exclude={"metadata"})
        part = ProjectDocument(**known, details=new.metadata, project_id=project_id)
        return DocumentRead.model_validate(await self._add(part, user_id))

    async def add_interaction(self, project_id: int, user_id: int, new: InteractionCreate) -> Interaction:
        """One more thing that an agent has done."""
        part = AgentInteraction(**new.model_dump(), project_id=project_id)
        return Interaction.model_validate(await self._add(part, user_id))

    async def _add(self, part: P, user_id: int) -> P:
        await self._require(part.project_id, user_id)
        self.db.add(part)
        await self.db.commit()
        return part

    async def _require(self, project_id: int, user_id: int) -> Project:
        project = await self.db.get(Project, project_id)
        if project is None or project.user_id != user_id:
            raise missing(project_id)
        return project


def owned(project: ProjectResponse | None, user_id: int, project_id: int) -> ProjectResponse:
    """*project*, if it is *user_id*'s.  Raises NotFound if not, and if there is none: nobody learns which."""
    if project is None or project.user_id != user_id:
        raise missing(project_id)
    return project


def there(found: T | None, project_id: int) -> T:
    """*found*, which a moment ago was there.  Raises NotFound if somebody has deleted it since."""
    if found is None:
        raise missing(project_id)
    return found


def missing(project_id: int) -> NotFound:
    """The one answer for what does not exist and for what is somebody else's."""
    return NotFound(f"There is no project {project_id}.")
