"""What is to be kept warm: cached functions, their arguments, and who comes first.

    plan = Plan("dashboards")
    plan.add(dashboard, active_users, priority=10)             # a function that gives the arguments, asked again and again
    plan.add(project, recently_updated, priority=lambda id: 5)  # or a priority for each call
    plan.add(settings)                                         # one call without arguments

Higher priorities come first; among equals, the order in which the arguments were given. So a source that yields the
recently updated ones first has them warmed first, and one that stops after a hundred has only these warmed.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from evercache.decorators.cached import Cached
from evercache.decorators.methods import BoundMethod
from evercache.errors import ConfigurationError

__all__ = ["Plan", "Priority", "Source", "Sown"]

Items = Iterable[object] | AsyncIterable[object]
Source = Items | Callable[[], Items | Awaitable[Items]]
"""Where arguments come from. Of each item: a tuple is the arguments, a mapping the keyword arguments, anything else the
one argument."""
Priority = float | Callable[..., float]


class Sown(NamedTuple):
    """One `add`: a function, where its arguments come from, and how important they are."""

    cached: Cached
    bound: tuple[object, ...]  # the object of a method
    source: Source
    priority: Priority  # more comes first
    limit: int


class Plan:
    """What is to be kept warm. *name* is the `operation_type` of results, and stands in logs and progress."""

    def __init__(self, name: str = "warming") -> None:
        if not name:
            raise ConfigurationError("Plan(''): a plan has a name; it stands in results and logs.")
        self.name = name
        self.sown: list[Sown] = []

    def add(
        self,
        function: Callable[..., Any],
        arguments: Source | None = None,
        *,
        priority: Priority = 0,
        limit: int = 10_000,
    ) -> Plan:
        """Keep the answers of *function* warm for *arguments*; without any, the one for no arguments.

        - *arguments*: an iterable, an async iterable, or a function (coroutine functions and async generators too) that
          gives one. A function is asked again and again, so that who is active may change.
        - *priority*: a number, or a function of the arguments; more comes first.
        - *limit*: at most so many calls of it.
        - Returns the plan, so that `add` can follow `add`.
        """
        cached, bound = _cached_of(function)
        if cached.borrowed:
            raise ConfigurationError(
                f"{cached.where}: it uses something of its caller (a session, a request), and a warm-up has no caller. "
                "Let the cache open one for each load: @cache.using(scope)."
            )
        if limit < 1:
            raise ConfigurationError(f"{cached.where}: limit={limit!r} leaves nothing to warm.")
        source: Source = ((),) if arguments is None else arguments
        _demand_source(source, cached.where)
        self.sown.append(Sown(cached, bound, source, priority, limit))
        return self

    def __repr__(self) -> str:
        return f"<Plan {self.name!r}: {', '.join(sown.cached.name for sown in self.sown) or 'nothing'}>"


def _cached_of(function: object) -> tuple[Cached, tuple[object, ...]]:
    bound: tuple[object, ...] = ()
    if isinstance(function, BoundMethod):
        bound = (function.__self__,)
        function = function.func
    cached = getattr(function, "_cached", None)
    if not isinstance(cached, Cached):
        shown = getattr(function, "__qualname__", type(function).__name__)
        raise ConfigurationError(f"{shown} is not cached, so there is nothing to keep warm; decorate it first.")
    return cached, bound


def _demand_source(source: object, where: str) -> None:
    if isinstance(source, str | bytes):
        raise ConfigurationError(f"{where}: {type(source).__name__} is one argument; write [{source!r}].")
    if isinstance(source, Iterator | AsyncIterator):
        raise ConfigurationError(
            f"{where}: an iterator gives its arguments once only; pass the function that makes it, without calling it."
        )
    if not callable(source) and not isinstance(source, Iterable | AsyncIterable):
        raise ConfigurationError(
            f"{where}: arguments come from an iterable or a function, not {type(source).__name__}."
        )


async def drawn(sown: Sown) -> AsyncIterator[tuple[tuple[object, ...], Mapping[str, object]]]:
    """The arguments that a source gives now, at most as many as its limit."""
    given: Any = sown.source
    if callable(given):
        given = given()
        if inspect.isawaitable(given):
            given = await given
    if isinstance(given, AsyncIterable):
        number = 0
        async for item in given:
            yield _arguments(sown, item)
            number += 1
            if number >= sown.limit:
                break
        closing = getattr(given, "aclose", None)  # a generator that was left early holds what it has opened
        if closing is not None:
            await closing()
    else:
        for item in itertools.islice(given, sown.limit):
            yield _arguments(sown, item)


def _arguments(sown: Sown, item: object) -> tuple[tuple[object, ...], Mapping[str, object]]:
    if isinstance(item, Mapping):
        return sown.bound, {str(name): value for name, value in item.items()}
    return (*sown.bound, *(item if isinstance(item, tuple) else (item,))), {}
