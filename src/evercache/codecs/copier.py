"""Copies for the callers of a process cache, compiled from the annotation.

A value in L1 is handed to many callers; one that changes it must not change it for the others. Immutable values are
shared as they are. For the rest a copier is compiled once per function: it copies what its type says is mutable and
shares what isn't, at 0.2 µs for a dict or a dataclass where `copy.deepcopy` takes 4 to 6.

A copier trusts the annotation only as far as it can check for the price of a `type(x) is ...`: where the value is
something else, `copy_any` looks at the value itself. `copy_any` ends in `copy.deepcopy` for classes that it doesn't know
(not in the self-describing codec, which carries registered classes only, and is slower). Two references to one list
inside a value become two lists.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Union

from evercache.codecs.copying import (
    CLASS_COPIERS,
    Copy,
    deep_copy,
    dict_copier,
    later,
    list_copier,
    set_copier,
    uncopyable,
)
from evercache.codecs.immutable import is_immutable, is_immutable_type
from evercache.codecs.shape import LEAVES, fields_of, kind_of, split
from evercache.errors import CodecError

__all__ = ["copier_for", "copy_any"]


def copier_for(annotation: object | None) -> Copy | None:
    """How to copy values of this type; None if they are immutable all the way down and may be shared.

    Without an annotation, and for what can't be understood, `copy_any`. The copier raises CodecError for a value that
    can't be copied; such a value must not be kept in L1.
    """
    if annotation is None:
        return copy_any
    try:
        return _Compiler().compile(annotation)
    except Exception:  # an annotation that can't be evaluated: the values will tell
        return copy_any


def copy_any(value: Any) -> Any:
    """A copy that shares nothing mutable with *value*. Raises CodecError if there is no way to copy it."""
    try:
        return _copy(value)
    except RecursionError:
        pass  # deep, or a cycle; deepcopy knows cycles
    except CodecError:
        raise
    except Exception as error:
        raise uncopyable(value, error) from None
    return deep_copy(value)


def _copy(value: Any) -> Any:
    kind: Any = type(value)
    if kind in LEAVES:
        return value
    if kind is list:
        return [part if type(part) in LEAVES else _copy(part) for part in value]
    if kind is dict:
        return {key: part if type(part) in LEAVES else _copy(part) for key, part in value.items()}
    if kind is set:
        return {_copy(part) for part in value}
    if is_immutable(value):
        return value
    if kind is tuple or kind is frozenset:
        return kind(map(_copy, value))
    copier = _copier_of(kind)
    return deep_copy(value) if copier is None else copier(value)


@lru_cache(maxsize=512)
def _copier_of(kind: Any) -> Copy | None:
    """The copier of a class met at run time; None for classes without declared fields."""
    if kind_of(kind) in (None, "enum", "typeddict"):
        return None
    try:
        return _Compiler().compile(kind)
    except Exception:
        return None


class _Compiler:
    """Closures for one annotation. A class that contains itself is compiled once and refers to itself."""

    def __init__(self) -> None:
        self._started: dict[object, list[Copy]] = {}

    def compile(self, annotation: Any) -> Copy | None:
        if is_immutable_type(annotation):
            return None
        bare, arguments = split(annotation)
        if bare is list and arguments:
            return list_copier(self.compile(arguments[0]), copy_any)
        if bare is dict and arguments:
            return dict_copier(self.compile(arguments[1]), copy_any)
        if bare is set and arguments:
            return set_copier(self.compile(arguments[0]), copy_any)
        if bare is Union:
            return self._union(arguments)
        if isinstance(bare, type) and kind_of(bare) not in (None, "enum"):
            return self._class(annotation, bare, arguments)
        return copy_any

    def _union(self, arguments: tuple[Any, ...]) -> Copy:
        mutable = [copier for part in arguments if (copier := self.compile(part)) is not None]
        if len(mutable) != 1 or type(None) not in arguments:
            return copy_any
        inner = mutable[0]
        return lambda value: None if value is None else inner(value)

    def _class(self, annotation: object, kind: type, arguments: tuple[Any, ...]) -> Copy:
        started = self._started.get(annotation)
        if started is not None:
            return later(started)
        started = self._started[annotation] = []
        fields = [(name, self.compile(hint)) for name, hint in fields_of(kind, arguments)]
        parts = [(name, copier) for name, copier in fields if copier is not None]
        started.append(CLASS_COPIERS[kind_of(kind) or ""](kind, len(fields), parts, copy_any))
        return started[0]
