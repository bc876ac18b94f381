"""Keys: distinct values never share bytes, one value always has the same, and text can be made of them again."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.core.keys import BIG, encode, part, readable_name, tag_id
from evercache.core.readable import readable, readable_part


class Color(Enum):
    RED = 1
    CRIMSON = "RED"


class Word(StrEnum):
    RED = "RED"


class Text(str):
    __slots__ = ()


PARIS, BERLIN = ZoneInfo("Europe/Paris"), ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 1, 1, 12)

# Few values, each close to another one: what two of them have in common is what an encoder may confuse.
CONFUSABLE = [
    None, True, False, 0, 1, -1, 255, 256, BIG, -BIG, BIG + 1, 2**200, 0.0, -0.0, 1.0, float("inf"), float("nan"), 1j,
    "", "1", "n", "t", "i1:1", "s1:a", "a", "a:b", "b:c", "None", "RED", "\ud800", b"", b"1", b"a", bytearray(b"a"),
    Decimal(1), Decimal("1.0"), Decimal("-0"), Decimal("NaN"), UUID(int=1), UUID(int=2), date(2026, 1, 1), NOON,
    NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=PARIS), NOON.replace(tzinfo=BERLIN), NOON.replace(fold=1),
    NOON.replace(tzinfo=timezone(timedelta(hours=1))), NOON.replace(tzinfo=timezone(timedelta(hours=1), "X")),
    time(12), time(12, tzinfo=PARIS), time(12, tzinfo=UTC), timedelta(seconds=1), timedelta(microseconds=1),
    Color.RED, Color.CRIMSON, Word.RED, Text("RED"), Text("a"), range(3), range(0, 4, 2),
]  # fmt: skip

leaves = (
    st.sampled_from(CONFUSABLE)
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | st.decimals()
)


def hashable(value):
    try:
        hash(value)
    except TypeError:
        return False
    return True


def nested(inner):
    keys = inner.filter(hashable)
    return (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.sets(keys, max_size=3)
        | st.frozensets(keys, max_size=3)
        | st.dictionaries(keys, inner, max_size=3)
    )


values = st.recursive(leaves, nested, max_leaves=6)


def identity(value):
    """What a value is, told in another way than the encoder tells it."""
    kind = type(value)
    if kind is float:
        return kind, struct.pack(">d", value)
    if kind in (list, tuple):
        return kind, tuple(map(identity, value))
    if kind in (set, frozenset):
        return kind, frozenset(map(identity, value))
    if kind is dict:
        return kind, frozenset((identity(key), identity(item)) for key, item in value.items())
    if kind is Decimal:
        return kind, value.as_tuple()
    if kind in (datetime, time):
        return kind, value.replace(tzinfo=None), value.fold, repr(value.tzinfo)
    if kind in (complex, bytearray) or issubclass(kind, Enum):
        return kind, repr(value)
    if kind is range:
        return kind, value.start, value.stop, value.step
    return kind, value


def small(value):
    """The values again, more of them like each other: two draws from few are often equal."""
    return st.one_of(st.just(value), values)


@pytest.mark.row("W3", "W35", "S2.29", "S1.28")
@given(st.data())
def test_two_values_share_their_bytes_only_if_they_are_the_same(data):
    """Types and all: 1, 1.0, True and "1" are four values, and so are a list, a tuple and a set of them."""
    one = data.draw(values)
    other = data.draw(small(one) | nested(st.just(one)) if hashable(one) else small(one))
    assert (encode(one) == encode(other)) == (identity(one) == identity(other))


@pytest.mark.row("W35")
@given(st.lists(values, max_size=4), st.lists(values, max_size=4))
def test_values_in_a_row_are_never_another_row(one, other):
    """No bytes are the beginning of other bytes: ("x:y") and ("x", "y") stay apart, wherever the border lies."""
    same = list(map(identity, one)) == list(map(identity, other))
    assert (b"".join(map(encode, one)) == b"".join(map(encode, other))) == same


@given(values, values)
def test_parts_of_l1_keys_confuse_nothing_that_python_confuses(one, other):
    """A dictionary takes 1, 1.0 and True for one key; parts are equal only if the values are the same."""
    assert (part(one) == part(other)) == (identity(one) == identity(other))
    assert hash(part(one)) == hash(part(one))


@given(values)
def test_every_key_has_a_text(value):
    """For globs and people: the text never fails, and is the same from bytes and from a part."""
    text = readable(encode(value))
    assert text == readable_part(part(value)) or isinstance(value, bytes)
    assert isinstance(text, str)


@given(st.text(max_size=300), st.text(max_size=300))
def test_two_names_are_never_one_in_redis(one, other):
    """Readable where it can be, and still as different as the names are."""
    assert (readable_name(one) == readable_name(other)) == (one == other)
    assert readable_name(one).isascii()
    assert not set(readable_name(one)) & set("#{} \n\r*?[]")


@given(st.text(max_size=20), st.text(max_size=20))
def test_two_tags_are_never_one(one, other):
    """Hashed, with or without a secret."""
    assert (tag_id(one, b"") == tag_id(other, b"")) == (one == other)
    assert tag_id(one, b"") != tag_id(one, b"secret")
