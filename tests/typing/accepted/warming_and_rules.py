"""Plans take cached functions of any signature; the condition of a rule knows the type of its event."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import assert_type

from evercache import Cache
from evercache.rules import On, Published, Rules
from evercache.warming import Budget, CacheWarmingResult, Plan, Progress, Warmer

cache = Cache(namespace="typing")


@cache.cached(ttl="5m")
async def dashboard(project_id: int, *, lang: str = "en") -> list[str]:
    return [f"{project_id}{lang}"]


@dataclass
class ProjectUpdated:
    project_id: int
    fields: frozenset[str]


async def active() -> AsyncIterator[int]:
    yield 1


def told(progress: Progress) -> None:
    assert_type(progress.done, int)


plan = Plan("dashboards").add(dashboard, active, priority=10).add(dashboard, [(1,), {"project_id": 2}], limit=5)
warmer = Warmer(cache, plan, budget=Budget(concurrent=2, per_second=5.0), rescan="1m", on_progress=told)
rules = Rules(cache)
assert_type(rules.on(ProjectUpdated), On[ProjectUpdated])
rules.on(ProjectUpdated).invalidate("project:{project_id}", when=lambda event: "name" in event.fields)
rules.on(ProjectUpdated).invalidate_call(dashboard, lambda event: event.project_id).expire("stats")
rules.on(ProjectUpdated).invalidate(lambda event: [f"{field}:{event.project_id}" for field in event.fields])


async def calls() -> None:
    async with cache, warmer:
        assert_type(await warmer.run(), CacheWarmingResult)
        assert_type(await rules.publish(ProjectUpdated(1, frozenset())), Published)
