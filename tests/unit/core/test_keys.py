"""The canonical bytes of the values that people pass to functions."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections import OrderedDict
from datetime import UTC, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum, Flag, IntEnum
from pathlib import PurePosixPath
from typing import NamedTuple
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pytest
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, RootModel, SecretStr

from evercache.core.keys import digest, digester, encode, part
from evercache.core.readable import readable, readable_part
from evercache.errors import KeyEncodingError


class Color(Enum):
    RED = "red"
    ROUGE = RED


class Level(IntEnum):
    LOW = 1


class Right(Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Viewer:
    id: int
    tenant: str = dataclasses.field(default="a", compare=False, repr=False)


class Filter(BaseModel):
    model_config = ConfigDict(extra="allow")
    status: str
    token: SecretStr = SecretStr("")
    tenant: str = Field(default="a", repr=False)
    _shard: int = PrivateAttr(default=0)


class Ids(RootModel[list[int]]):
    pass


class Point(msgspec.Struct):
    x: int


@attrs.define
class Place:
    x: int


class Pair(NamedTuple):
    x: int


class Tagged(str):
    __slots__ = ("__dict__",)


@dataclasses.dataclass
class Amount(Decimal):
    currency: str = ""


class Shop:
    def __init__(self, id: int):
        self.id = id

    def __cache_key__(self):
        return self.id


class Handle:
    pass


def sharded(shard: int) -> Filter:
    made = Filter(status="open")
    made._shard = shard
    return made


def tagged(tenant: str) -> Tagged:
    made = Tagged("a")
    made.tenant = tenant
    return made


@pytest.mark.row("W2", "W3")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True), (1, 1.0), (1, "1"), (True, "True"), (0.0, -0.0), (0, False), (None, "None"),
        (Decimal(1), Decimal("1.0")), ("a", b"a"), (b"a", bytearray(b"a")), ([1], (1,)), ({1}, frozenset({1})),
        ((("a",), "b"), ("a", ("b",))), ({"a": "1&b=2"}, {"a": "1", "b": "2"}), ([], ()), ([[]], []),
        (Color.RED, "red"), (Level.LOW, 1), (Right.READ, Right.WRITE), (Right(0), Right.READ | Right.WRITE),
        (Viewer(1), Viewer(1, tenant="b")), (Viewer(1), {"id": 1, "tenant": "a"}),
        (Filter(status="open"), Filter(status="done")),
        (Filter(status="open", token="a"), Filter(status="open", token="b")),
        (Filter(status="open"), Filter(status="open", tenant="b")),
        (Filter(status="open", more=1), Filter(status="open", more=2)),
        (sharded(1), sharded(2)),
        (Ids([1]), [1]), (Point(1), Place(1)), (Place(1), Place(2)), (Pair(1), (1,)), (Pair(1), Pair(2)),
        (tagged("a"), tagged("b")), (tagged("a"), "a"), (Amount("1"), Amount("2")),
        (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)),
        (Shop(1), Shop(2)), (Shop(1), 1), (PurePosixPath("a"), "a"), (range(2), [0, 1]),
        (2**61 - 1, 0), (2**64, 2**64 + 1), (-1, 255), (2**61, 1),
        (time(12), time(12, tzinfo=ZoneInfo("Europe/Paris"))),
    ],
)  # fmt: skip
def test_these_are_two_values(one, other):
    """Nothing of a value is left out, whether its class compares it, prints it, or neither."""
    assert encode(one) != encode(other)


@pytest.mark.row("W34")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}), ({3, 1, 2}, {2, 3, 1}), (Color.RED, Color.ROUGE),
        (Viewer(1), Viewer(1)), (Filter(status="a"), Filter(status="a")), (Shop(1), Shop(1)),
        (float("nan"), float("nan")), (Right.READ | Right.WRITE, Right(3)), (timedelta(days=1), timedelta(hours=24)),
    ],
)  # fmt: skip
def test_these_are_one_value(one, other):
    """Two ways to say the same thing have the same bytes."""
    assert encode(one) == encode(other)


def test_equal_instants_in_two_zones_are_two_values():
    """Python calls them equal; a function that prints the hour does not."""
    paris = datetime(2026, 1, 1, 13, tzinfo=ZoneInfo("Europe/Paris"))
    utc = paris.astimezone(UTC)
    assert paris == utc
    assert encode(paris) != encode(utc)


def test_zones_without_a_name_are_told_apart_by_their_class():
    """Two foreign time zones may have the same name and offset today, and other rules tomorrow."""

    class Here(tzinfo):
        def utcoffset(self, moment):
            return timedelta(hours=1)

        def tzname(self, moment):
            return "CET"

        def __str__(self):
            return "CET"

    class There(Here):
        pass

    noon = datetime(2026, 1, 1, 12)
    assert encode(noon.replace(tzinfo=Here())) != encode(noon.replace(tzinfo=There()))


@pytest.mark.row("W2")
@pytest.mark.parametrize("value", [Handle(), Handle, object(), print, lambda: 1, iter([]), memoryview(b"a")])
def test_what_has_no_canonical_form_is_an_error_that_says_how_to_give_it_one(value):
    """No fallback to repr or hash: an address or a random seed would make two users share an entry."""
    with pytest.raises(KeyEncodingError, match=r"can't be part of a key") as caught:
        encode([value])
    assert " at 0x" not in str(caught.value)


def test_a_value_that_contains_itself_is_an_error():
    """Endless nesting ends with a sentence."""
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(KeyEncodingError, match="levels deep"):
        encode(loop)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"), (-(2**70), str(-(2**70))), ("en", "en"), (None, "None"), (True, "True"), (1.5, "1.5"),
        ((1, "a"), "(1,a)"), ({"a": 1}, "{a:1}"), ([1, 2], "[1,2]"), (Color.RED, "Color(RED)"), (Pair(1), "Pair(1)"),
        (Shop(7), "Shop(7)"), (timedelta(seconds=1), "1000000"),
    ],
)  # fmt: skip
def test_the_text_of_a_key_reads_like_the_call(value, text):
    """For globs and for people who debug."""
    assert readable(encode(value)) == text


@pytest.mark.row("W20")
def test_three_processes_with_three_hash_seeds_make_the_same_key():
    """Nothing of a key depends on the process that makes it."""
    program = (
        "from evercache.core.keys import digest, encode\n"
        "print(digest(encode([{'c', 'a', 'b'}, {'x': {1, 'y'}}, 'search', 20]), b'secret'))"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "4242")
    }
    assert keys == {digest(encode([{"c", "a", "b"}, {"x": {1, "y"}}, "search", 20]), b"secret")}


@pytest.mark.row("S2.96")
def test_a_secret_changes_every_digest():
    """Who doesn't know it can't try out guesses."""
    assert len({digest(encode("ann@example.org"), secret) for secret in (b"", b"one", b"two")}) == 3


class Tenant(Shop):
    def __cache_key__(self):
        return ("eu", super().__cache_key__())


class Nested(Shop):
    def __cache_key__(self):
        return Tenant(self.id)


@pytest.mark.row("W2")
@pytest.mark.parametrize("kind", [Shop, Tenant, Nested])
def test_an_object_with_a_key_of_its_own_is_a_part_without_being_encoded(kind):
    """The object of a method is part of every call's key: its class and what it says, and the same text."""
    assert part(kind(1)) == part(kind(1)) != part(kind(2))
    assert len({part(each(1)) for each in (Shop, Tenant, Nested)} | {part(1)}) == 4
    assert hash(part(kind(1))) == hash(part(kind(1)))
    assert readable_part(part(kind(1))) == readable(encode(kind(1)))


@pytest.mark.parametrize(
    "value", [0, 1, -1, 127, 128, -128, -129, 2**61, -(2**200), "", "a", "é:", "\ud800", "x" * 300]
)
def test_a_value_by_itself_is_written_as_it_is_inside_of_a_tuple(value: object):
    """Integers and texts have a short way through `encode`; it writes what their writers write."""
    assert encode((value,)) == b"u1:" + encode(value)


@pytest.mark.parametrize("secret", [b"", b"a secret"])
def test_a_digester_gives_the_digests_of_its_secret(secret: bytes):
    """However often it is used, for whatever came before."""
    make = digester(secret)
    assert [make(data) for data in (b"", b"one", b"two", b"one")] == [
        digest(data, secret) for data in (b"", b"one", b"two", b"one")
    ]
