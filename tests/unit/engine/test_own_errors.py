"""What one caller does to an exception is not seen by the next."""

from __future__ import annotations

import asyncio

import pytest

from evercache.engine.own import own
from tests.support.source import Source, alone


class Wanting(Exception):
    """Keeps an attribute that its arguments don't say."""

    def __init__(self, *, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class Slotted(Exception):
    __slots__ = ("secret",)

    def __init__(self, secret: int) -> None:
        super().__init__("slotted")
        self.secret = secret


@pytest.mark.parametrize(
    "error",
    [
        KeyError("a"),
        OSError(2, "No such file", "name"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        Wanting(status=404),
        ExceptionGroup("both", [ValueError(1), TypeError(2)]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_copy_says_the_same(error):
    """Arguments, attributes, notes and cause; another object, whose notes are its own."""
    error.add_note("of the loader")
    error.__cause__ = ValueError("cause")
    copied = own(error)
    assert copied is not error
    assert (type(copied), copied.args, str(copied)) == (type(error), error.args, str(error))
    assert copied.__cause__ is error.__cause__
    copied.add_note("of a caller")
    assert error.__notes__ == ["of the loader"]
    assert getattr(copied, "status", 404) == 404


def test_what_cannot_be_copied_is_raised_itself():
    """State beside the attributes would be lost."""
    error = Slotted(1)
    assert own(error) is error


@pytest.mark.parametrize("options", [{}, {"negative_ttl": {KeyError: 10}}], ids=["failed", "cached"])
async def test_context_and_notes_of_one_caller_stay_with_it(manual_clock, options):
    """Two callers that share one failed load, and two that get one cached exception."""
    source = Source()
    source.failing = KeyError("nobody")
    thing = source.on(alone(manual_clock), **options)

    async def call(name):
        try:
            raise RuntimeError(name)
        except RuntimeError:
            try:
                await thing(1)
            except KeyError as error:
                error.add_note(name)
                return error

    for first, second in ((await asyncio.gather(call("a"), call("b"))), (await call("a"), await call("b"))):
        assert (first.__notes__, second.__notes__) == (["a"], ["b"])
        assert (str(first.__context__), str(second.__context__)) == ("a", "b")
