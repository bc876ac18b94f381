"""What can be cached: functions; and what can be opened for them. The rest is refused with the reason, at decoration."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any

from evercache.errors import ConfigurationError

__all__ = ["demand_function", "demand_scope"]


def demand_function(target: Any) -> FunctionType:
    """*target*, if it is a function whose answers can be kept. Raises ConfigurationError."""
    shown = _shown(target)
    if isinstance(target, staticmethod | classmethod):
        word = type(target).__name__
        raise ConfigurationError(f"{shown}: write @{word} above the cache's decorator, not below it.")
    if isinstance(target, type):
        raise ConfigurationError(f"{shown} is a class; cache the function that makes its objects.")
    if inspect.ismethod(target):
        raise ConfigurationError(
            f"{shown} is bound to an object, which would not be in the key: two objects would answer for each other. "
            "Decorate the method in its class."
        )
    if not isinstance(target, FunctionType):
        raise ConfigurationError(f"{shown} is no function that was written with def; write one that calls it.")
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise ConfigurationError(f"{shown} is a generator; what it yields is gone once it is read. Return a list.")
    cached = getattr(target, "_cached", None)
    if cached is not None and cached.stand_in is target:
        raise ConfigurationError(f"{shown} is cached already; give it one cache and one set of options.")
    return target


def demand_scope(scope: Any, where: str) -> None:
    """Refuse what can't open something for each load, before the first load does."""
    if inspect.isasyncgenfunction(scope) or inspect.isgeneratorfunction(scope):
        raise ConfigurationError(f"{where}: using() wants a function with @contextlib.asynccontextmanager above it.")
    if hasattr(type(scope), "__aenter__") or not callable(scope):
        raise ConfigurationError(
            f"{where}: using() wants the function that opens a scope, once for each load, and not an opened one; leave "
            "out its parentheses."
        )


def _shown(target: Any) -> str:
    module, name = getattr(target, "__module__", None), getattr(target, "__qualname__", None)
    return f"{module}.{name}" if module and name else f"an object of type {type(target).__name__}"
