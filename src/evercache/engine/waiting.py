"""Waiting with an end, on the cache's own clock."""

from __future__ import annotations

import asyncio
from typing import Any

from evercache.core.clock import Clock
from evercache.engine.clock import SystemClock

__all__ = ["settle", "within"]


async def within(clock: Clock, seconds: float, awaited: asyncio.Future[Any]) -> bool:
    """Whether *awaited* is done within *seconds*. It is not cancelled, and its result is not looked at."""
    if awaited.done():
        return True
    if isinstance(clock, SystemClock):
        await asyncio.wait((awaited,), timeout=seconds)
        return awaited.done()
    alarm = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((awaited, alarm), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await settle(alarm)
    return awaited.done()


async def settle(task: asyncio.Future[Any]) -> None:
    """Cancel *task* and wait until it has ended."""
    task.cancel()
    await asyncio.wait((task,))
