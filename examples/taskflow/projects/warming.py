"""Answers about projects that are there before they are asked for: a plan for evercache's warmer, and who is active.

In the background one process of all that share the Redis keeps warm what active users are about to look at: it replaces
each answer before its life ends, and loads again what an invalidation has made cold.  `ENABLE_BACKGROUND_WARMING` switches
it off; the methods that warm by hand work all the same.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from types import TracebackType
from typing import Self

from evercache.warming import Budget, CacheWarmingResult, Plan, Warmer
from examples.taskflow.cache import cache
from examples.taskflow.db import session_scope, utc_now
from examples.taskflow.projects import caching, queries
from examples.taskflow.projects.config import CacheWarmingConfig
from examples.taskflow.projects.models import ProjectStatus
from examples.taskflow.projects.schemas import ProjectFilter

FILTERS = [ProjectFilter.model_validate(each) for each in ({}, *({"status": status} for status in ProjectStatus))]
"""The lists that people begin with: all, and those of each status."""

DASHBOARDS, LISTS, STATS = "dashboard_warming", "project_list_warming", "stats_warming"


class CacheWarmingService:
    """Keeps the projects of active users warm, and warms those of one user by hand."""

    def __init__(self, config: CacheWarmingConfig) -> None:
        self.config = config
        plan = Plan("project_warming")
        plan.add(caching.stats, self.get_active_users_for_warming)
        plan.add(caching.listing, self._lists)
        plan.add(caching.detail, self._projects)
        plan.add(caching.dashboard, self._projects)
        self.warmer = Warmer(
            cache,
            plan,
            budget=Budget(concurrent=2, per_second=config.LOADS_PER_SECOND),
            rescan=config.BACKGROUND_TASK_INTERVAL,
            background=True,
        )

    # -- by hand -------------------------------------------------------------------------------------------------

    async def warm_user_dashboard_caches(self, user_id: int | str) -> CacheWarmingResult:
        """Loads the user's projects and their dashboards: the active ones first, the last changed ones first."""
        ids = await self.projects_of(int(user_id))
        return await self.warmer.run(Plan(DASHBOARDS).add(caching.detail, ids).add(caching.dashboard, ids))

    async def warm_project_list_caches(self, user_id: int | str) -> CacheWarmingResult:
        """Loads the lists that the user begins with."""
        calls = [(int(user_id), each) for each in FILTERS]
        return await self.warmer.run(Plan(LISTS).add(caching.listing, calls))

    async def warm_project_stats_cache(self, user_id: int | str) -> CacheWarmingResult:
        """Loads the user's statistics."""
        return await self.warmer.run(Plan(STATS).add(caching.stats, [int(user_id)]))

    async def warm_all_user_caches(self, user_id: int | str) -> list[CacheWarmingResult]:
        """All of the three."""
        return [
            await self.warm_user_dashboard_caches(user_id),
            await self.warm_project_list_caches(user_id),
            await self.warm_project_stats_cache(user_id),
        ]

    # -- who and what --------------------------------------------------------------------------------------------

    async def get_active_users_for_warming(self, hours_back: int = 24) -> list[int]:
        """Who has changed a project lately, the last ones first."""
        since = utc_now() - timedelta(hours=hours_back)
        async with session_scope() as db:
            return list(await db.scalars(queries.active_users(since, self.config.MAX_ACTIVE_USERS)))

    async def projects_of(self, user_id: int) -> list[int]:
        """The projects of a user that are worth warming, in their order."""
        chosen = queries.ids_by_urgency(
            user_id,
            active_first=self.config.WARM_ACTIVE_PROJECTS_FIRST,
            recent_first=self.config.WARM_RECENTLY_ACCESSED_FIRST,
            limit=self.config.MAX_PROJECTS_PER_BATCH,
        )
        async with session_scope() as db:
            ids = list(await db.scalars(chosen))
        return ids if len(ids) >= self.config.MIN_PROJECTS_FOR_WARMING else []

    async def _projects(self) -> AsyncIterator[int]:
        for user_id in await self.get_active_users_for_warming():
            for project_id in await self.projects_of(user_id):
                yield project_id

    async def _lists(self) -> AsyncIterator[tuple[int, ProjectFilter]]:
        for user_id in await self.get_active_users_for_warming():
            for each in FILTERS:
                yield user_id, each

    # -- in the background ---------------------------------------------------------------------------------------

    async def start_background_warming(self) -> None:
        """Begins; does nothing where it is switched off, or has begun."""
        if self.config.ENABLE_BACKGROUND_WARMING:
            await self.warmer.start()

    async def stop_background_warming(self) -> None:
        """Ends, and leaves the work to another process."""
        await self.warmer.stop()

    async def background_cache_warming_task(self) -> None:
        """Keeps warm until it is cancelled: for those who have no lifespan to start and stop it in."""
        async with self:
            await asyncio.Event().wait()

    async def __aenter__(self) -> Self:
        await self.start_background_warming()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_background_warming()

    def health_check(self) -> dict[str, object]:
        """Whether it works, how much of its plan is warm, and what its last run did."""
        return {"enabled": self.config.ENABLE_BACKGROUND_WARMING, **self.warmer.status()}
