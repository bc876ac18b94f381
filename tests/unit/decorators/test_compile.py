"""The generated stand-in: one key for one call, and nothing in the way of an error."""

from __future__ import annotations

from enum import StrEnum

import pytest

from evercache import Cache

BEYOND = 2**61 - 1


class Colour(StrEnum):
    RED = "red"


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.mark.parametrize(
    ("first", "second"), [(1, True), (1, 1.0), (0, BEYOND), (5, BEYOND + 5), (-2, -BEYOND - 2), (BEYOND, BEYOND + 1)]
)
async def test_values_that_look_alike_are_loaded_apart(cache, first, second):
    """What compares equal, or hashes equal, is still another call: each is loaded once, and then hits."""
    loaded = []

    @cache.cached(ttl=60)
    async def shown(number: int) -> str:
        loaded.append(number)
        return repr(number)

    for _ in range(3):
        assert await shown(first) == repr(first)
        assert await shown(second) == repr(second)
    assert loaded == [first, second]


async def test_a_text_and_an_enum_of_the_same_text_are_loaded_apart(cache):
    @cache.cached(ttl=60)
    async def shown(text: str, size: int = 1) -> str:
        return type(text).__name__

    kinds = [await shown(text) for text in ("red", Colour.RED, "red", Colour.RED)]
    assert kinds == ["str", "Colour", "str", "Colour"]


async def test_every_spelling_of_a_call_is_one_key(cache):
    loaded = []

    @cache.cached(ttl=60)
    async def joined(a: int, b: str = "x", *, c: bool = False) -> str:
        loaded.append((a, b, c))
        return f"{a}{b}{c}"

    assert await joined(1) == await joined(1, "x") == await joined(b="x", a=1) == await joined(1, c=False, b="x")
    assert loaded == [(1, "x", False)]


async def test_an_error_of_a_load_stands_alone(cache):
    """The KeyError of the look-up in L1 is nobody's business: it must not show in the trace of a failed load."""

    @cache.cached(ttl=60)
    async def broken(number: int) -> int:
        raise LookupError("no such row")

    with pytest.raises(LookupError, match="no such row") as failure:
        await broken(1)
    assert failure.value.__context__ is None


@pytest.mark.parametrize("value", [[1], {"a": [1]}, ([],)])
async def test_a_value_that_can_change_is_copied_for_each_reader(cache, value):
    @cache.cached(ttl=60)
    async def made(number: int):
        return value

    first, second, third = await made(1), await made(1), await made(1)
    assert first == second == third == value
    assert len({id(first), id(second), id(third), id(value)}) == 4


@pytest.mark.parametrize("value", [1, "text", (1, ("a",)), frozenset({1})])
async def test_a_value_that_cannot_change_is_shared(cache, value):
    """Though nothing is annotated: it was looked at once, when it came in."""

    @cache.cached(ttl=60)
    async def made(number: int):
        return value

    await made(1)
    assert await made(1) is await made(1)
