"""Is what would be read back the same as what was stored?

Stricter than `==` where Python is generous (1, 1.0 and True; a subclass and its base; an enum of strings and a string)
and kinder where it is strict (NaN is the same as NaN; a class without `__eq__` is compared by its fields).

Two things pass on purpose. An aware datetime keeps its instant and its UTC offset, not the name of its zone: JSON has no
zone names, and reading zone files that stored bytes name is nothing a decoder should do. And an int that was stored where
a float is declared comes back as the equal float; every type checker lets programs do that.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property, lru_cache
from typing import Any
from uuid import UUID

from evercache.codecs.shape import kind_of

__all__ = ["extras_of", "identical"]

_UNEQUAL = 64  # matching them takes quadratic time


def identical(one: Any, other: Any) -> bool:  # values of any type
    """Same types and same contents, recursively: *one* was stored, *other* came back.

    May raise what the objects' own `__eq__` raises, and RecursionError.
    """
    if one is other:
        return True
    kind = type(one)
    if kind is not type(other):
        return kind is int and type(other) is float and bool(one == other)
    compare = _COMPARE.get(kind)
    if compare is not None:
        return bool(compare(one, other))
    if issubclass(kind, Enum):
        return False  # members are single objects
    what = kind_of(kind)
    if what == "namedtuple":
        return _sequences(tuple(one), tuple(other))
    if what is not None:
        return _objects(one, other)
    return bool(one == other)


def _floats(one: float, other: float) -> bool:
    return repr(one) == repr(other)  # also tells 0.0 from -0.0


def _text_alike(one: Any, other: Any) -> bool:
    return str(one) == str(other)  # Decimal: 1.0 and 1.00 differ, NaN and NaN don't


def _instants(one: datetime, other: datetime) -> bool:
    return one.replace(tzinfo=None) == other.replace(tzinfo=None) and one.utcoffset() == other.utcoffset()


def _times(one: time, other: time) -> bool:
    return one == other and one.utcoffset() == other.utcoffset() and (one.tzinfo is None) == (other.tzinfo is None)


def _sequences(one: Any, other: Any) -> bool:
    return len(one) == len(other) and all(map(identical, one, other))


def _sets(one: Any, other: Any) -> bool:
    typed, wanted = {(type(item), item) for item in one}, {(type(item), item) for item in other}
    # What `==` doesn't find in the other set can still be identical: NaN, or an object without __eq__.
    left, right = typed - wanted, wanted - typed
    return len(one) == len(other) and len(left) <= _UNEQUAL and all(any(identical(a, b) for b in right) for a in left)


def _dicts(one: dict[Any, Any], other: dict[Any, Any]) -> bool:
    # In order, because JSON and Python keep it and a template may show it.
    return len(one) == len(other) and all(
        identical(a, b) and identical(x, y) for (a, x), (b, y) in zip(one.items(), other.items(), strict=True)
    )


def _objects(one: Any, other: Any) -> bool:
    nothing = object()
    kind: Any = type(one)
    for name in _names(kind):
        if not identical(getattr(one, name, nothing), getattr(other, name, nothing)):
            return False
    return _dicts(extras_of(one), extras_of(other))


def extras_of(value: Any) -> dict[str, Any]:
    """The attributes beside the declared fields, but not what a `cached_property` can make again."""
    kind: Any = type(value)
    attributes: dict[str, Any] = getattr(value, "__dict__", {})
    names = _names(kind)
    if len(attributes) <= len(names) and attributes.keys() <= names.keys():
        return {}
    return {
        name: attribute
        for name, attribute in sorted(attributes.items())
        if name not in names and not isinstance(getattr(kind, name, None), cached_property)
    }


@lru_cache(maxsize=1024)
def _names(kind: Hashable) -> dict[str, None]:
    """The declared fields of a class, and where Pydantic keeps what isn't declared."""
    names: dict[str, None] = {}
    for attribute in ("__struct_fields__", "__dataclass_fields__", "__pydantic_fields__"):
        names |= dict.fromkeys(getattr(kind, attribute, ()))
    if hasattr(kind, "__pydantic_validator__"):
        names |= {"__pydantic_extra__": None, "__pydantic_private__": None}
    return names


_COMPARE: dict[type, Any] = {
    float: _floats,
    Decimal: _text_alike,
    datetime: _instants,
    time: _times,
    **dict.fromkeys((int, str, bool, bytes, date, timedelta, UUID), operator.eq),
    list: _sequences,
    tuple: _sequences,
    set: _sets,
    frozenset: _sets,
    dict: _dicts,
}
