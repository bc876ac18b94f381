"""What has happened, and in one place, what the cache forgets for it: a classification leaves the project's detail."""

import asyncio
from dataclasses import dataclass

from evercache import MISSING, Cache
from evercache.rules import Rules


@dataclass
class ProjectUpdated:
    project_id: int
    user_id: int
    fields: set[str]


@dataclass
class ProjectClassified:
    project_id: int


cache = Cache()


@cache.cached(ttl="30m", tags=["detail:{project_id}"])
async def detail(project_id: int) -> str:
    return f"detail of {project_id}"


@cache.cached(ttl="5m", tags=["dashboard:{project_id}"])
async def dashboard(project_id: int) -> str:
    return f"dashboard of {project_id}"


@cache.cached(ttl="10m", tags=["projects-of:{user_id}"])
async def projects(user_id: int) -> list[str]:
    return [f"projects of {user_id}"]


rules = Rules(cache)
rules.on(ProjectUpdated).invalidate("detail:{project_id}", "dashboard:{project_id}")
rules.on(ProjectUpdated).invalidate("projects-of:{user_id}", when=lambda event: "name" in event.fields)
rules.on(ProjectClassified).invalidate("dashboard:{project_id}")


async def main() -> None:
    for event in (ProjectClassified(7), ProjectUpdated(7, 1, {"status"}), ProjectUpdated(7, 1, {"name"})):
        await asyncio.gather(detail(7), dashboard(7), projects(1))
        result = await rules.publish(event)
        left = {"detail": detail.peek(7), "dashboard": dashboard.peek(7), "projects": projects.peek(1)}
        gone = [name for name, peek in left.items() if await peek is MISSING]
        print(
            f"{type(event).__name__}: {', '.join(gone)} ({result.invalidated_keys} keys, {result.confirmation.value})"
        )


if __name__ == "__main__":
    asyncio.run(main())
