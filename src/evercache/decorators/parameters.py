"""The parameters of a function, each with what it means for the key. Looked at once, at decoration."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, get_args, get_origin

from evercache.decorators.encodable import bare, encodable
from evercache.decorators.plumbing import KeyBy, Personal, Skip, is_injection, is_plumbing, is_request
from evercache.errors import ConfigurationError, KeyEncodingError

__all__ = ["Parameter", "check_names", "return_annotation", "signature_of", "stands_in_class", "study"]


@dataclass(slots=True)
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
    try:
        return _resolved(function, raw.annotation)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with an annotation of the user's
        if "Annotated" in str(raw.annotation):
            raise ConfigurationError(
                f"{where}: the annotation of {raw.name!r} can't be read now ({error}), and it may say how the parameter "
                "is keyed. Make its names known where the function is decorated, not only under TYPE_CHECKING."
            ) from None
        return raw.annotation


def return_annotation(function: Callable[..., object]) -> object:
    """What the function says it returns; None if it says nothing, or nothing that can be resolved."""
    annotation = signature_of(function).return_annotation
    try:
        return None if annotation is inspect.Signature.empty else _resolved(function, annotation)
    except Exception:  # noqa: BLE001 - a name for type checkers only: the self-describing codec takes over
        return None


def _resolved(function: Callable[..., object], annotation: object) -> object:
    """*annotation*, with the names that the function sees."""
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    names = getattr(inspect.unwrap(function), "__globals__", {})
    return typing.get_type_hints(holder, names, _enclosed(function), include_extras=True)["it"]


def _enclosed(function: Callable[..., object]) -> dict[str, object]:
    """What the function closes over; annotations of functions inside functions may name it."""
    try:
        return dict(inspect.getclosurevars(inspect.unwrap(function)).nonlocals)
    except (TypeError, ValueError):
        return {}


def _parameter(raw: inspect.Parameter, annotation: object) -> Parameter:
    marks: list[object] = []
    annotation = bare(annotation, marks)
    injected = any(is_injection(mark) for mark in (*marks, raw.default))
    optional, inner = _without_none(annotation, marks)
    by = next((mark.function for mark in marks if isinstance(mark, KeyBy)), None)
    variadic = raw.kind in (raw.VAR_POSITIONAL, raw.VAR_KEYWORD)
    return Parameter(
        raw.name,
        raw.kind,
        raw.default,
        annotation,
        skipped=any(mark is Skip or isinstance(mark, Skip) for mark in marks) or is_plumbing(inner),
        personal=any(mark is Personal or isinstance(mark, Personal) for mark in marks),
        injected=injected or is_request(inner),
        exact=inner if not variadic and by is None and inner in (int, str, bool) else None,
        optional=optional,
        by=by,
    )


def _without_none(annotation: object, marks: list[object]) -> tuple[bool, Any]:
    """Whether None is allowed, and the annotation without it."""
    if get_origin(annotation) in (typing.Union, types.UnionType):
        rest = [bare(member, marks) for member in get_args(annotation) if member is not type(None)]
        if len(rest) < len(get_args(annotation)) and len(rest) == 1:
            return True, rest[0]
    return False, annotation


def _demand_encodable(parameter: Parameter, where: str) -> None:
    verdict = encodable(parameter.annotation)
    if verdict is False or (parameter.injected and verdict is None):
        kind = "is injected" if parameter.injected else "has a type without a canonical form"
        raise KeyEncodingError(
            f"{where}: the parameter {parameter.name!r} {kind} and can't be part of the key as it is. If the answer "
            f"depends on it, say on what: Annotated[..., KeyBy(lambda {parameter.name}: ...)], a method "
            "__cache_key__() on its class, or key_by for the whole function. If it doesn't, write Annotated[..., Skip]."
        )


def check_names(parameters: tuple[Parameter, ...], where: str) -> None:
    """Refuse names that the generated function uses for itself."""
    for parameter in parameters:
        if parameter.name.startswith("_ec_"):
            raise ConfigurationError(f"{where}: a parameter may not be called {parameter.name!r}; the prefix is ours.")
