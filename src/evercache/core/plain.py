"""Classes of plain fields: what `dataclass(slots=True)` gives, for a tenth of its price at import.

A dataclass writes and compiles its methods when the class is defined, and that takes 0.2 to 0.5 ms. The commands and
steps of a flight are two dozen small classes, defined in every process that imports a cache, and many of those
processes (a command-line tool, a test, a worker that starts anew) never use most of them. Here, a class is defined with
its slots and nothing else; its `__init__` is compiled for the first object, and is then what a dataclass has.
Comparison and repr need no compiler.

For classes inside this package. What users meet is a dataclass, because `fields` and `asdict` work with those.
"""

from __future__ import annotations

from typing import Any, TypeVar, dataclass_transform

__all__ = ["plain", "replace"]

C = TypeVar("C")


@dataclass_transform()
def plain(cls: type[C]) -> type[C]:
    """*cls* with its annotated names as slots and arguments, in this order, then `==` and a repr.

    The fields of a plain base come first. A method that the class defines itself is kept. Defaults are shared by all
    objects and must not be mutable.
    """
    slots = tuple(cls.__annotations__)
    names = getattr(cls, "__match_args__", ()) + slots
    members: dict[str, Any] = dict(cls.__dict__)  # Any: whatever a class may hold
    defaults = getattr(cls, "_defaults", {}) | {name: members.pop(name) for name in slots if name in members}
    for own in ("__dict__", "__weakref__"):
        members.pop(own, None)
    members |= {"__slots__": slots, "__match_args__": names, "_defaults": defaults, "__qualname__": cls.__qualname__}
    members.setdefault("__repr__", _repr)
    if "__eq__" not in members:
        members |= {"__eq__": _eq, "__hash__": None}
    made: Any = type(cls.__name__, cls.__bases__, members)

    def first(self: Any, *args: Any, **kwargs: Any) -> None:
        made.__init__ = _initializer(made, defaults)
        made.__init__(self, *args, **kwargs)

    made.__init__ = first
    return made  # type: ignore[no-any-return]  # the same class as far as anybody can tell


def replace(value: C, **changes: Any) -> C:  # Any: each field has a type of its own
    """A copy of *value* with other values for some fields."""
    return type(value)(**{name: getattr(value, name) for name in _names(value)} | changes)


def _initializer(cls: type, defaults: dict[str, Any]) -> Any:
    names = _names(cls)
    arguments = "".join(f", {name}=defaults[{name!r}]" if name in defaults else f", {name}" for name in names)
    body = "\n".join(f"    self.{name} = {name}" for name in names)
    made: dict[str, Any] = {}
    exec(f"def __init__(self{arguments}):\n{body}", {"defaults": defaults}, made)  # noqa: S102 - names of our own fields
    made["__init__"].__qualname__ = f"{cls.__qualname__}.__init__"
    return made["__init__"]


def _names(value: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = value.__match_args__
    return names


def _eq(self: Any, other: object) -> Any:  # Any: or NotImplemented
    if other.__class__ is not self.__class__:
        return NotImplemented
    names = _names(self)
    return [getattr(self, name) for name in names] == [getattr(other, name) for name in names]


def _repr(self: Any) -> str:
    fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in _names(self))
    return f"{self.__class__.__qualname__}({fields})"
