"""Events as log records of the standard library.

    cache.observe(log_events())

One record an event, with the event's name and its facts as fields (`extra`), so that a JSON formatter needs no parsing.
Degraded and LoadFailed are warnings, Recovered and what a person did are information, the rest is for debugging.
"""

from __future__ import annotations

import dataclasses
import logging
import re

from evercache.core.events import (
    Degraded,
    Event,
    EventsPublished,
    Invalidated,
    LoadFailed,
    Recovered,
    ServedStale,
    Uncacheable,
    Warmed,
)
from evercache.engine.hooks import Observer

__all__ = ["event_name", "level_of", "log_events"]

_LEVELS: dict[type[Event], int] = {
    Degraded: logging.WARNING,
    LoadFailed: logging.WARNING,
    Uncacheable: logging.WARNING,
    Recovered: logging.INFO,
    Invalidated: logging.INFO,
    ServedStale: logging.INFO,
    EventsPublished: logging.INFO,
    Warmed: logging.INFO,
}


def event_name(event: Event) -> str:
    """`cache.fill_rejected` for FillRejected: what log queries look for."""
    return "cache." + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(event).__name__).lower()


def level_of(event: Event) -> int:
    """The level at which *event* is logged."""
    return _LEVELS.get(type(event), logging.DEBUG)


def log_events(logger: logging.Logger | None = None) -> Observer:
    """An observer that logs every event; to `evercache.events` if no *logger* is given."""
    target = logger or logging.getLogger("evercache.events")

    def observe(event: Event) -> None:
        level = level_of(event)
        if target.isEnabledFor(level):
            facts = dataclasses.asdict(event)
            told = ", ".join(f"{name}={value}" for name, value in facts.items())
            target.log(level, "%s: %s", event_name(event), told, extra={"event": event_name(event), **facts})

    return observe
