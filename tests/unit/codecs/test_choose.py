"""Which codec an annotation gets, and that what it carries comes back with its types."""

from __future__ import annotations

import dataclasses
import enum
import typing
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, Required, TypedDict, TypeVar

import msgspec
import pytest
from pydantic import BaseModel, SecretStr
from typing_extensions import TypeAliasType

from evercache.codecs.choose import for_type
from evercache.codecs.compare import identical
from evercache.errors import CodecError

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.StrEnum):
    LOW = "low"


@dataclasses.dataclass
class Line:
    name: str
    price: Decimal
    tags: tuple[str, ...] = ()


@dataclasses.dataclass
class Order:
    id: uuid.UUID
    at: datetime
    lines: list[Line]
    colour: Colour
    note: str | None = None
    by_day: dict[date, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Page(Generic[T]):
    items: list[T]
    total: int


@dataclasses.dataclass
class Tree:
    value: int
    children: list[Tree] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Unresolved:
    value: OnlyForTypeCheckers  # noqa: F821


class Row(TypedDict):
    id: int
    seen: time


class Patch(TypedDict, total=False):
    id: Required[int]
    name: str | None


class Point(NamedTuple):
    x: int
    y: float


class Struct(msgspec.Struct):
    wait: timedelta
    raw: bytes


class User(BaseModel):
    id: int
    joined: datetime
    level: Level = Level.LOW


class Vault(BaseModel):
    secret: SecretStr


ORDER = Order(
    uuid.UUID(int=7),
    datetime(2024, 2, 29, 12, 0, 0, 5, tzinfo=UTC),
    [Line("a", Decimal("1.10"), ("x", "y"))],
    Colour.BLUE,
    by_day={date(2024, 1, 1): 3},
)
JOINED = datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=2)))

TYPED: list[tuple[Any, Any]] = [
    (Order, ORDER),
    (list[Order], [ORDER, ORDER]),
    (Order | None, None),
    (Page[Line], Page([Line("a", Decimal(1))], 1)),
    (Tree, Tree(1, [Tree(2), Tree(3, [Tree(4)])])),
    (Row, {"id": 1, "seen": time(1, 2, 3, 4)}),
    (Patch, {"id": 1}),
    (list[Patch], [{"id": 1, "name": None}]),
    (Point, Point(1, 2.5)),
    (Struct, Struct(timedelta(days=-1, microseconds=1), b"\x00\xff")),
    (dict[int, str], {1: "a", -2: "b"}),
    (dict[Colour, set[int]], {Colour.RED: {1, 2}}),
    (frozenset[str], frozenset({"a"})),
    (tuple[int, str, Decimal], (1, "a", Decimal("2.50"))),
    (Literal["a", "b"], "b"),
    (Annotated[int, msgspec.Meta(ge=0)], 3),
    (int, 2**80),
    (int | str, "x"),
    (Level, Level.LOW),
]

DESCRIBED: list[tuple[Any, Any]] = [
    (None, {"plain": [1, 2.5, None, True, "x"]}),
    (None, {1: (2, {3}), "u": uuid.UUID(int=1), b"k": frozenset({Decimal("NaN")})}),
    (Any, [2**200, -(2**64), 2**63, 2**64 - 1, float("inf"), -0.0]),
    (object, float("nan")),
    (list, [(1, 2)]),
    (dict[str, Any], {"at": ORDER.at, "naive": datetime(2020, 1, 1), "day": date(1, 1, 1), "time": time(23, 59)}),
    (list[Any], [timedelta.max, timedelta.min, timedelta(0)]),
    (datetime | str, datetime(2020, 1, 1)),  # msgspec could not tell these two apart
    (Line | Order, ORDER),
    (dict[tuple[int, int], Colour], {(1, 2): Colour.RED}),
    (Page[Any], Page([ORDER.id, (1,)], 2)),
    (typing.Sequence[int], (1, 2)),
    (typing.Mapping[str, typing.Sequence[Line]], {"a": (ORDER.lines[0],)}),
    (Unresolved, Unresolved(1)),
    (Literal[Colour.RED], Colour.RED),
    (None, 10**5000),
]

MODELS: list[tuple[Any, Any]] = [
    (User, User(id=1, joined=JOINED)),
    (list[User], [User(id=1, joined=JOINED)]),
    (dict[int, User | None], {1: None, 2: User(id=2, joined=JOINED)}),
    (Page[User], Page([User(id=1, joined=JOINED)], 1)),
    (tuple[User, Any] | None, None),
]


def ids(case: Any) -> str:
    return getattr(case, "__name__", type(case).__name__)


@pytest.mark.row("S2.24", "S2.71", "S2.72", "W15", "W34")
@pytest.mark.parametrize(("annotation", "value"), TYPED, ids=ids)
def test_a_typed_value_comes_back_as_what_it_was(annotation, value):
    """Fields, keys and elements have the types they had: enums, decimals, tuples, integer keys."""
    codec = for_type(annotation)
    assert type(codec).__name__ == "MsgspecCodec"
    assert identical(codec.decode(codec.encode(value)), value)


@pytest.mark.row("S2.24", "S2.72", "S2.73", "W34")
@pytest.mark.parametrize(("annotation", "value"), DESCRIBED, ids=ids)
def test_a_value_without_a_usable_type_describes_itself(annotation, value):
    """Nothing is lost where the annotation says too little."""
    codec = for_type(annotation)
    assert type(codec).__name__ == "DescribedCodec"
    assert identical(codec.decode(codec.encode(value)), value)


@pytest.mark.row("S2.72", "W15")
@pytest.mark.parametrize(("annotation", "value"), MODELS, ids=ids)
def test_models_and_containers_of_models_come_back_as_models(annotation, value):
    """A model, an enum inside it and an offset survive."""
    codec = for_type(annotation)
    assert type(codec).__name__ == "PydanticCodec"
    assert identical(codec.decode(codec.encode(value)), value)


@pytest.mark.row("S2.71")
def test_plain_values_and_typed_values_are_json():
    """An operator can read them: JSON first, whatever the annotation."""
    assert for_type(dict[str, int]).encode({"a": 1}) == b'{"a":1}'
    assert for_type(None).encode({"a": [1, None]}) == b'J{"a":[1,null]}'


REFUSED: list[tuple[Any, Any]] = [
    (float, float("nan")),
    (float | None, float("nan")),
    (list[float], [1.0, float("inf")]),
    (list[float | None], [None, float("nan")]),
    (Point, Point(1, float("nan"))),
    (dict[str, tuple[int, float | None]], {"a": (1, float("nan"))}),
    (list[Point], [Point(1, 1.0), Point(1, float("nan"))]),
    (str, "\ud800"),
    (None, "\ud800"),
    (None, {"\udfff": 1}),
    (None, ["\ud800", 2**70]),
    (None, object()),
    (None, ORDER),  # not registered: nobody declared it
    (None, {"a": Colour.RED}),
    (None, datetime(2020, 1, 1, fold=1)),
    (list[int], (1, 2)),
    (list[int], [True]),
    (int, True),
    (dict[str, int], {1: 1}),
    (str, Level.LOW),
    (Vault, Vault(secret=SecretStr("s3cret"))),
    (Line, Order),
]


@pytest.mark.row("W15", "W34")
@pytest.mark.parametrize(("annotation", "value"), REFUSED, ids=ids)
def test_what_would_come_back_as_something_else_is_refused(annotation, value):
    """One codec per entry; what it can't carry exactly is an error at once, never a quiet change."""
    with pytest.raises(CodecError) as error:
        for_type(annotation).encode(value)
    assert "s3cret" not in str(error.value)


def test_a_subclass_hidden_deep_inside_is_found_by_the_full_comparison():
    """The first values of a codec are compared in full with what would be read back."""

    @dataclasses.dataclass
    class Discounted(Line):
        percent: int = 10

    codec = for_type(Order)
    with pytest.raises(CodecError, match="differs"):
        codec.encode(dataclasses.replace(ORDER, lines=[Discounted("a", Decimal(1))]))


def test_a_codec_that_was_wrong_once_compares_every_value():
    """After the comparison found a difference, no later value of this function is trusted."""
    codec = for_type(list[dict[str, str]])
    for _ in range(40):
        codec.encode([{"id": "x"}])
    wrong = [{"id": uuid.UUID(int=1)}]
    while True:
        try:
            codec.encode(wrong)  # slips through until a full comparison is due
        except CodecError:
            break
    for _ in range(3):
        with pytest.raises(CodecError):
            codec.encode(wrong)


@pytest.mark.parametrize("annotation", [None, list[Tree], Any])
def test_depth_and_cycles_are_refused(annotation):
    """A value that contains itself, or is nested beyond the interpreter's limit, is an error of the codec only."""
    tree = Tree(1)
    tree.children.append(tree)
    loop: list[Any] = []
    loop.append(loop)
    deep: Any = ()
    for _ in range(100_000):
        deep = (deep,)
    for value in (loop, [tree], deep):
        with pytest.raises(CodecError):
            for_type(annotation).encode(value)
    while deep:  # taken apart by hand, because its destructor recurses too
        (deep,) = deep


@pytest.mark.parametrize("annotation", [int, Order, User, list[User], None, dict[str, Any]])
@pytest.mark.parametrize("data", [b"", b"\x80\x04.", b"J", b"M", b"[" * 50_000, b"M" + b"\x91" * 50_000, b"\xff" * 9])
def test_unreadable_bytes_are_a_codec_error(annotation, data):
    """Reading raises CodecError and nothing else."""
    with pytest.raises(CodecError):
        for_type(annotation).decode(data)


def test_the_fingerprint_follows_the_shape_all_the_way_down():
    """Another field, type, member or codec is another schema; a docstring or a default is not."""

    def order_of(line: type) -> Any:
        return dataclasses.make_dataclass("Order", [("lines", list[line])], namespace={"__module__": "shop"})

    def line_of(**fields: Any) -> Any:
        return dataclasses.make_dataclass("Line", list(fields.items()), namespace={"__module__": "shop"})

    same = {for_type(order_of(line_of(a=int))).fingerprint for _ in range(3)}
    others = [
        for_type(order_of(line_of(a=str))),
        for_type(order_of(line_of(b=int))),
        for_type(order_of(line_of(a=int, b=int))),
        for_type(list[order_of(line_of(a=int))]),
        for_type(None),
        for_type(dict[str, Any]),
        for_type(enum.Enum("E", {"A": 1}, module="shop")),
        for_type(enum.Enum("E", {"A": 1, "B": 2}, module="shop")),
        for_type(int),
        for_type(int | None),
    ]
    assert len(same) == 1
    assert all(len(codec.fingerprint) == 8 for codec in others)
    assert len({codec.fingerprint for codec in others} | same) == len(others) + 1


def test_a_changed_class_makes_described_objects_unreadable():
    """The shape of a registered class travels with each object."""
    old, new = (
        dataclasses.make_dataclass("Line", [("a", kind)], namespace={"__module__": "shop"}) for kind in (int, str)
    )
    data = for_type(list[old | list[Any]]).encode([old(1)])
    with pytest.raises(CodecError, match="not registered"):
        for_type(list[new | list[Any]]).decode(data)


def test_an_int_where_a_float_is_declared_is_welcome():
    """Type checkers allow it, so it must not keep a value out of the cache; the declared type comes back."""
    for annotation, value in (
        (float, 3),
        (list[float | None], [1, None]),
        (Point, Point(1, 0)),
        (dict[str, float], {"a": 2}),
    ):
        codec = for_type(annotation)
        back = codec.decode(codec.encode(value))
        assert back == value


def test_the_first_post_init_is_the_only_one():
    """Described objects are rebuilt from their fields, not made anew."""
    made = []

    @dataclasses.dataclass
    class Counter:
        value: Any

        def __post_init__(self) -> None:
            made.append(self.value)

    codec = for_type(Counter)
    assert codec.decode(codec.encode(Counter((1,)))) == Counter((1,))
    assert made == [(1,), (1,)]  # the two that this test wrote down


def test_annotations_that_nothing_understands_get_the_describing_codec():
    """Choosing never raises."""

    class Odd:
        missing: NoSuchName  # noqa: F821

    loop = TypeAliasType("loop", "dict[str, loop] | list[loop] | int")  # type: ignore[misc]
    for annotation in (
        loop,
        list[loop],
        Odd,
        dataclasses.dataclass(Odd),
        "text",
        3,
        ...,
        typing.TypeVar("V"),
        complex,
        Colour.RED,
    ):
        assert for_type(annotation).decode(for_type(annotation).encode([1])) == [1]
