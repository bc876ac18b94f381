"""What may be shared without danger: types, and values, that nobody can change."""

from __future__ import annotations

import types
from datetime import timezone
from enum import Enum
from typing import Any, Literal, Union

from evercache.codecs.shape import LEAVES, fields_of, kind_of, names_of, split

__all__ = ["is_immutable", "is_immutable_type"]

_ATOMS = frozenset((*LEAVES, complex, range, timezone, type, types.FunctionType, types.BuiltinFunctionType))


def is_immutable_type(annotation: object) -> bool:
    """Are all values of this type immutable all the way down? A class that contains itself counts by its other parts.

    Raises whatever the evaluation of the annotation raises.
    """
    return _type(annotation, set())


def _type(annotation: object, assumed: set[object]) -> bool:
    bare, arguments = split(annotation)
    if bare is None or bare in _ATOMS or bare is Literal:
        return True
    if bare in (tuple, frozenset, Union):
        return bool(arguments) and all(part is ... or _type(part, assumed) for part in arguments)
    if not isinstance(bare, type):
        return False
    if issubclass(bare, Enum) or annotation in assumed:
        return True
    if not _is_frozen(bare):
        return False
    assumed.add(annotation)
    return all(_type(hint, assumed) for _, hint in fields_of(bare, arguments))


def is_immutable(value: Any) -> bool:
    """Is this value immutable all the way down? Looks at the value, not at its annotation."""
    kind = type(value)
    if kind in _ATOMS or isinstance(value, (Enum, type)):
        return True
    if kind is tuple or kind is frozenset:
        return all(map(is_immutable, value))
    if not _is_frozen(kind):
        return False
    names = names_of(kind)
    if len(getattr(value, "__dict__", ())) > len(names):
        return False
    return all(is_immutable(getattr(value, name, None)) for name in names)


def _is_frozen(kind: type) -> bool:
    """Does the class refuse assignment to its fields?"""
    what = kind_of(kind)
    if what == "namedtuple":
        return True
    if what == "struct":
        return bool(getattr(kind, "__struct_config__").frozen)  # noqa: B009  # checkers don't know the attribute
    if what in ("dataclass", "model") and hasattr(kind, "__dataclass_params__"):
        return bool(kind.__dataclass_params__.frozen)
    if what == "model":
        config: dict[str, Any] = getattr(kind, "model_config", {})
        return (
            bool(config.get("frozen"))
            and not getattr(kind, "__private_attributes__", None)
            and config.get("extra") != "allow"
        )
    return False
