"""Answers that are there before they are asked for: a plan of cached functions, kept warm within a budget.

    from evercache.warming import Budget, Plan, Warmer

    plan = Plan("dashboards").add(dashboard, active_users, priority=10).add(projects, recently_updated)
    warmer = Warmer(cache, plan, budget=Budget(concurrent=4, per_second=50))

    async with cache, warmer:
        ...

From the outside in: `warmer` (the face), `background` (one elected process, `election`), `shift` (working a `schedule`
off), `crew` (who loads, within a `budget`), `plan` and `call` (what is to be warm), `results`.
"""

from evercache.warming.budget import Budget
from evercache.warming.plan import Plan
from evercache.warming.results import CacheWarmingResult, Progress
from evercache.warming.warmer import Warmer

__all__ = ["Budget", "CacheWarmingResult", "Plan", "Progress", "Warmer"]
