"""Only classes that the code registered are built, and only from the shape that they have now."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import pytest
from pydantic import BaseModel

from evercache.codecs.choose import for_type
from evercache.codecs.compare import identical
from evercache.codecs.described import DescribedCodec
from evercache.codecs.registry import Registry
from evercache.errors import CodecError, ConfigurationError


class Flag(enum.Flag):
    READ = 1
    WRITE = 2


class Inner(NamedTuple):
    value: Any


@dataclass(frozen=True, slots=True)
class Outer:
    inner: Inner
    parts: tuple[Any, ...] = ()


class Struct(msgspec.Struct, frozen=True):
    inner: Inner


class Model(BaseModel):
    value: int


@dataclass
class Computed:
    value: int
    log: list[str] = field(default_factory=list)

    @cached_property
    def double(self) -> int:
        return 2 * self.value


@pytest.mark.row("S2.72")
@pytest.mark.parametrize(
    "value",
    [
        Outer(Inner({1: 2}), (Inner(None), {3})),
        Struct(Inner((1, 2))),
        Inner(Model(value=3)),
        Flag.READ,
        {Flag.WRITE: [Outer(Inner(1))]},
        Computed(1),
    ],
)
def test_registered_classes_and_those_of_their_fields_come_back(value):
    """Registering one class registers what its annotations name; nothing else needs to be known."""
    codec = DescribedCodec(Registry(Outer, Struct, Model, Flag, Computed))
    assert identical(codec.decode(codec.encode(value)), value)


def test_what_a_cached_property_made_is_made_again():
    """It isn't stored, and doesn't keep the object from being stored."""
    value = Computed(2)
    assert value.double == 4
    codec = DescribedCodec(Registry(Computed))
    back = codec.decode(codec.encode(value))
    assert back == value
    assert "double" not in vars(back)


def test_an_attribute_beside_the_fields_keeps_an_object_out():
    """It would be lost."""
    value = Computed(2)
    value.extra = 1  # type: ignore[attr-defined]
    with pytest.raises(CodecError, match="attributes beside its fields"):
        DescribedCodec(Registry(Computed)).encode(value)


def test_a_combination_of_flags_has_no_name_to_be_stored_by():
    """Refused, rather than stored as a number."""
    with pytest.raises(CodecError, match="combination"):
        DescribedCodec(Registry(Flag)).encode(Flag.READ | Flag.WRITE)


def test_a_reader_without_the_class_does_not_build_it():
    """The list is the reader's own."""
    data = DescribedCodec(Registry(Outer)).encode(Outer(Inner(1)))
    with pytest.raises(CodecError, match="not registered"):
        DescribedCodec().decode(data)


@pytest.mark.parametrize("kind", [object, int, list, Exception])
def test_a_class_without_declared_fields_cannot_be_registered(kind):
    """There is nothing to store it by."""
    with pytest.raises(ConfigurationError, match="cannot be registered"):
        Registry(kind)


def test_a_model_that_pydantic_cannot_complete_does_not_break_the_choice():
    """Its objects are not stored; everything else of that annotation is."""

    class Incomplete(BaseModel):
        value: NotDefinedAnywhere  # noqa: F821

    codec = for_type(Incomplete | list[int])
    assert codec.decode(codec.encode([1])) == [1]
