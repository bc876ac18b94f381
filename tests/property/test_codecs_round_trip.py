"""Round trips of generated values: exact, or refused; and two values never share their bytes."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evercache.codecs import envelope
from evercache.codecs.choose import for_type
from evercache.codecs.compare import identical
from evercache.codecs.compress import Compressor
from evercache.codecs.copier import copier_for, copy_any
from evercache.codecs.immutable import is_immutable
from evercache.codecs.packer import Packer
from evercache.codecs.sealed import KeyRing
from evercache.codecs.weigh import weigh
from evercache.core.record import Record
from evercache.errors import CodecError


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


@dataclass
class Item:
    name: str
    number: int
    price: Decimal
    share: float | None
    at: datetime
    day: date
    clock: time
    wait: timedelta
    id: UUID
    colour: Colour
    raw: bytes
    tags: set[str] = field(default_factory=set)
    pairs: dict[int, tuple[int, ...]] = field(default_factory=dict)
    inner: list[Item] = field(default_factory=list)


# Offsets in whole minutes: what clocks have had since 1972, and what ISO 8601 can say.
zones = (
    st.none()
    | st.just(UTC)
    | st.timezones()
    | st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
)
modern = st.datetimes(min_value=datetime(1973, 1, 1), timezones=zones)
texts = st.text(st.characters(exclude_categories=("Cs",)))

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | texts
    | st.binary()
    | modern
    | st.datetimes()
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
)
keys = st.recursive(
    st.integers() | texts | st.binary() | st.booleans() | st.none() | st.dates() | st.uuids() | st.timedeltas(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(texts, inner, max_size=5)
        | st.dictionaries(keys, inner, max_size=5)
        | st.sets(keys, max_size=5)
        | st.frozensets(keys, max_size=5)
    ),
    max_leaves=30,
)
flat = st.builds(
    Item,
    name=texts,
    number=st.integers(-(2**70), 2**70),
    price=st.decimals(),
    share=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    at=modern | st.datetimes(),
    day=st.dates(),
    clock=st.times(),
    wait=st.timedeltas(),
    id=st.uuids(),
    colour=st.sampled_from(Colour),
    raw=st.binary(),
    tags=st.sets(texts, max_size=3),
    pairs=st.dictionaries(st.integers(), st.lists(st.integers(), max_size=3).map(tuple), max_size=3),
)
items = st.builds(lambda outer, inner: replace(outer, inner=inner), flat, st.lists(flat, max_size=2))


def carried(codec: Any, value: Any) -> bool:
    """False if the codec refused it; otherwise it must come back identical."""
    try:
        data = codec.encode(value)
    except CodecError:
        return False
    back = codec.decode(data)
    assert identical(value, back)
    assert type(codec).__name__ != "DescribedCodec" or identical(back, value)  # this one changes no int into a float
    return True


@pytest.mark.row("S2.72", "W34")
@given(values)
def test_described_values_come_back_identical(value):
    """Any nesting of the carried types. Refused: only a naive datetime with fold=1, and times with one."""
    assert carried(for_type(None), value) or "fold=1" in repr(value)


@pytest.mark.row("S2.72", "W15")
@given(st.lists(items, max_size=3))
def test_typed_values_come_back_identical(value):
    """Dataclasses of every builtin type, compared type by type."""
    assert carried(for_type(list[Item]), value) or "fold=1" in repr(value)


@given(st.one_of(values, items))
def test_any_value_under_any_annotation_is_carried_exactly_or_refused(value):
    """A wrong annotation is a refusal, never another value."""
    for annotation in (
        int,
        float | None,
        str,
        list[float | None],
        dict[str, str],
        set[int],
        Item,
        Any,
        dict[str, Any],
        Colour,
    ):
        carried(for_type(annotation), value)


@given(st.text(), st.floats(), st.integers(0, 10**6))
def test_surrogates_and_other_traps_are_a_codec_error_and_nothing_else(text, number, size):
    """Lone surrogates, NaN and huge integers."""
    for value in (text, {text: number}, 7 ** (size % 20_000), [text, 2**100], {number: text}):
        for annotation in (None, str, list[Any], dict[str, float], int):
            carried(for_type(annotation), value)


@settings(max_examples=30)
@given(st.integers(1, 3000), st.sampled_from([list, tuple, dict]))
def test_nesting_is_carried_or_refused(depth, kind):
    """Beyond the interpreter's limit it is a CodecError, on the way out and on the way back."""
    value: Any = ()
    for _ in range(depth):
        value = {"in": value} if kind is dict else kind([value])
    for annotation in (None, list[Any], dict[str, dict[str, Any]]):
        codec = for_type(annotation)
        try:
            back = codec.decode(codec.encode(value))
        except CodecError:
            assert depth > 50 or annotation is not None
            continue
        for _ in range(depth):
            assert type(back) is kind
            (back,) = back.values() if kind is dict else back
        assert back == ()


@given(values)
def test_a_copy_is_identical_and_an_immutable_value_is_shared(value):
    """The runtime copier, for values without an annotation; and every value has a weight."""
    assert identical(copy_any(value), value)
    assert (copy_any(value) is value) or not is_immutable(value)
    assert weigh(value) >= 1


@given(items)
def test_the_compiled_copier_gives_an_identical_copy(value):
    """And a change of the copy is not a change of the value."""
    copier = copier_for(Item)
    assert copier is not None
    copied = copier(value)
    assert identical(copied, value)
    copied.tags.add("another")
    copied.pairs[-1] = ()
    assert not identical(copied, value)


blobs = st.binary(max_size=255)
times = st.integers(0, 2**64 - 1)


@given(
    st.builds(
        Record,
        fill=st.binary(min_size=16, max_size=16),
        namespace=blobs,
        ban=blobs,
        tags=st.just(()),
        born=times,
        fresh_until=times,
        dead_at=times,
        load_ms=st.integers(0, 2**32 - 1),
        schema=st.binary(min_size=8, max_size=8),
        payload=st.binary(),
    ),
    st.lists(st.tuples(blobs, blobs), max_size=20),
)
def test_records_come_back_equal(record, tags):
    """Whatever the lengths of its parts."""
    record.tags, record.stamps = tuple(tag for tag, _ in tags), tuple(stamp for _, stamp in tags)
    assert envelope.unpack(envelope.pack(record)) == record


@settings(max_examples=50)
@given(values, st.binary(max_size=20), st.binary(max_size=20))
def test_a_sealed_payload_belongs_to_its_key(value, key, other):
    """Opened under another key it is refused."""
    packer = Packer(for_type(None), compressor=Compressor(threshold=32), keyring=KeyRing({"k": bytes(32)}, "k"))
    try:
        payload = packer.pack(value, key)
    except CodecError:
        assert "fold=1" in repr(value)
        return
    assert identical(packer.unpack(payload, key), value)
    if key != other:
        with pytest.raises(CodecError):
            packer.unpack(payload, other)
