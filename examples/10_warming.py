"""Answers that are there before anybody asks: a plan, kept warm in the background, reloaded after an invalidation.

The clock is a test's, so that an hour of warming takes a moment here.
"""

import asyncio

from evercache import Cache
from evercache.testing import ManualClock
from evercache.warming import Budget, Plan, Warmer

clock = ManualClock()
cache = Cache(clock=clock, environ={})
loads: list[int] = []
names = {1: "Apollo", 2: "Gemini", 3: "Mercury"}


@cache.cached(ttl="5m", tags=["project:{project_id}"])
async def dashboard(project_id: int) -> str:
    loads.append(project_id)
    return f"dashboard of {names[project_id]}"


async def active() -> list[int]:
    """A query in life: who was touched in the last day, the most recent first."""
    return [3, 1]


plan = Plan("dashboards")
plan.add(dashboard, active, priority=10)
plan.add(dashboard, lambda: list(names))
warmer = Warmer(cache, plan, budget=Budget(concurrent=1, per_second=20))


async def main() -> None:
    async with cache:
        running = asyncio.create_task(warmer.run())
        await clock.tick(1)
        result = await running
        print(
            f"by hand: {result.items_warmed} warmed in {result.duration_seconds:.2f} s, first {loads[0]}, then {loads[1:]}"
        )

        async with warmer:
            before = len(loads)
            for _ in range(60):
                await clock.tick(60)
                await dashboard(1)
            print(f"an hour: 60 reads, all from the cache; {len(loads) - before} loads in the background")

            names[1] = "Artemis"
            await cache.invalidate_tags("project:1")
            await clock.tick(0.2)
            print("after the invalidation, before anybody asked:", await dashboard.peek(1))


if __name__ == "__main__":
    asyncio.run(main())
