"""Which parameters of a function are part of its key.

All of them, unless they are plumbing. Plumbing is how a function does its work and not what its answer depends on: a
database session, an HTTP client, the response object of a route. Known kinds are recognised by their class, without
importing their package; others say so themselves:

    client: Annotated[PaymentClient, Skip]             not in the key
    user: Annotated[User, KeyBy(lambda u: u.id)]       this part of it is
    email: Annotated[str, Personal]                    in the key, and only as a digest that needs the secret

What is injected and neither encodable nor declared is an error at decoration: an identity that is left out of a key by
accident is how one user gets another one's data.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any, get_args, get_origin

from evercache.core.keys import ENCODABLE
from evercache.errors import ConfigurationError, KeyEncodingError

__all__ = ["KeyBy", "Parameter", "Personal", "Skip", "study"]


class Skip:
    """`Annotated[T, Skip]`: this parameter is plumbing and not part of the key."""


class Personal:
    """`Annotated[T, Personal]`: guesses of this value must not be testable by who can read Redis; needs CACHE_SECRET."""


@dataclass(frozen=True, slots=True)
class KeyBy:
    """`Annotated[T, KeyBy(function)]`: what *function* returns for the argument is the part of the key."""

    function: Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: `skipped` ones are no part of the key; `exact` is the class for which the raw value can stand in
    an L1 key; `by` makes the part of the key from the argument."""

    name: str
    kind: inspect._ParameterKind
    default: object
    annotation: object
    skipped: bool = False
    personal: bool = False
    injected: bool = False
    exact: type | None = None
    optional: bool = False
    by: Callable[[Any], object] | None = None


_PLUMBING = {
    "starlette": {"Response", "BackgroundTasks"},
    "fastapi": {"BackgroundTasks"},
    "sqlalchemy": {"Session", "AsyncSession", "Connection", "AsyncConnection", "Engine", "AsyncEngine", "sessionmaker",
                   "async_sessionmaker", "scoped_session", "async_scoped_session"},
    "redis": {"Redis", "RedisCluster", "Sentinel"},
    "httpx": {"Client", "AsyncClient"},
    "httpx2": {"Client", "AsyncClient"},
    "aiohttp": {"ClientSession"},
    "asyncpg": {"Connection", "Pool"},
    "psycopg": {"Connection", "AsyncConnection"},
    "psycopg_pool": {"ConnectionPool", "AsyncConnectionPool"},
    "aiosqlite": {"Connection"},
    "sqlite3": {"Connection"},
    "motor": {"AgnosticDatabase", "AgnosticClient"},
    "pymongo": {"Database", "MongoClient", "AsyncMongoClient", "AsyncDatabase"},
    "logging": {"Logger", "LoggerAdapter"},
}  # fmt: skip


def study(
    function: Callable[..., object], where: str, *, key_chosen: bool = False, supplied: bool = False
) -> tuple[Parameter, ...]:
    """The parameters of *function*. With *key_chosen*, the key is made elsewhere and nothing has to be encodable; with
    *supplied*, the first one is supplied for each load and not looked at."""
    hints = _hints(function)
    raws = list(inspect.signature(function).parameters.values())
    if supplied and (not raws or raws[0].kind not in (raws[0].POSITIONAL_ONLY, raws[0].POSITIONAL_OR_KEYWORD)):
        raise ConfigurationError(f"{where}: using() supplies the first parameter, and there is no plain one.")
    found = []
    for raw in raws[supplied:]:
        parameter = _parameter(raw, hints.get(raw.name, raw.annotation))
        if not key_chosen and not parameter.skipped and parameter.by is None:
            _demand_encodable(parameter, where)
        found.append(parameter)
    return tuple(found)


def _hints(function: Callable[..., object]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 - a name that only exists for type checkers: the annotations stay what they are
        return {}


def _parameter(raw: inspect.Parameter, annotation: object) -> Parameter:
    marks: tuple[object, ...] = ()
    if get_origin(annotation) is Annotated:
        annotation, *rest = get_args(annotation)
        marks = tuple(rest)
    injected = any(_is_injection(mark) for mark in (*marks, raw.default))
    optional, bare = _without_none(annotation)
    by = next((mark.function for mark in marks if isinstance(mark, KeyBy)), None)
    variadic = raw.kind in (raw.VAR_POSITIONAL, raw.VAR_KEYWORD)
    return Parameter(
        raw.name,
        raw.kind,
        raw.default,
        annotation,
        skipped=any(mark is Skip or isinstance(mark, Skip) for mark in marks) or _is_plumbing(bare),
        personal=any(mark is Personal or isinstance(mark, Personal) for mark in marks),
        injected=injected or _is_request(bare),
        exact=bare if not variadic and by is None and bare in (int, str) else None,
        optional=optional,
        by=by,
    )


def _without_none(annotation: object) -> tuple[bool, Any]:
    """Whether None is allowed, and the annotation without it."""
    if get_origin(annotation) in (typing.Union, types.UnionType):
        rest = [member for member in get_args(annotation) if member is not type(None)]
        if len(rest) < len(get_args(annotation)) and len(rest) == 1:
            return True, rest[0]
    return False, annotation


def _is_injection(mark: object) -> bool:
    kind = type(mark)
    return kind.__name__ in ("Depends", "Security") and kind.__module__.partition(".")[0] == "fastapi"


def _is_request(annotation: object) -> bool:
    return any(
        base.__name__ in ("Request", "WebSocket", "HTTPConnection") and base.__module__.startswith("starlette.")
        for base in _bases(annotation)
    )


def _is_plumbing(annotation: object) -> bool:
    for base in _bases(annotation):
        package = base.__module__.partition(".")[0]
        if base.__name__ in _PLUMBING.get(package, ()):
            return True
    return False


def _bases(annotation: object) -> Iterator[type]:
    annotation = get_origin(annotation) or annotation
    return iter(annotation.__mro__) if isinstance(annotation, type) else iter(())


def _demand_encodable(parameter: Parameter, where: str) -> None:
    verdict = _encodable(parameter.annotation)
    if verdict is False or (parameter.injected and verdict is None):
        kind = "is injected" if parameter.injected else "has a type without a canonical form"
        raise KeyEncodingError(
            f"{where}: the parameter {parameter.name!r} {kind} and can't be part of the key as it is. If the answer "
            f"depends on it, say on what: Annotated[..., KeyBy(lambda {parameter.name}: ...)], a method "
            "__cache_key__() on its class, or key_by for the whole function. If it doesn't, write Annotated[..., Skip]."
        )


def _encodable(annotation: object) -> bool | None:
    """Whether values of this type can be part of a key; None if only the value can tell."""
    if annotation in (inspect.Parameter.empty, Any, object) or isinstance(annotation, str | typing.TypeVar):
        return None
    if get_origin(annotation) is Annotated:
        return _encodable(get_args(annotation)[0])
    origin = get_origin(annotation)
    if origin is typing.Literal:
        return True
    if origin is not None:
        verdicts = [_encodable(arg) for arg in get_args(annotation) if arg is not Ellipsis]
        return False if False in verdicts else (True if all(verdicts) else None)
    if not isinstance(annotation, type):
        return None
    return _class_is_encodable(annotation)


def _class_is_encodable(kind: type) -> bool | None:
    if kind in ENCODABLE or hasattr(kind, "__cache_key__") or dataclasses.is_dataclass(kind):
        return True
    if (
        issubclass(kind, Enum | PurePath | tuple)
        or hasattr(kind, "__struct_fields__")
        or hasattr(kind, "get_secret_value")
    ):
        return True
    if "pydantic" in sys.modules and isinstance(getattr(kind, "__pydantic_fields__", None), dict):
        return True
    if any(base in ENCODABLE for base in kind.__mro__):
        return True
    abstract = inspect.isabstract(kind) or getattr(kind, "_is_protocol", False) or kind.__module__ == "collections.abc"
    return None if abstract else False


def check_names(parameters: tuple[Parameter, ...], where: str) -> None:
    """Refuse names that the generated function uses for itself."""
    for parameter in parameters:
        if parameter.name.startswith("_ec_"):
            raise ConfigurationError(f"{where}: a parameter may not be called {parameter.name!r}; the prefix is ours.")
