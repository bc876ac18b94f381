"""Asks the server about itself once, after the first moment of trust, and logs what the advisor says.

In the background: it delays no start and no request, and nothing that goes wrong here is anybody's problem.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from evercache.engine.airfield import Airfield
from evercache.engine.site import Site

if TYPE_CHECKING:
    from evercache.engine.advisor import Advice

__all__ = ["Adviser"]

_log = logging.getLogger("evercache.advice")


class Adviser:
    """`given` is what was said last; each piece of advice is logged once, with its code as the field `code`."""

    def __init__(self, sites: Callable[[], Iterable[Site]], *, max_memory: int, max_connections: int) -> None:
        self._sites = sites
        self._max_memory = max_memory
        self._max_connections = max_connections
        self._task: asyncio.Task[None] | None = None
        self.given: tuple[Advice, ...] = ()

    def begin(self, airfield: Airfield, store: object) -> None:
        """Ask, if nobody has; in a task of *airfield*."""
        if self._task is None:
            self._task = airfield.spawn(self._ask(store), "asks for advice")

    async def _ask(self, store: object) -> None:
        from evercache.engine.advisor import Facts, advise
        from evercache.stores.base import TellsFacts

        sites = list(self._sites())
        facts = Facts(
            server=await store.facts() if isinstance(store, TellsFacts) else None,
            max_memory=self._max_memory,
            max_connections=self._max_connections,
            endless=_named(site for site in sites if site.policy.l2 and math.isinf(site.policy.ttl)),
            uncovered=_named(site for site in sites if site.policy.stale_for and not site.policy.fail_safe),
        )
        self.given = tuple(advise(facts))
        for advice in self.given:
            level = logging.WARNING if advice.level == "warning" else logging.INFO
            _log.log(level, "%s", advice.sentence, extra={"event": "advice", "code": advice.code})


def _named(sites: Iterable[Site]) -> tuple[str, ...]:
    return tuple(sorted({site.name for site in sites}))
