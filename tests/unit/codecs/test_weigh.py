"""The weight of a value: an estimate with a bounded price."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import pytest

from evercache.codecs.weigh import weigh


@dataclasses.dataclass
class Plain:
    text: str


@dataclasses.dataclass(slots=True)
class Slotted:
    text: str


def exact(value: Any) -> int:
    if isinstance(value, dict):
        return sys.getsizeof(value) + sum(exact(key) + exact(part) for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return sys.getsizeof(value) + sum(map(exact, value))
    return sys.getsizeof(value)


def test_small_values_are_weighed_exactly():
    """Everything is looked at."""
    for value in (1, "x", b"y", "x" * 1000, ["a" * 100, 1.5], {"k": [1000, 2000], "m": {"n": "o"}}, (1000, ("a",))):
        assert weigh(value) == exact(value)


def test_large_values_are_estimated_closely():
    """A sample stands for the rest."""
    rows = [{"id": number + 1000, "text": "x" * (number % 50)} for number in range(20_000)]
    assert weigh(rows) == pytest.approx(exact(rows), rel=0.15)
    words = ["w" * (number % 97) for number in range(100_000)]
    assert weigh(words) == pytest.approx(exact(words), rel=0.15)


def test_the_walk_is_bounded():
    """However large the value, only about *limit* objects are looked at."""
    looked_at = 0

    class Counted:
        def __sizeof__(self) -> int:
            nonlocal looked_at
            looked_at += 1
            return 100

    value = [[[Counted() for _ in range(20)] for _ in range(20)] for _ in range(20)]
    assert weigh(value, limit=256) > 50_000
    assert looked_at <= 512


def test_objects_weigh_what_they_hold():
    """In a dictionary or in slots."""
    for kind in (Plain, Slotted):
        assert 10_000 < weigh(kind("x" * 10_000)) < 11_000


def test_cycles_depth_and_hostile_objects_have_a_weight():
    """Never an exception, never less than one byte."""

    class Hostile:
        def __sizeof__(self) -> int:
            raise RuntimeError("no")

    loop: list[Any] = []
    loop.append(loop)
    assert all(weigh(value) >= 1 for value in (loop, Hostile(), [Hostile()], None, True, int, weigh))
