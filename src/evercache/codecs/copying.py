"""The closures that `copier.py` puts together: one for each kind of container and class.

Each checks that the value is of exactly its type, and hands everything else to *otherwise*, which looks at the value.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from evercache.errors import CodecError

__all__ = [
    "CLASS_COPIERS",
    "Copy",
    "deep_copy",
    "dict_copier",
    "later",
    "list_copier",
    "set_copier",
    "uncopyable",
]

Copy = Callable[[Any], Any]
_Parts = list[tuple[str, Copy]]


def deep_copy(value: Any) -> Any:
    """By the slow and general way. Raises CodecError for what can't be copied at all."""
    try:
        return deepcopy(value)
    except Exception as error:  # a lock, a socket, a generator, somebody's __deepcopy__
        raise uncopyable(value, error) from None


def uncopyable(value: object, error: Exception) -> CodecError:
    """The error for a value that must not be kept in L1. It names the type, never the value."""
    kind = type(value)
    return CodecError(
        f"a value of type {kind.__module__}.{kind.__qualname__} cannot be copied ({type(error).__name__}); set share=True"
        " if nobody changes it, or return plain data"
    )


def later(made: list[Copy]) -> Copy:
    """The copier that is still being made, and will be there when a value comes."""
    return lambda value: made[0](value)  # noqa: PLW0108  # made[0] is not there yet


def list_copier(inner: Copy | None, otherwise: Copy) -> Copy:
    def shallow(value: Any) -> Any:
        return value.copy() if type(value) is list else otherwise(value)

    def deep(value: Any) -> Any:
        return list(map(each, value)) if type(value) is list else otherwise(value)

    each = inner or otherwise
    return shallow if inner is None else deep


def dict_copier(inner: Copy | None, otherwise: Copy) -> Copy:
    def shallow(value: Any) -> Any:
        return value.copy() if type(value) is dict else otherwise(value)

    def deep(value: Any) -> Any:
        if type(value) is not dict:
            return otherwise(value)
        made = value.copy()
        for key, part in value.items():
            made[key] = each(part)
        return made

    each = inner or otherwise
    return shallow if inner is None else deep


def set_copier(inner: Copy | None, otherwise: Copy) -> Copy:
    def shallow(value: Any) -> Any:
        return value.copy() if type(value) is set else otherwise(value)

    def deep(value: Any) -> Any:
        return set(map(each, value)) if type(value) is set else otherwise(value)

    each = inner or otherwise
    return shallow if inner is None else deep


def _typeddict(_: type, size: int, parts: _Parts, otherwise: Copy) -> Copy:
    def copier(value: Any) -> Any:
        if type(value) is not dict or len(value) > size:  # undeclared keys may hold anything
            return otherwise(value)
        made = value.copy()
        for name, copy in parts:
            if name in made:
                made[name] = copy(made[name])
        return made

    return copier


def _dataclass(kind: Any, size: int, parts: _Parts, otherwise: Copy) -> Copy:
    if any("__slots__" in vars(base) for base in kind.__mro__[:-1]):
        return _slotted(kind, parts, otherwise)
    new, put = object.__new__, object.__setattr__
    # Assigning is faster than calling, where the class doesn't forbid it.
    assigns = kind.__setattr__ is put

    def copier(value: Any) -> Any:
        if type(value) is not kind:
            return otherwise(value)
        if len(value.__dict__) > size:  # undeclared attributes may hold anything
            return deep_copy(value)
        copied = value.__dict__.copy()
        for name, copy in parts:
            copied[name] = copy(copied[name])
        made = new(kind)
        if assigns:
            made.__dict__ = copied
        else:
            put(made, "__dict__", copied)
        return made

    return copier


def _slotted(kind: Any, parts: _Parts, otherwise: Copy) -> Copy:
    copiers = dict(parts)
    fields = [(name, copiers.get(name)) for name in kind.__dataclass_fields__]
    new, put = object.__new__, object.__setattr__

    def copier(value: Any) -> Any:
        if type(value) is not kind:
            return otherwise(value)
        if getattr(value, "__dict__", None):  # one of its bases has no slots: anything may be there
            return deep_copy(value)
        made = new(kind)
        for name, copy in fields:
            part = getattr(value, name)
            put(made, name, part if copy is None else copy(part))
        return made

    return copier


def _struct(kind: Any, _: int, parts: _Parts, otherwise: Copy) -> Copy:
    if kind.__struct_config__.frozen and parts:
        return deep_copy

    def copier(value: Any) -> Any:
        if type(value) is not kind:
            return otherwise(value)
        made = value.__copy__()
        for name, copy in parts:
            setattr(made, name, copy(getattr(made, name)))
        return made

    return copier


def _namedtuple(kind: Any, _: int, parts: _Parts, otherwise: Copy) -> Copy:
    copiers = dict(parts)
    each = [copiers.get(name) for name in kind._fields]

    def copier(value: Any) -> Any:
        if type(value) is not kind:
            return otherwise(value)
        return kind._make(part if copy is None else copy(part) for copy, part in zip(each, value, strict=True))

    return copier


def _model(kind: Any, size: int, parts: _Parts, otherwise: Copy) -> Copy:
    """As `model_copy(deep=True)`, without its detours. A model with a copy protocol of its own keeps it."""
    module = getattr(getattr(kind, "__deepcopy__", None), "__module__", "")
    if not module.startswith("pydantic."):
        return _dataclass(kind, size, parts, otherwise) if hasattr(kind, "__dataclass_fields__") else deep_copy
    new, put = object.__new__, object.__setattr__

    def copier(value: Any) -> Any:
        if type(value) is not kind:
            return otherwise(value)
        state = value.__dict__
        if len(state) > size or value.__pydantic_extra__ or value.__pydantic_private__:
            return deep_copy(value)
        copied = state.copy()
        for name, copy in parts:
            if name in copied:
                copied[name] = copy(copied[name])
        made = new(kind)
        put(made, "__dict__", copied)
        put(made, "__pydantic_fields_set__", value.__pydantic_fields_set__.copy())
        put(made, "__pydantic_extra__", value.__pydantic_extra__)
        put(made, "__pydantic_private__", value.__pydantic_private__)
        return made

    return copier


CLASS_COPIERS: dict[str, Callable[[Any, int, _Parts, Copy], Copy]] = {
    "typeddict": _typeddict,
    "dataclass": _dataclass,
    "struct": _struct,
    "namedtuple": _namedtuple,
    "model": _model,
}
