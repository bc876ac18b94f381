"""A cheap look at a value: is it, at the top, of the type that its annotation declares?

One level deep: the class itself and, for a list, tuple, set or dict, the classes of its elements (one pass in C). What
lies deeper is the business of the full comparison in `msgspec.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Union

from evercache.codecs.shape import kind_of, split

__all__ = ["top_check"]

_Check = Callable[[Any], bool]


def top_check(annotation: object) -> _Check:
    """A predicate that is False when the value, or one of its elements, has another class than declared."""
    bare, arguments = split(annotation)
    if bare in (list, set, frozenset) and arguments:
        return _elements(bare, _classes(arguments[0]))
    if bare is tuple and len(arguments) == 2 and arguments[1] is ...:
        return _elements(tuple, _classes(arguments[0]))
    if bare is dict and arguments:
        return _mapping(_classes(arguments[0]), _classes(arguments[1]))
    allowed = _classes(annotation)
    if allowed is None:
        return _anything
    return lambda value: type(value) in allowed


def _anything(_: object) -> bool:
    return True


def _elements(outer: type, allowed: frozenset[type] | None) -> _Check:
    if allowed is None:
        return lambda value: type(value) is outer

    def check(value: Any) -> bool:
        kind: object = type(value)
        return kind is outer and allowed.issuperset(map(type, value))

    return check


def _mapping(keys: frozenset[type] | None, values: frozenset[type] | None) -> _Check:
    def check(value: Any) -> bool:
        return (
            type(value) is dict
            and (keys is None or keys.issuperset(map(type, value)))
            and (values is None or values.issuperset(map(type, value.values())))
        )

    return check


def _classes(annotation: object) -> frozenset[type] | None:
    """The classes whose objects fit the annotation; None if that can't be told."""
    bare, arguments = split(annotation)
    if bare is Union:
        found: frozenset[type] = frozenset()
        for part in arguments:
            classes = _classes(part)
            if classes is None:
                return None
            found |= classes
        return found
    if bare is None:
        return frozenset((type(None),))
    if bare is Literal:
        return frozenset(map(type, arguments))
    if not isinstance(bare, type):
        return None
    if bare is float:
        return frozenset((float, int))  # PEP 484: an int is welcome where a float is declared
    return frozenset((dict,)) if kind_of(bare) == "typeddict" else frozenset((bare,))
