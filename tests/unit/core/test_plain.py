"""Plain classes behave as the dataclasses they stand for."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import pytest

from evercache.core.plain import plain, replace


@plain
class Point:
    x: int
    y: int = 2


@plain
class Named(Point):
    name: str = ""

    def __repr__(self) -> str:
        return f"<{self.name}>"


@dataclass(slots=True)
class Reference:
    x: int
    y: int = 2


def test_arguments_and_defaults_are_those_of_a_dataclass() -> None:
    """By position, by name, with defaults; for the first object and for all others."""
    for _ in range(2):
        assert [(p.x, p.y) for p in (Point(1), Point(1, 3), Point(y=4, x=0))] == [(1, 2), (1, 3), (0, 4)]


@pytest.mark.parametrize("arguments", [(), (1, 2, 3)])
def test_wrong_arguments_are_refused_as_by_a_dataclass(arguments: tuple[int, ...]) -> None:
    """The first object of a class and later ones fail with what a dataclass says."""
    with pytest.raises(TypeError) as expected:
        Reference(*arguments)
    for _ in range(2):
        with pytest.raises(TypeError) as found:
            Point(*arguments)
        assert str(found.value) == str(expected.value).replace("Reference", "Point")


def test_objects_compare_by_their_fields_and_only_with_their_own_class() -> None:
    """Equal fields, equal objects; another class is never equal; mutable objects have no hash."""
    assert Point(1) == Point(1, 2)
    assert Point(1) != Point(2)
    assert Point(1) != Named(1)
    with pytest.raises(TypeError):
        hash(Point(1))


def test_a_plain_class_has_slots_and_nothing_else() -> None:
    """A misspelled field is an error, and an object has no dictionary."""
    assert not hasattr(Point(1), "__dict__")
    with pytest.raises(AttributeError):
        Point(1).z = 1  # type: ignore[attr-defined]  # that is the point


def test_fields_of_a_plain_base_come_first_and_own_methods_are_kept() -> None:
    """A subclass adds fields behind those of its base, with its own repr."""
    named = Named(1, 2, "here")
    assert (named.x, named.y, named.name, repr(named)) == (1, 2, "here", "<here>")
    assert repr(Point(1)) == "Point(x=1, y=2)"


def test_copies_are_new_objects() -> None:
    """`copy` and `replace` give another object and leave the first as it is."""
    point = Point(1)
    assert copy.copy(point) == point
    assert (replace(point, y=5), point) == (Point(1, 5), Point(1, 2))
    match point:
        case Point(x, y):
            assert (x, y) == (1, 2)
