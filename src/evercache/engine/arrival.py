"""Waiting for a flight to land: as long as the policy says, and without ever harming who else waits."""

from __future__ import annotations

import asyncio

from evercache.core.clock import Clock
from evercache.core.flight import Flight, Flights, Landing
from evercache.engine.gate import lent
from evercache.engine.site import CachedError, Site
from evercache.engine.waiting import within
from evercache.errors import LoadTimeout

__all__ = ["await_landing", "covering", "spare_of"]


async def await_landing(clock: Clock, flights: Flights, flight: Flight, site: Site, *, starter: bool) -> bool:
    """Wait for the landing. True: the soft timeout came first and a stale value is at hand."""
    try:
        async with lent():
            if site.policy.soft_timeout is None and site.policy.hard_timeout is None:
                await asyncio.shield(flight.waiter)
                return False
            return await _timed(clock, flights, flight, site)
    finally:
        if starter and site.borrowed and not flight.waiter.done():
            # What it has borrowed is gone with its caller: the next one who waits leads with its own.
            flights.close(flight)
            flight.waiter.set_result(None)


async def _timed(clock: Clock, flights: Flights, flight: Flight, site: Site) -> bool:
    soft, hard = site.policy.soft_timeout, site.policy.hard_timeout
    if soft is not None:
        if await within(clock, soft, flight.waiter):
            return False
        if spare_of(flight) is not None:
            return True
    if hard is not None:
        if await within(clock, hard - (soft or 0.0), flight.waiter):
            return False
        if spare_of(flight) is not None:
            return True
        flights.close(flight)  # nobody else waits for it; it goes on, and fills the cache when it ends
        raise LoadTimeout(
            f"{site.name} did not load within hard_timeout={hard:g} s; it goes on in the background. Raise the "
            "timeout, or keep a stale value with fail_safe."
        )
    await asyncio.shield(flight.waiter)
    return False


def spare_of(flight: Flight) -> Landing | None:
    """The stale value that may answer instead of the load; an old error may not."""
    spare = flight.spare
    return None if spare is None or isinstance(spare.value, CachedError) else spare


def covering(spare: Landing, why: str) -> Landing:
    """A stale value instead of an error or of waiting."""
    tags = spare.tags if spare.record is None else spare.record.tags
    return Landing(spare.value, source="l1", stale=True, cause=why, tags=tags)
