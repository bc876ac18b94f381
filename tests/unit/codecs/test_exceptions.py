"""Exceptions as cached answers: only listed classes, rebuilt without running their constructors."""

from __future__ import annotations

import pytest

from evercache.codecs.described import DescribedCodec
from evercache.codecs.exceptions import decode_exception, encode_exception
from evercache.errors import CodecError


class NotFound(Exception):
    made = 0

    def __init__(self, *, user: int) -> None:
        type(self).made += 1
        super().__init__(f"no user {user}")
        self.user = user
        self.status = (404, {"x"})


class Narrow(NotFound):
    pass


class Holding(Exception):
    pass


ALLOWED = (NotFound, KeyError, ValueError, UnicodeDecodeError, Holding, OSError)


def test_a_listed_exception_comes_back_ready_to_raise():
    """Class, arguments, message and attributes; the constructor doesn't run again."""
    data = encode_exception(NotFound(user=3), ALLOWED)
    made = NotFound.made
    back = decode_exception(data, ALLOWED)
    assert type(back) is NotFound
    assert (str(back), back.args, back.user, back.status) == ("no user 3", ("no user 3",), 3, (404, {"x"}))
    assert NotFound.made == made
    with pytest.raises(NotFound):
        raise back


def test_two_reads_give_two_exceptions():
    """A raised exception collects tracebacks and notes, so it is never shared."""
    data = encode_exception(KeyError("k"), ALLOWED)
    assert decode_exception(data, ALLOWED) is not decode_exception(data, ALLOWED)


@pytest.mark.parametrize(
    "exc",
    [
        Narrow(user=1),  # a subclass of a listed class is another class
        RuntimeError(),
        Holding(object()),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "state outside args"),
    ],
)
def test_what_would_not_come_back_the_same_is_refused(exc):
    """Not listed, not encodable, or with state that neither arguments nor attributes hold."""
    with pytest.raises(CodecError):
        encode_exception(exc, ALLOWED)


def test_a_class_that_is_no_longer_listed_is_a_miss():
    """The reader's list decides, not the bytes."""
    data = encode_exception(KeyError("k"), ALLOWED)
    assert decode_exception(data, (ValueError,)) is None
    assert decode_exception(data, ()) is None


@pytest.mark.parametrize("data", [b"", b"J[]", b"J[1,2,3]", b"M\x93", DescribedCodec().encode([b"x" * 8, [], {}])])
def test_unreadable_bytes_are_a_miss(data):
    """Never an exception."""
    assert decode_exception(data, ALLOWED) is None
