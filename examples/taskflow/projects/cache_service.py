"""What the project service asks of its cache: look, keep, and forget for an event.

Nothing here checks who asks; `EnhancedProjectService` does, before and after.
"""

import logging

from sqlalchemy.exc import SQLAlchemyError

from evercache import Confirmation
from examples.taskflow.projects import caching
from examples.taskflow.projects.config import ProjectCacheConfig
from examples.taskflow.projects.dashboard import ProjectDashboard
from examples.taskflow.projects.events import CacheInvalidationEvent, EventType, InvalidationResult
from examples.taskflow.projects.schemas import ProjectResponse

logger = logging.getLogger(__name__)


class ProjectCacheService:
    """The cache of the projects, by the names that its users know."""

    def __init__(self, config: ProjectCacheConfig = caching.CONFIG) -> None:
        self.config = config
        self.rules = caching.rules(config)

    async def get_project_detail(self, project_id: int) -> ProjectResponse | None:
        """The cached project; None if it isn't cached.  Asks no database."""
        kept = await caching.detail.peek(project_id)
        return kept if isinstance(kept, ProjectResponse) else None

    async def cache_project_detail(self, project_id: int, data: ProjectResponse) -> Confirmation:
        """Keeps *data*, which is current, as the project's detail."""
        return await caching.detail.put(data, project_id)

    async def get_project_dashboard(self, project_id: int) -> ProjectDashboard | None:
        """The cached dashboard; None if it isn't cached.  Asks no database."""
        kept = await caching.dashboard.peek(project_id)
        return kept if isinstance(kept, ProjectDashboard) else None

    async def invalidate(self, event: CacheInvalidationEvent) -> InvalidationResult:
        """Forgets what shows the state before *event*, by its rules, in one round trip.  Call it after the commit."""
        known = event.event_type in set(EventType)
        done = await self.rules.publish(event)
        error = None if known else f"unknown event type {event.event_type!r}"
        if not done.success:
            error = "not confirmed yet: the shared cache does not answer; it is repeated until it does"
        return InvalidationResult(
            event_type=event.event_type,
            project_id=event.project_id,
            user_id=event.user_id,
            timestamp=event.timestamp,
            invalidated_keys=done.invalidated_keys,
            exact=done.exact,
            success=error is None,
            error=error,
        )

    async def warm(self, event: CacheInvalidationEvent) -> None:
        """Loads again what *event* has made cold and somebody is about to look at.  Never raises for a database's sake."""
        if not self.config.WARM_CACHE_ON_UPDATE:
            return
        try:
            await caching.detail(event.project_id)
            if self.config.WARM_DASHBOARD_ON_PROJECT_CHANGE:
                await caching.dashboard(event.project_id)
        except SQLAlchemyError as error:
            logger.warning("Project %d was not warmed after its change: %r", event.project_id, error)
