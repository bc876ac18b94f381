"""Where may a NaN hide in a value of this type?

JSON has no NaN and no infinity; msgspec writes `null`, which an optional field would read back as None. The finder is
made of closures that visit only the parts of a value that can hold a float, and it only runs when `null` occurs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import isfinite
from operator import attrgetter, itemgetter
from typing import Any, Union

from evercache.codecs.shape import fields_of, kind_of, split

__all__ = ["nonfinite_finder"]

_Finder = Callable[[Any], bool]


def nonfinite_finder(annotation: object) -> _Finder | None:
    """A predicate "there is a NaN or an infinity inside"; None when no float can be inside."""
    return _Compiler().compile(annotation)


def _float(value: Any) -> bool:
    return type(value) is float and not isfinite(value)


class _Compiler:
    def __init__(self) -> None:
        self._classes: dict[object, list[_Finder | None]] = {}

    def compile(self, annotation: Any) -> _Finder | None:
        bare, arguments = split(annotation)
        if bare is float:
            return _float
        if bare is Union:
            return self._union(arguments)
        if bare is dict and arguments:
            return _values(self.compile(arguments[1]))
        if bare is tuple and arguments and arguments[-1] is not ...:
            return _positions([self.compile(part) for part in arguments])
        if bare in (list, set, frozenset, tuple) and arguments:
            return self._column(arguments[0]) or _items(self.compile(arguments[0]))
        if isinstance(bare, type) and kind_of(bare) not in (None, "enum"):
            return self._class(annotation, bare, arguments)
        return None

    def _column(self, annotation: Any) -> _Finder | None:
        """For many floats, or many records with one float each: in C, because a NaN or an infinity survives a sum."""
        each = self.compile(annotation)
        if each is _float:
            return _summed(iter, _float)
        kind, arguments = split(annotation)
        if each is None or not isinstance(kind, type) or kind_of(kind) in (None, "enum"):
            return None
        parts = [(name, finder) for name, hint in fields_of(kind, arguments) if (finder := self.compile(hint))]
        if (
            len(parts) != 1
            or parts[0][1] is not _float
            or split(dict(fields_of(kind, arguments))[parts[0][0]])[0] is not float
        ):
            return None
        get = itemgetter(parts[0][0]) if kind_of(kind) == "typeddict" else attrgetter(parts[0][0])
        return _summed(partial(map, get), each)

    def _union(self, arguments: tuple[Any, ...]) -> _Finder | None:
        found = [finder for finder in map(self.compile, arguments) if finder is not None]
        if len(found) <= 1:
            inner = found[0] if found else None
            return inner if inner is _float or inner is None else lambda value: value is not None and inner(value)
        return any_nonfinite  # several branches hold floats: look at the value itself

    def _class(self, annotation: object, kind: type, arguments: tuple[Any, ...]) -> _Finder | None:
        if annotation in self._classes:  # the class contains itself: the finder exists by the time it is used
            later = self._classes[annotation]
            return lambda value: later[0] is not None and later[0](value)
        later = self._classes[annotation] = [None]
        fields = [(name, self.compile(hint)) for name, hint in fields_of(kind, arguments)]
        parts = [(name, finder) for name, finder in fields if finder is not None]
        later[0] = _keys(parts) if kind_of(kind) == "typeddict" else _attributes(parts)
        return later[0]


def any_nonfinite(value: Any) -> bool:
    """The same question to a value of unknown type."""
    kind = type(value)
    if kind is float:
        return not isfinite(value)
    if kind is dict:
        return any(map(any_nonfinite, value.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(map(any_nonfinite, value))
    if kind_of(kind) in ("dataclass", "struct"):
        return any(any_nonfinite(getattr(value, name)) for name, _ in fields_of(kind))
    return False


def _summed(column: Callable[[Any], Any], each: _Finder) -> _Finder:
    def find(value: Any) -> bool:
        try:
            if isfinite(sum(column(value))):
                return False
        except (TypeError, KeyError, OverflowError):  # a value that isn't what it should be: look at each
            pass
        return any(map(each, value))

    return find


def _items(inner: _Finder | None) -> _Finder | None:
    return None if inner is None else lambda value: any(map(inner, value))


def _values(inner: _Finder | None) -> _Finder | None:
    return None if inner is None else lambda value: any(map(inner, value.values()))


def _positions(finders: list[_Finder | None]) -> _Finder | None:
    parts = [(index, finder) for index, finder in enumerate(finders) if finder is not None]
    return None if not parts else lambda value: any(finder(value[index]) for index, finder in parts)


def _keys(parts: list[tuple[str, _Finder]]) -> _Finder | None:
    if len(parts) == 1:
        name, finder = parts[0]
        return lambda value: finder(value.get(name))
    return None if not parts else lambda value: any(finder(value.get(name)) for name, finder in parts)


def _attributes(parts: list[tuple[str, _Finder]]) -> _Finder | None:
    if len(parts) == 1:
        name, finder = parts[0]
        get = attrgetter(name)
        return lambda value: finder(get(value))
    return None if not parts else lambda value: any(finder(getattr(value, name)) for name, finder in parts)
