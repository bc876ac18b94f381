"""The classes that the self-describing codec may build.

Bytes name a class by the fingerprint of its shape; the registry knows which class that is, because the *code* put it
there. A fingerprint nobody registered is unreadable, a class nobody registered is not stored, and nothing is ever
imported because bytes say so. (The opposite, importing by name, is what made pickle and several JSON constructors a way
to run code.)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

from evercache.codecs.base import fingerprint, refused
from evercache.codecs.compare import extras_of
from evercache.codecs.shape import kind_of, shape_of
from evercache.errors import CodecError, ConfigurationError

__all__ = ["Registered", "Registry"]


class Registered(NamedTuple):
    """One class: `take` gives its parts (which are encoded in turn), `make` builds an object from them."""

    kind: type
    name: bytes
    take: Callable[[Any], Any]
    make: Callable[[Any], Any]


class Registry:
    """An allow-list of classes: enums, dataclasses, structs, named tuples, Pydantic models.

    Adding a class adds the classes of its fields too. Filled when functions are decorated; reading never changes it.
    """

    def __init__(self, *kinds: type) -> None:
        self._by_kind: dict[type, Registered] = {}
        self._by_name: dict[bytes, Registered] = {}
        for kind in kinds:
            self.add(kind)

    def add(self, kind: type) -> None:
        """Allow *kind*. Raises ConfigurationError for a class that has no declared fields."""
        if kind_of(kind) in (None, "typeddict"):
            raise ConfigurationError(
                f"{kind.__qualname__} cannot be registered: only enums, dataclasses, structs, named tuples and Pydantic"
                " models have fields that can be stored and read back"
            )
        for found in shape_of(kind).classes:
            if found not in self._by_kind and kind_of(found) != "typeddict":
                self._add(found)

    def _add(self, kind: type) -> None:
        name = fingerprint("registered", shape_of(kind).text)
        entry = Registered(kind, name, *_parts(kind))
        self._by_kind[kind] = entry
        self._by_name[name] = entry

    def __iter__(self) -> Iterator[Registered]:
        return iter(self._by_kind.values())

    def __len__(self) -> int:
        return len(self._by_kind)

    def of(self, kind: type) -> Registered | None:
        """How objects of exactly this class are taken apart; None if it isn't registered."""
        return self._by_kind.get(kind)

    def named(self, name: bytes) -> Registered:
        """The class behind a fingerprint. Raises CodecError if the code never registered one."""
        try:
            return self._by_name[name]
        except KeyError:
            raise CodecError("stored bytes name a class that is not registered, or whose fields have changed") from None


def _parts(kind: type) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    what = kind_of(kind)
    if issubclass(kind, Enum):
        return _enum_parts(kind)
    if what == "model":
        return _model_parts(kind)
    if what == "namedtuple":
        return list, kind._make  # type: ignore[attr-defined]  # what makes a named tuple one
    names: tuple[str, ...]
    if what == "struct":
        names = kind.__struct_fields__  # type: ignore[attr-defined]  # what makes a struct one
        return partial(_take, names), partial(_make_struct, kind, names)
    names = tuple(field.name for field in dataclasses.fields(kind))  # type: ignore[arg-type]  # `what` says it is one
    return partial(_take, names), partial(_make_dataclass, kind, names)


def _take(names: tuple[str, ...], value: Any) -> list[Any]:
    if extras_of(value):
        raise refused(value, "it carries attributes beside its fields, which would be lost")
    return [getattr(value, name) for name in names]


def _make_struct(kind: type, names: tuple[str, ...], parts: list[Any]) -> Any:
    return kind(**dict(zip(names, parts, strict=True)))


def _make_dataclass(kind: type, names: tuple[str, ...], parts: list[Any]) -> Any:
    # Not through __init__: the stored object was made by it once, and __post_init__ must not run a second time.
    made: Any = object.__new__(kind)
    for name, part in zip(names, parts, strict=True):
        object.__setattr__(made, name, part)
    return made


def _enum_parts(kind: type[Enum]) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    members = dict(kind.__members__)

    def take(value: Enum) -> str:
        name = value.name
        if members.get(name) is not value:
            raise refused(value, "it is a combination of flags without a name of its own")
        return name

    return take, members.__getitem__


def _model_parts(kind: type) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    from evercache.codecs.pydantic import PydanticCodec  # only when somebody has Pydantic models

    codec = PydanticCodec(kind)
    return codec.encode, codec.decode
