"""Projects with a cache in front of them: reads ask it first, writes tell it afterwards."""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from examples.taskflow.projects import caching
from examples.taskflow.projects.cache_service import ProjectCacheService
from examples.taskflow.projects.dashboard import ProjectDashboard
from examples.taskflow.projects.events import CacheInvalidationEvent, EventType
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
from examples.taskflow.projects.service import ProjectService, owned, there

Later = Callable[[Callable[[CacheInvalidationEvent], Awaitable[None]], CacheInvalidationEvent], object]


class EnhancedProjectService(ProjectService):
    """A `ProjectService` that answers from the cache where it can, and from the database where it can't.

    Who asks is checked at every hit.  A write is committed first, then what shows the state before it is forgotten, then
    the write returns: whoever reads afterwards sees it.  A write that fails makes nobody load again.

    *later* runs what may wait until the client has its reply, such as warming; without it, nothing is warmed.
    """

    def __init__(self, db: AsyncSession, cache: ProjectCacheService, later: Later | None = None) -> None:
        super().__init__(db)
        self.cache = cache
        self._later = later

    # -- reading -------------------------------------------------------------------------------------------------

    @override
    async def get_project(self, project_id: int, user_id: int) -> ProjectResponse:
        return owned(await caching.detail(project_id), user_id, project_id)

    @override
    async def get_dashboard(self, project_id: int, user_id: int) -> ProjectDashboard:
        await self.get_project(project_id, user_id)
        return there(await caching.dashboard(project_id), project_id)

    @override
    async def list_projects(self, user_id: int, wanted: ProjectFilter) -> ProjectPage:
        kept = caching.found if wanted.search else caching.listing
        return await kept(user_id, wanted)

    @override
    async def get_stats(self, user_id: int) -> ProjectStats:
        return await caching.stats(user_id)

    @override
    async def export_project(self, project_id: int, user_id: int, format_type: ExportFormat) -> bytes:
        await self.get_project(project_id, user_id)
        return there(await caching.export(project_id, format_type), project_id)

    # -- writing -------------------------------------------------------------------------------------------------

    @override
    async def create_project(self, user_id: int, new: ProjectCreate) -> ProjectResponse:
        made = await super().create_project(user_id, new)
        await self._happened(EventType.PROJECT_UPDATE, made.id, user_id, new.model_fields_set)
        return made

    @override
    async def update_project(self, project_id: int, user_id: int, change: ProjectUpdate) -> ProjectResponse:
        now = await super().update_project(project_id, user_id, change)
        await self._happened(EventType.PROJECT_UPDATE, project_id, user_id, change.model_fields_set)
        return now

    @override
    async def delete_project(self, project_id: int, user_id: int) -> None:
        await super().delete_project(project_id, user_id)
        await self._happened(EventType.PROJECT_UPDATE, project_id, user_id, warm=False)

    @override
    async def add_classification(self, project_id: int, user_id: int, new: ClassificationCreate) -> Classification:
        made = await super().add_classification(project_id, user_id, new)
        await self._happened(EventType.CLASSIFICATION_UPDATE, project_id, user_id, new.model_fields_set)
        return made

    @override
    async def add_predicate(self, project_id: int, user_id: int, new: PredicateCreate) -> Predicate:
        made = await super().add_predicate(project_id, user_id, new)
        await self._happened(EventType.PREDICATE_UPDATE, project_id, user_id, new.model_fields_set)
        return made

    @override
    async def update_predicate(
        self, project_id: int, predicate_id: int, user_id: int, change: PredicateUpdate
    ) -> Predicate:
        now = await super().update_predicate(project_id, predicate_id, user_id, change)
        await self._happened(EventType.PREDICATE_UPDATE, project_id, user_id, change.model_fields_set)
        return now

    @override
    async def add_document(self, project_id: int, user_id: int, new: DocumentCreate) -> DocumentRead:
        made = await super().add_document(project_id, user_id, new)
        await self._happened(EventType.DOCUMENT_UPDATE, project_id, user_id)
        return made

    @override
    async def add_interaction(self, project_id: int, user_id: int, new: InteractionCreate) -> Interaction:
        made = await super().add_interaction(project_id, user_id, new)
        await self._happened(EventType.INTERACTION_UPDATE, project_id, user_id)
        return made

    async def _happened(
        self, kind: EventType, project_id: int, user_id: int, fields: set[str] | None = None, *, warm: bool = True
    ) -> None:
        metadata: dict[str, Any] = {"updated_fields": sorted(fields)} if fields else {}
        event = CacheInvalidationEvent(kind, project_id, str(user_id), metadata=metadata)
        await self.cache.invalidate(event)
        if warm and self._later is not None:
            self._later(self.cache.warm, event)
