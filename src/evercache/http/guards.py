"""What stands before an endpoint and says who may pass; and what an endpoint reads of who is asking.

A guard is one of FastAPI's security classes, anything behind `Security(...)`, or a function called as guards are
called. Read from the tree of dependencies (`dependant`), which has those of routers and of the application in it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any, get_args, get_origin

from evercache.http.credentials import CREDENTIAL_FIELDS
from evercache.http.walk import FoundRoute

__all__ = ["GUARDS", "ROUTE_MARK", "dimensions_of", "guard_of", "guarded_parameters", "reads_credentials"]

ROUTE_MARK = "_evercache_route"
"""The attribute of an endpoint that is cached by itself (`evercache.fastapi.cached_route`)."""

GUARDS = (
    "get_current_*", "current_user", "current_*_user", "require_*", "requires", "requires_*", "verify_*", "check_*_access",
    "authenticate*", "authorize*", "login_required", "permission_required", "*_guard",
)  # fmt: skip
"""What guards are called: the function itself, or the one that made it."""


_UNDERSTOOD = frozenset(
    {
        "cache-control",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "pragma",
        "range",
    }
)


def guard_of(route: FoundRoute, names: Sequence[str] = GUARDS) -> str | None:
    """The name of the first guard of *route*, None if nothing guards it."""
    if route.dependant is not None:
        for depends in getattr(route.route, "dependencies", ()):
            if _is_security_mark(depends):
                return _title(depends.dependency)
    return next(_guards(route.endpoint, route.dependant, names), None)


def reads_credentials(dependant: Any) -> bool:  # Any: FastAPI's
    """Whether the tree of *dependant* has a security class, or reads a cookie or a field that identifies a user."""
    if _is_security_class(dependant.call) or dependant.cookie_params:
        return True
    if any(name.encode() in CREDENTIAL_FIELDS for name in _headers(dependant)):
        return True
    return any(reads_credentials(inner) for inner in dependant.dependencies)


def dimensions_of(dependant: Any) -> tuple[str, ...]:  # Any: FastAPI's
    """The header fields that the tree of *dependant* reads, but for those that the cache itself understands: credentials,
    and what is asked of a cache."""
    read = {name for name in _headers(dependant) if name not in _UNDERSTOOD and name.encode() not in CREDENTIAL_FIELDS}
    return tuple(sorted(read.union(*map(dimensions_of, dependant.dependencies))))


def _headers(dependant: Any) -> Iterator[str]:
    """The header fields that *dependant* itself reads, in lower case, also those of a model of several."""
    for field in dependant.header_params:
        model = getattr(getattr(field, "field_info", None), "annotation", None)
        several: Any = getattr(model, "model_fields", None)
        if several is None:
            yield str(field.alias).lower()
        else:
            yield from ((info.alias or name.replace("_", "-")).lower() for name, info in several.items())


def guarded_parameters(route: FoundRoute, names: Sequence[str] = GUARDS) -> list[str]:
    """The parameters of the endpoint that hold what a guard has returned, or something made of it."""
    named = [each for each in route.dependant.dependencies if each.name is not None]
    return [str(each.name) for each in named if _is_guarded(each, names)]


def _is_guarded(dependant: Any, names: Sequence[str]) -> bool:
    guards = _is_security_class(dependant.call) or _is_called(_without_arguments(dependant.call), names)
    return guards or any(_is_guarded(inner, names) for inner in dependant.dependencies)


def _guards(endpoint: object, dependant: Any, names: Sequence[str]) -> Iterator[str]:
    # A guard may be a decorator of the endpoint too; the endpoint's own name says what it does, not who may.
    for wrapper in _wrappers(endpoint):
        if _is_called(wrapper, names):
            yield _title(wrapper)
    inner = () if dependant is None else dependant.dependencies
    if _has_security_mark(endpoint):
        yield "Security(...)"
    for each in inner:
        call: object = each.call
        if _is_security_class(call):
            yield type(inspect.unwrap(call) if callable(call) else call).__name__
        elif _is_called(_without_arguments(call), names):
            yield _title(call)
        yield from _guards(call, each, names)


def _is_security_class(call: object) -> bool:
    thing = inspect.unwrap(call) if callable(call) else call
    return any(
        base.__name__ == "SecurityBase" and base.__module__.startswith("fastapi.") for base in type(thing).__mro__
    )


def _is_called(call: object, names: Sequence[str]) -> bool:
    """Whether *call*, its class, or a function that made it has one of *names*."""
    code = getattr(call, "__code__", None)
    qualified = getattr(code, "co_qualname", None) or getattr(call, "__qualname__", None) or type(call).__qualname__
    parts = [part for part in str(qualified).split(".") if part != "<locals>"]
    return any(fnmatchcase(part, name) for part in parts for name in names)


def _wrappers(endpoint: object) -> Iterator[object]:
    """What was put around the endpoint by decorators, from the outside in."""
    while (inner := getattr(endpoint, "__wrapped__", None)) is not None:
        yield endpoint
        endpoint = inner


def _without_arguments(call: object) -> object:
    while isinstance(call, functools.partial):
        call = call.func
    return call


def _has_security_mark(call: object) -> bool:
    """Whether a parameter of *call* is written with `Security(...)`, which needs no scopes to be one."""
    if not callable(call):
        return False
    return any(_is_security_mark(mark) for parameter in _parameters(call) for mark in _marks(parameter))


def _marks(parameter: inspect.Parameter) -> Iterator[object]:
    yield parameter.default
    if get_origin(parameter.annotation) is Annotated:
        yield from get_args(parameter.annotation)[1:]


def _parameters(call: Callable[..., object]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(call, eval_str=True).parameters.values())
    except (NameError, TypeError, ValueError):
        # An annotation that can't be resolved, or a callable of C without a signature.
        return []


def _is_security_mark(mark: object) -> bool:
    return type(mark).__name__ == "Security" and type(mark).__module__ == "fastapi.params"


def _title(call: object) -> str:
    return str(getattr(_without_arguments(call), "__qualname__", None) or type(call).__qualname__)
