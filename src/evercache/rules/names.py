"""The names that objects of a class are known to have: dataclasses, named tuples, models, plain classes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain

__all__ = ["names_of"]


def names_of(event: type) -> frozenset[str] | None:
    """Its fields, attributes, properties and the parameters of its constructor; None if anything may be there."""
    if issubclass(event, Mapping) or hasattr(event, "__getattr__"):
        return None
    names = {name for name in dir(event) if not name.startswith("_")}
    for cls in event.__mro__:
        try:
            names.update(inspect.get_annotations(cls))
        except NameError:  # from Python 3.14 on they are evaluated, and one of theirs isn't known yet
            return None
        slots = vars(cls).get("__slots__", ())
        names.update((slots,) if isinstance(slots, str) else slots)
    names.update(*(_fields(event, place) for place in ("model_fields", "_fields", "__struct_fields__")))
    open_ended = False
    with suppress(TypeError, ValueError):  # a class whose constructor is written in C says nothing
        parameters = inspect.signature(event).parameters.values()
        names.update(each.name for each in parameters)
        open_ended = any(each.kind is each.VAR_KEYWORD for each in parameters)
    return None if open_ended else frozenset(names)


def _fields(event: type, place: str) -> chain[str]:
    found = getattr(event, place, ())
    return chain(found) if isinstance(found, Mapping | tuple) else chain(())
