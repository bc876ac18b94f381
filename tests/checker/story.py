"""What the processes of a checker cache: two functions over the same truth, which lives in a Redis that nobody harms.

`near` is kept in L1 and L2, `far` in L2 only, so that PR2 and PR1 are judged apart. An answer says which key it belongs
to and which version of the truth it is; a load reads the truth first and dawdles afterwards, so that writers overtake it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from evercache import Cache, current

__all__ = ["FUNCTIONS", "NUMBERS", "PLACES", "STRICT", "TENANTS", "Answer", "Story"]

TENANTS = ("a", "b", "c")
NUMBERS = (1, 2, 3, 4)
STRICT = ("strict", 1)
"""A place that is only invalidated with wait="everyone"."""
PLACES = [(tenant, number) for tenant in TENANTS for number in NUMBERS] + [STRICT]
FUNCTIONS = ("near", "far")
DAWDLE = 0.015


@dataclass
class Answer:
    tenant: str
    number: int
    version: int


class Story:
    """The functions of one process; *note* gets an event for each load."""

    def __init__(self, cache: Cache, truth: Any, note: Callable[..., None]) -> None:
        self.cache, self.truth, self.note = cache, truth, note
        self.loads = 0
        tags = ["tenant:{tenant}", "item:{tenant}:{number}"]

        @cache.cached(key="near", tags=tags, ttl="10m")
        async def near(tenant: str, number: int) -> Answer:
            return await self.load("near", tenant, number)

        @cache.cached(key="far", tags=tags, ttl="10m", l1=False)
        async def far(tenant: str, number: int) -> Answer:
            current().tags(f"late:{tenant}")
            return await self.load("far", tenant, number)

        self.functions = {"near": near, "far": far}

    async def load(self, name: str, tenant: str, number: int) -> Answer:
        began = time.monotonic()
        self.loads += 1
        version = int(await self.truth.get(f"{tenant}:{number}") or 0)
        await asyncio.sleep(random.random() * DAWDLE)
        self.note("l", began, time.monotonic(), name, tenant, number, version)
        return Answer(tenant, number, version)

    async def commit(self, places: list[tuple[str, int]]) -> list[tuple[str, int, int]]:
        """Raise the version of these places by one, together; what they are now."""
        async with self.truth.pipeline(transaction=True) as pipe:
            for tenant, number in places:
                pipe.incr(f"{tenant}:{number}")
            versions = await pipe.execute()
        return [(tenant, number, version) for (tenant, number), version in zip(places, versions, strict=True)]
