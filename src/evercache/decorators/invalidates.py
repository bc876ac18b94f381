"""`@cache.invalidates("user:{user_id}")`: after success, and only then.

Before would be too early: a reader could load the old data again between the invalidation and the write.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar

from evercache.core.options import TagTemplate
from evercache.decorators.parameters import signature_of
from evercache.decorators.templates import Templates
from evercache.engine.engine import Engine
from evercache.engine.invalidation import demand
from evercache.errors import ConfigurationError

__all__ = ["InvalidatesDecorator", "invalidates"]

P = ParamSpec("P")
R = TypeVar("R")


class InvalidatesDecorator(Protocol):
    """Keeps the signature of the coroutine function it decorates."""

    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Callable[P, Coroutine[Any, Any, R]]: ...


class _Host(Protocol):
    @property
    def _engine(self) -> Engine: ...


def invalidates(host: _Host, tags: Sequence[TagTemplate], *, on_pending: str) -> InvalidatesDecorator:
    """The decorator behind `Cache.invalidates`."""
    if not tags:
        raise ConfigurationError("invalidates() without a tag invalidates nothing; name at least one.")
    if on_pending not in ("pending", "raise"):
        raise ConfigurationError(f"on_pending={on_pending!r} is not known; choose pending or raise.")

    def decorate(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        where = f"{function.__module__}.{function.__qualname__}"
        if not inspect.iscoroutinefunction(function):
            raise ConfigurationError(f"{where} is a plain function; invalidates() needs a coroutine function.")
        signature = signature_of(function)
        templates = Templates(tags, signature.parameters, where, extra=("result",))

        @functools.wraps(function)
        async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            result = await function(*args, **kwargs)
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            names, failed = templates.attempt(tuple(bound.arguments.values()), result=result)
            engine = host._engine
            confirmation = await engine.invalidator.tags([engine.tag_id(name) for name in names])
            if on_pending == "raise":
                demand(confirmation, f"{len(names)} tags by {where}")
            if failed is not None:
                raise failed
            return result

        return wrapper

    return decorate
