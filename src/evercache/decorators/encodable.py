"""Whether values of a type can be part of a key, as far as the type tells."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, get_args, get_origin

from evercache.core.keys import ENCODABLE, is_path

__all__ = ["bare", "encodable"]


def encodable(annotation: object) -> bool | None:
    """Whether values of this type can be part of a key; None if only the value can tell."""
    if annotation is inspect.Parameter.empty or annotation is Any or annotation is object:
        return None
    annotation = bare(annotation, [])
    origin = get_origin(annotation)
    if origin is typing.Literal:
        return True
    if origin in (type, Callable):
        return False
    if origin is not None:
        verdicts = [encodable(arg) for arg in get_args(annotation) if arg is not Ellipsis]
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
        issubclass(kind, Enum | tuple)
        or is_path(kind)
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


def bare(annotation: Any, marks: list[object]) -> Any:
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
