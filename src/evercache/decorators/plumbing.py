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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import PurePath
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin

from evercache.core.keys import ENCODABLE
from evercache.errors import ConfigurationError, KeyEncodingError

__all__ = ["KeyBy", "Parameter", "Personal", "Skip", "check_names", "signature_of", "stands_in_class", "study"]


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
    function: Callable[..., object],
    where: str,
    *,
    key_chosen: bool = False,
    supplied: bool = False,
    picked: Mapping[str, Callable[[Any], object] | None] = MappingProxyType({}),
) -> tuple[Parameter, ...]:
    """The parameters of *function*.

    With *key_chosen*, the key is made elsewhere and nothing has to be encodable. With *supplied*, the first one is
    supplied for each load and not looked at. *picked*: what makes the part of the key for those that `key=` names.
    """
    raws = list(signature_of(function).parameters.values())
    if supplied and (not raws or raws[0].kind not in (raws[0].POSITIONAL_ONLY, raws[0].POSITIONAL_OR_KEYWORD)):
        raise ConfigurationError(f"{where}: using() supplies the first parameter, and there is no plain one.")
    if supplied and raws[0].name in ("self", "cls") and stands_in_class(function):
        raise ConfigurationError(
            f"{where}: using() would supply {raws[0].name!r}, the first parameter. Cache a function that is no method."
        )
    found: list[Parameter] = []
    for raw in raws[supplied:]:
        parameter = _parameter(raw, _annotation(function, raw, where))
        if parameter.name in picked:
            parameter = _picked(parameter, picked[parameter.name], where)
        elif not found and not supplied and raw.name == "cls" and stands_in_class(function):
            parameter = replace(parameter, by=_class_name)
        if not key_chosen and not parameter.skipped and parameter.by is None:
            _demand_encodable(parameter, where)
        found.append(parameter)
    return tuple(found)


def _picked(parameter: Parameter, by: Callable[[Any], object] | None, where: str) -> Parameter:
    if parameter.skipped:
        raise ConfigurationError(f"{where}: key= names {parameter.name!r}, which is plumbing and no part of a key.")
    return parameter if by is None else replace(parameter, by=by, exact=None)


def stands_in_class(function: Callable[..., object]) -> bool:
    """Whether the function is written in the body of a class."""
    return "." in function.__qualname__.rpartition("<locals>.")[2]


def _class_name(owner: Any) -> object:
    """What stands for the class of a classmethod."""
    if not isinstance(owner, type) or "<locals>" in owner.__qualname__:
        raise KeyEncodingError(f"{owner!r} has no name that is its own; cached classmethods need a class of a module.")
    return f"{owner.__module__}.{owner.__qualname__}"


def signature_of(function: Callable[..., object]) -> inspect.Signature:
    """The signature, whether or not all names in it are known already."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)


def _annotation(function: Callable[..., object], raw: inspect.Parameter, where: str) -> object:
    """The annotation of one parameter, resolved by itself: a name that isn't known yet elsewhere is no hindrance.

    One that can't be resolved stays what it is, unless it may hold a mark: Skip and Personal must not get lost."""
    if raw.annotation is raw.empty:
        return raw.empty
    holder = types.SimpleNamespace(__annotations__={raw.name: raw.annotation})
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return typing.get_type_hints(holder, names, _enclosed(function), include_extras=True)[raw.name]
    except Exception as error:  # noqa: BLE001 - whatever is wrong with an annotation of the user's
        if "Annotated" in str(raw.annotation):
            raise ConfigurationError(
                f"{where}: the annotation of {raw.name!r} can't be read now ({error}), and it may say how the parameter "
                "is keyed. Make its names known where the function is decorated, not only under TYPE_CHECKING."
            ) from None
        return raw.annotation


def _enclosed(function: Callable[..., object]) -> dict[str, object]:
    """What the function closes over; annotations of functions inside functions may name it."""
    try:
        return dict(inspect.getclosurevars(inspect.unwrap(function)).nonlocals)
    except (TypeError, ValueError):
        return {}


def _parameter(raw: inspect.Parameter, annotation: object) -> Parameter:
    marks: list[object] = []
    annotation = _bare(annotation, marks)
    injected = any(_is_injection(mark) for mark in (*marks, raw.default))
    optional, bare = _without_none(annotation, marks)
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
        exact=bare if not variadic and by is None and bare in (int, str, bool) else None,
        optional=optional,
        by=by,
    )


def _bare(annotation: Any, marks: list[object]) -> Any:
    """What stands behind Annotated, NewType and `type X = ...`; what Annotated adds goes into *marks*."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *rest = get_args(annotation)
            marks += rest
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


def _without_none(annotation: object, marks: list[object]) -> tuple[bool, Any]:
    """Whether None is allowed, and the annotation without it."""
    if get_origin(annotation) in (typing.Union, types.UnionType):
        rest = [_bare(member, marks) for member in get_args(annotation) if member is not type(None)]
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
    if annotation is inspect.Parameter.empty or annotation is Any or annotation is object:
        return None
    annotation = _bare(annotation, [])
    origin = get_origin(annotation)
    if origin is typing.Literal:
        return True
    if origin in (type, Callable):
        return False
    if origin is not None:
        verdicts = [_encodable(arg) for arg in get_args(annotation) if arg is not Ellipsis]
        if isinstance(origin, type) and origin is not types.UnionType:
            verdicts.append(_class_is_encodable(origin))
        return False if False in verdicts else (True if all(verdicts) else None)
    if not isinstance(annotation, type):
        return None
    return _class_is_encodable(annotation)


def _class_is_encodable(kind: type) -> bool | None:
    if kind in ENCODABLE or dataclasses.is_dataclass(kind):
        return True
    if any(hasattr(kind, mark) for mark in ("__cache_key__", "__attrs_attrs__")):
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
