"""One call that is kept warm, with everything that is known of it before it is looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evercache.engine.engine import Engine
from evercache.engine.site import Arguments, Site
from evercache.errors import ConfigurationError
from evercache.warming.plan import Plan, Sown, drawn

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Call", "calls_of", "demand_cache"]


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call: its place in L1 (*site*, *key*), its *arguments*, and its *id* and *tags* as the store knows them."""

    site: Site
    key: Hashable
    arguments: Arguments
    id: bytes
    tags: frozenset[bytes]
    priority: float
    number: int
    told: Callable[[], str]

    @property
    def text(self) -> str:
        """The readable key, for patterns."""
        return self.told()


def demand_cache(plan: Plan, engine: Engine) -> None:
    """Every function of *plan* is cached by this engine, and shared if anything is. Raises ConfigurationError."""
    for sown in plan.sown:
        if sown.cached.workshop is not None and sown.cached.engine is not engine:
            raise ConfigurationError(f"{sown.cached.where} belongs to another cache; make a warmer for that one.")


async def calls_of(plan: Plan, engine: Engine, failed: Callable[[str, BaseException], None]) -> list[Call]:
    """The calls of *plan* as its sources give them now, each once, with the highest priority it has. What a source or a single call raises goes to *failed*, with the
    function's name; the others go on."""
    calls: dict[bytes, Call] = {}
    async for call in _drawn(plan, engine, failed):
        before = calls.get(call.id)
        if before is None or before.priority < call.priority:
            calls[call.id] = call
    return list(calls.values())


async def _drawn(plan: Plan, engine: Engine, failed: Callable[[str, BaseException], None]) -> AsyncIterator[Call]:
    number = 0
    for sown in plan.sown:
        try:
            site = _site(sown, engine)
            async for args, kwargs in drawn(sown):
                number += 1
                try:
                    yield _call(sown, site, engine, args, kwargs, number)
                except Exception as error:  # noqa: BLE001 - arguments that don't fit, a priority function of the user's
                    failed(sown.cached.name, error)
        except Exception as error:  # noqa: BLE001 - the user's source, whatever it raises
            failed(sown.cached.name, error)


def _site(sown: Sown, engine: Engine) -> Site:
    site = sown.cached.prepared()
    if sown.cached.engine is not engine:
        raise ConfigurationError(f"{sown.cached.where} belongs to another cache; make a warmer for that one.")
    if engine.shares and not site.policy.l2:
        raise ConfigurationError(
            f"{sown.cached.where}: with l2=False each process has answers of its own, and one can't warm the others'."
        )
    return site


def _call(sown: Sown, site: Site, engine: Engine, args: object, kwargs: object, number: int) -> Call:
    if not isinstance(args, tuple) or not isinstance(kwargs, dict):
        raise TypeError("arguments are a tuple and a dictionary")
    key, arguments = sown.cached.bind_all(*args, **kwargs)
    request = site.request(key, arguments)
    priority = sown.priority
    rank = float(priority(*args[len(sown.bound) :], **kwargs) if callable(priority) else priority)
    tags = frozenset(map(engine.tag_id, request.tags))
    return Call(site, key, arguments, request.key.id, tags, rank, number, lambda: request.key.text)
