"""Every cache rule of the projects.

====================================  =====  ==========================================  ===========================
What                                  Fresh  Tags                                        Forgotten for
====================================  =====  ==========================================  ===========================
``detail(id)``                        30 m   ``project:{id}``                            the project
``dashboard(id)``                     5 m    ``project:{id}``, ``project:{id}:parts``    the project, what belongs to it
``export(id, format)``                60 m   ``project:{id}``, ``project:{id}:parts``    the project, what belongs to it
``listing(user, filter)``             10 m   ``projects:{user}``                         any project of the user
``found(user, filter)``, a search     20 m   ``projects:{user}``                         any project of the user
``stats(user)``                       15 m   ``projects:{user}``                         any project of the user
replies of routes                     there  those of what they read                     whatever that is forgotten for
====================================  =====  ==========================================  ===========================

Each of them also carries ``owner:{user}``, for what concerns everything of somebody.  So a classification, a predicate, a
document or what an agent did costs the dashboard and the exports, and leaves detail, lists and searches fresh.

The first three are kept once for each project, whoever asks; whether they may see it is decided at every hit, by
`owned`, on the detail.  Nothing here says who may see what.
"""

from collections.abc import Callable
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

import evercache
from evercache.fastapi import cached_route
from evercache.rules import Rules
from examples.taskflow.cache import cache
from examples.taskflow.db import session_scope
from examples.taskflow.projects import reads
from examples.taskflow.projects.config import ProjectCacheConfig
from examples.taskflow.projects.dashboard import ProjectDashboard
from examples.taskflow.projects.events import CacheInvalidationEvent, EventType
from examples.taskflow.projects.schemas import ExportFormat, ProjectResponse
from examples.taskflow.users.access import whose

CONFIG = ProjectCacheConfig.from_environment()

projects = cache.named("project", negative_ttl={None: "30s"})
mine = ["projects:{user_id}", "owner:{user_id}"]
parts = ["project:{project_id}", "project:{project_id}:parts"]


def belongs_to(user_id: int) -> None:
    """Said inside a load: it shows something of this user's, which is not known before."""
    evercache.current().tags(f"owner:{user_id}")


@projects.using(session_scope, key="detail", ttl=CONFIG.PROJECT_DETAIL_TTL, tags=["project:{project_id}"])
async def detail(db: AsyncSession, project_id: int) -> ProjectResponse | None:
    """The project, whoever asks, or None."""
    project = await reads.find(db, project_id)
    if project is not None:
        belongs_to(project.user_id)
    return project


@projects.using(session_scope, key="dashboard", ttl=CONFIG.PROJECT_DASHBOARD_TTL, tags=parts)
async def dashboard(db: AsyncSession, project_id: int) -> ProjectDashboard | None:
    """The project at a glance, whoever asks, or None."""
    found = await reads.find_dashboard(db, project_id)
    if found is not None:
        belongs_to(found.project.user_id)
    return found


@projects.using(session_scope, key="export", ttl=CONFIG.PROJECT_EXPORT_TTL, tags=parts)
async def export(db: AsyncSession, project_id: int, format_type: ExportFormat) -> bytes | None:
    """All about the project as a file, whoever asks, or None."""
    project = await reads.find(db, project_id)
    if project is None:
        return None
    belongs_to(project.user_id)
    return await reads.export(db, project_id, format_type)


listing = projects.using(session_scope, key="list", ttl=CONFIG.PROJECT_LIST_TTL, tags=mine)(reads.find_page)
found = projects.using(session_scope, key="search", ttl=CONFIG.PROJECT_SEARCH_TTL, tags=mine)(reads.find_page)
stats = projects.using(session_scope, key="stats", ttl=CONFIG.PROJECT_STATS_TTL, tags=mine)(reads.count)

reply = partial(cached_route, cache, key_by=whose)


def rules(config: ProjectCacheConfig) -> Rules:
    """What is forgotten for which event."""

    def of(*kinds: EventType, if_wanted: bool = True) -> Callable[[CacheInvalidationEvent], bool]:
        return lambda event: if_wanted and event.event_type in kinds

    classified = of(EventType.CLASSIFICATION_UPDATE, if_wanted=config.INVALIDATE_RELATED_ON_CLASSIFICATION_UPDATE)
    compared = of(EventType.PREDICATE_UPDATE, if_wanted=config.INVALIDATE_RELATED_ON_PREDICATE_UPDATE)
    extended = of(EventType.DOCUMENT_UPDATE, EventType.INTERACTION_UPDATE)
    updated = of(EventType.PROJECT_UPDATE, if_wanted=config.INVALIDATE_ON_PROJECT_UPDATE)
    made = Rules(cache)
    on = made.on(CacheInvalidationEvent)
    on.invalidate("project:{project_id}", "projects:{user_id}", when=updated)
    for changed in (classified, compared, extended):
        on.invalidate("project:{project_id}:parts", when=changed)
    on.invalidate("owner:{user_id}", when=of(EventType.USER_UPDATE))
    return made
