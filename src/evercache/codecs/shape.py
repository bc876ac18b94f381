"""The shape of an annotation: what it is made of, all the way down, as one text.

The text feeds the fingerprint of a codec, so it names every field, every type and every enum member, recursively; a
type that contains itself is named again instead of being opened again. While reading, the traits that decide about the
codec are collected: is a Pydantic model inside, is a float inside, is there any part whose type isn't told (`Any`, a bare
`list`, an unknown class). Everything here happens when a function is decorated, never when a value is read.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union
from uuid import UUID

__all__ = ["LEAVES", "Shape", "fields_of", "is_model", "kind_of", "names_of", "shape_of", "split"]

LEAVES: dict[Any, str] = {
    kind: kind.__name__
    for kind in (bool, int, float, str, bytes, datetime, date, time, timedelta, Decimal, UUID, type(None))
}
"""Types without parts. All of them are immutable."""

_MARKS = (typing.Required, typing.NotRequired, typing.Final)

_KEYS = (int, str, UUID, date, datetime, Decimal)  # JSON object keys that come back as what they were


class Shape(NamedTuple):
    """What an annotation is made of.

    - `text`: equal texts mean interchangeable encodings.
    - `is_open`: some part isn't declared, so only a self-describing codec can carry it.
    - `has_models`: a Pydantic model is somewhere inside; `has_floats`: a float is.
    - `classes`: the dataclasses, structs, named tuples, enums and models found inside.
    """

    text: str
    is_open: bool
    has_models: bool
    has_floats: bool
    classes: tuple[type, ...]


def shape_of(annotation: object) -> Shape:
    """Read *annotation*. Never raises: what can't be understood makes the shape open."""
    reader = _Reader()
    text = reader.read(annotation)
    return Shape(text, reader.is_open, reader.has_models, reader.has_floats, tuple(reader.seen))


def is_model(kind: object) -> bool:
    """Is this class validated by Pydantic (a model, or a Pydantic dataclass)? Asks without importing Pydantic."""
    return isinstance(kind, type) and "pydantic" in sys.modules and hasattr(kind, "__pydantic_validator__")


def kind_of(kind: type) -> str | None:
    """`model`, `struct`, `dataclass`, `typeddict`, `namedtuple` or `enum`; None for every other class."""
    if is_model(kind):
        return "model"
    if hasattr(kind, "__struct_fields__"):
        return "struct"
    if dataclasses.is_dataclass(kind):
        return "dataclass"
    if typing.is_typeddict(kind) or (hasattr(kind, "__required_keys__") and hasattr(kind, "__total__")):
        return "typeddict"  # the second half: the backport of typing_extensions
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return "namedtuple"
    if issubclass(kind, Enum):
        return "enum"
    return None


def split(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """The bare type and its arguments; `Annotated`, `NotRequired`, `NewType`, aliases and the like are looked through."""
    while True:
        origin = typing.get_origin(annotation)
        if origin is Annotated:
            annotation = annotation.__origin__
        elif origin in _MARKS:
            annotation = annotation.__args__[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":  # `type X = ...`, Python 3.12
            annotation = annotation.__value__
        else:
            break
    if origin is None:
        return annotation, ()
    return (Union if origin is types.UnionType else origin), typing.get_args(annotation)


def names_of(kind: type) -> list[str]:
    """The names of a class's fields, without looking at their annotations; empty for a TypedDict."""
    if is_model(kind):
        return list(getattr(kind, "__pydantic_fields__", ()))
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    names: tuple[str, ...] = getattr(kind, "__struct_fields__", ()) or getattr(kind, "_fields", ())
    return list(names)


def fields_of(kind: type, arguments: tuple[Any, ...] = ()) -> list[tuple[str, Any]]:
    """Names and annotations of a class's fields, with type variables replaced by *arguments*.

    Raises whatever the evaluation of a textual annotation raises (NameError, TypeError, ...).
    """
    if is_model(kind):
        fields: dict[str, Any] = getattr(kind, "__pydantic_fields__", {})
        return [(name, field.annotation) for name, field in fields.items()]
    hints = typing.get_type_hints(kind, include_extras=True)
    names = names_of(kind) or list(hints)
    known = dict(zip(getattr(kind, "__parameters__", ()), arguments, strict=False))
    return [(name, _filled(hints[name], known)) for name in names]


def _filled(hint: Any, known: dict[Any, Any]) -> Any:
    """The annotation with its type variables replaced, also inside: `list[T]` for T = int is `list[int]`."""
    if isinstance(hint, TypeVar):
        return known.get(hint, hint)
    variables = getattr(hint, "__parameters__", ())
    if not known or not variables or isinstance(hint, type):
        return hint
    return hint[tuple(known.get(variable, variable) for variable in variables)]


class _Reader:
    """One walk over one annotation."""

    def __init__(self) -> None:
        self.is_open = False
        self.has_models = False
        self.has_floats = False
        self.seen: dict[type, None] = {}
        self._opened: set[object] = set()

    def read(self, annotation: Any) -> str:  # annotations have no common type
        try:
            return self._read(annotation)
        except Exception:  # somebody's metaclass or unresolved name: not understood, and that is an answer
            self.is_open = True
            return "?"

    def _read(self, annotation: Any) -> str:
        if annotation is None:
            return "NoneType"
        if type(annotation).__name__ == "TypeAliasType":
            return self._alias(annotation)
        bare, arguments = split(annotation)
        notes = getattr(annotation, "__metadata__", ())
        extra = "".join(repr(note) for note in notes if type(note).__module__ == "msgspec")
        if bare in LEAVES:
            self.has_floats |= bare is float
            return LEAVES[bare] + extra
        reader = _GENERIC.get(bare)
        if reader is not None and arguments:
            return reader(self, arguments) + extra
        if isinstance(bare, type) and kind_of(bare):
            return self._class(bare, arguments) + extra
        return self._unknown(annotation)

    def _alias(self, alias: Any) -> str:
        """`type X = ...` may contain itself; such a type has no other name than its own."""
        name = f"alias {alias.__module__}.{alias.__name__}"
        if name in self._opened:
            self.is_open = True
            return name
        self._opened.add(name)
        text = self.read(alias.__value__)
        self._opened.discard(name)
        return text

    def _unknown(self, annotation: object) -> str:
        # The text of an unknown object could hold an address and differ in every process, so it only counts as "open".
        self.is_open = True
        bare, arguments = split(annotation)
        name = bare.__qualname__ if isinstance(bare, type) else ""
        parts = ",".join(map(self.read, arguments))  # reading them finds the classes inside
        return f"?{name}[{parts}]" if parts else f"?{name}"

    def _class(self, kind: type, arguments: tuple[Any, ...]) -> str:
        what = kind_of(kind)
        name = f"{what} {kind.__module__}.{kind.__qualname__}"
        if arguments:
            name += f"[{','.join(self.read(argument) for argument in arguments)}]"
        if (kind, name) in self._opened:
            return name
        self._opened.add((kind, name))
        self.seen[kind] = None
        self.has_models |= what == "model"
        if issubclass(kind, Enum):
            return f"{name}{{{','.join(f'{key}={_stable(member.value)}' for key, member in kind.__members__.items())}}}"
        if any(isinstance(argument, TypeVar) for argument in arguments):
            self.is_open = True
        parts = self._fields(kind, arguments)
        return f"{name}{_settings(kind)}{{{','.join(parts)}}}"

    def _fields(self, kind: type, arguments: tuple[Any, ...]) -> list[str]:
        try:
            return [f"{field}:{self.read(hint)}" for field, hint in fields_of(kind, arguments)]
        except Exception:  # an annotation that only a type checker can resolve: its own words will do
            self.is_open = True
            words = _words(kind)
            return [f"{name}:{words.get(name, '')}" for name in names_of(kind)]

    def _sequence(self, name: str, arguments: tuple[Any, ...]) -> str:
        return f"{name}[{self.read(arguments[0])}]"

    def _tuple(self, arguments: tuple[Any, ...]) -> str:
        return f"tuple[{','.join('...' if part is ... else self.read(part) for part in arguments)}]"

    def _dict(self, arguments: tuple[Any, ...]) -> str:
        key, value = arguments
        if not _is_key(key):
            self.is_open = True
        return f"dict[{self.read(key)},{self.read(value)}]"

    def _union(self, arguments: tuple[Any, ...]) -> str:
        return "|".join(sorted(self.read(part) for part in arguments))

    def _literal(self, arguments: tuple[Any, ...]) -> str:
        for part in arguments:
            if isinstance(part, Enum) or not isinstance(part, (str, int, type(None))):
                self.is_open = True
            if isinstance(part, Enum):
                self.seen[type(part)] = None
        return f"Literal[{','.join(map(repr, arguments))}]"


_GENERIC: dict[Any, Callable[[_Reader, tuple[Any, ...]], str]] = {
    list: lambda reader, arguments: reader._sequence("list", arguments),
    set: lambda reader, arguments: reader._sequence("set", arguments),
    frozenset: lambda reader, arguments: reader._sequence("frozenset", arguments),
    tuple: _Reader._tuple,
    dict: _Reader._dict,
    Union: _Reader._union,
    Literal: _Reader._literal,
}


def _is_key(annotation: Any) -> bool:
    bare, arguments = split(annotation)
    if bare is Literal:
        return all(type(part) in (str, int) for part in arguments)
    return bare in _KEYS or (isinstance(bare, type) and issubclass(bare, Enum))


def _stable(value: object) -> str:
    """A text that is the same in every process; the repr of an unknown object may hold its address."""
    return repr(value) if type(value) in LEAVES else type(value).__qualname__


def _words(kind: type) -> dict[str, str]:
    """The annotations of a class that are text; none where Python 3.14 can't evaluate them."""
    try:
        return {name: hint for name, hint in kind.__annotations__.items() if isinstance(hint, str)}
    except Exception:
        return {}


def _settings(kind: type) -> str:
    """What changes the encoding of a class beside its fields."""
    if hasattr(kind, "__struct_config__"):
        return f"({kind.__struct_config__!r},{getattr(kind, '__struct_encode_fields__', ())!r})"
    if typing.is_typeddict(kind):
        return f"({sorted(getattr(kind, '__required_keys__', ()))!r})"
    if is_model(kind):
        fields: dict[str, Any] = getattr(kind, "__pydantic_fields__", {})
        return repr([(name, field.alias, field.serialization_alias) for name, field in fields.items()])
    return ""
