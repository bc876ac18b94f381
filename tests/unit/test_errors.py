"""The tree of errors: as drawn, as named, and as the built-in errors that callers already catch."""

import re

import pytest

from evercache import Cache, EvercacheError, errors
from evercache.errors import (
    ConfigurationError,
    KeyEncodingError,
    LoadTimeout,
    NotStarted,
    StoreOverloaded,
    StoreUnavailable,
    WritesRefused,
)

ALL = [getattr(errors, name) for name in errors.__all__]


def drawn() -> dict[str, str]:
    """Child and parent of every line in the drawing on top of the module."""
    parents: dict[str, str] = {}
    path = ["EvercacheError"]
    for branch, name in re.findall(r"^ {4}([│ ]*[├└]── )(\w+)", errors.__doc__ or "", re.MULTILINE):
        depth = len(branch) // 4
        path[depth:] = [name]
        parents[name] = path[depth - 1]
    return parents


@pytest.mark.row("S2.62")
def test_the_tree_is_the_one_that_is_drawn():
    """Every error has the parent of the drawing, and none is missing in it."""
    parents = drawn()
    assert {*parents, "EvercacheError"} == set(errors.__all__)
    for name, parent in parents.items():
        assert getattr(errors, name).__bases__[0] is getattr(errors, parent)


@pytest.mark.row("S2.62")
@pytest.mark.parametrize("error", ALL)
def test_one_except_catches_all(error: type[Exception]):
    """And none of them hides from `except Exception`, or stops the interpreter."""
    with pytest.raises(EvercacheError):
        raise error("what happened")


@pytest.mark.row("S2.62")
@pytest.mark.parametrize(
    ("error", "family"),
    [
        (ConfigurationError, ValueError),
        (KeyEncodingError, TypeError),
        (KeyEncodingError, ValueError),
        (NotStarted, RuntimeError),
        (LoadTimeout, TimeoutError),
    ],
)
def test_errors_belong_to_the_families_that_callers_know(error: type[Exception], family: type[Exception]):
    """A wrong argument is a ValueError, a timeout a TimeoutError: code that knows nothing of caches is right about them."""
    assert issubclass(error, family)


@pytest.mark.row("S2.62")
@pytest.mark.parametrize("error", [StoreUnavailable, StoreOverloaded, WritesRefused])
def test_a_store_error_says_why_in_one_word(error: type[StoreUnavailable]):
    """Machines read the reason, people the message."""
    assert error("Redis didn't answer", reason="timeout").reason == "timeout"
    assert error("Redis didn't answer").reason == "unavailable"


@pytest.mark.row("S2.62", "S2.16")
async def test_an_argument_without_a_key_is_refused_with_the_way_out():
    """The message names the type, never the object and its address, and what to write instead."""

    @Cache(environ={}).cached
    async def report(of: object) -> str:
        return "never reached"

    with pytest.raises(KeyEncodingError, match=r"builtins\.object.*__cache_key__\(\)") as caught:
        await report(object())
    assert "0x" not in str(caught.value)
