"""Pauses of the background, never two alike: many processes that lose one server must not come back in step."""

from __future__ import annotations

import asyncio
import random

__all__ = ["pause", "spread"]


def spread() -> float:
    """A number in [0, 1)."""
    return random.random()  # noqa: S311 - it spreads load and guards nothing


async def pause(seconds: float) -> None:
    """Sleep half of *seconds* to all of them."""
    await asyncio.sleep(seconds * (1 - spread() / 2))
