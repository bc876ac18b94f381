"""One log record for each change of state, with the facts as fields. Addresses have no credentials in them."""

from __future__ import annotations

import logging

__all__ = ["report"]

_logger = logging.getLogger("evercache.redis")
_QUIET = frozenset({"adopted contract", "connected", "trusted"})


def report(event: str, **facts: object) -> None:
    """Log *event* at INFO if it is good news, else at WARNING."""
    level = logging.INFO if event in _QUIET else logging.WARNING
    if _logger.isEnabledFor(level):
        told = ", ".join(f"{name}={value}" for name, value in facts.items())
        _logger.log(level, "Redis: %s (%s)", event, told, extra={"event": event, **facts})
