"""Events as structlog records: `cache.observe(structlog_events())`."""

from __future__ import annotations

import dataclasses
import logging

try:
    import structlog
except ImportError as error:
    raise ImportError("evercache.insight.structlog needs structlog: pip install 'evercache[structlog]'") from error

from evercache.core.events import Event
from evercache.engine.hooks import Observer
from evercache.insight.logging import event_name, level_of

__all__ = ["structlog_events"]


def structlog_events(logger: structlog.typing.BindableLogger | None = None) -> Observer:
    """An observer that logs every event with its facts as key-value pairs."""
    target = logger or structlog.get_logger("evercache.events")

    def observe(event: Event) -> None:
        method = getattr(target, logging.getLevelName(level_of(event)).lower())
        method(event_name(event), **dataclasses.asdict(event))

    return observe
