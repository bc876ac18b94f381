"""The frame around a stored value: fixed offsets, patched times, and nothing else accepted."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from evercache.codecs import envelope
from evercache.core.record import Record
from evercache.errors import CodecError

RECORD = Record(
    fill=bytes(range(16)),
    namespace=b"n" * 16,
    ban=b"1700000000000-0",
    tags=(b"t" * 16, b"u" * 16),
    stamps=(b"1.2", b""),
    born=1_700_000_000_000,
    fresh_until=1_700_000_060_000,
    dead_at=1_700_000_120_000,
    load_ms=250,
    schema=b"schema-8",
    payload=b"the value",
)


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        replace(RECORD, tags=(), stamps=()),
        replace(RECORD, payload=b"", namespace=b"", ban=b"", fresh_until=0, dead_at=0),
        replace(RECORD, payload=bytes(1 << 20)),
        replace(RECORD, tags=tuple(bytes([i]) * 255 for i in range(255)), stamps=(b"s" * 255,) * 255),
        replace(RECORD, born=2**64 - 1, fresh_until=2**64 - 1, dead_at=2**64 - 1, load_ms=2**32 - 1),
    ],
)
def test_every_record_comes_back(record):
    """Whatever fits is read back equal."""
    assert envelope.unpack(envelope.pack(record)) == record


def test_the_fixed_offsets_are_what_scripts_on_the_server_rely_on():
    """Magic, version, times, fill and schema stand where the constants say."""
    data = envelope.pack(RECORD)
    assert data[:4] == b"EC\x01\x00"
    assert struct.unpack_from(">Q", data, envelope.FRESH_UNTIL) == (RECORD.fresh_until,)
    assert struct.unpack_from(">Q", data, envelope.DEAD_AT) == (RECORD.dead_at,)
    assert data[envelope.FILL] == RECORD.fill
    assert data[envelope.SCHEMA] == RECORD.schema
    assert (
        4, 12, slice(20, 36), slice(48, 56),
    ) == (envelope.FRESH_UNTIL, envelope.DEAD_AT, envelope.FILL, envelope.SCHEMA)  # fmt: skip


def test_expire_may_patch_the_two_times_in_place():
    """The checksum leaves out exactly the bytes that are patched."""
    data = bytearray(envelope.pack(RECORD))
    data[envelope.PATCHED] = struct.pack(">QQ", 5, 6)
    assert envelope.unpack(bytes(data)) == replace(RECORD, fresh_until=5, dead_at=6)


@pytest.mark.row("FT13")
def test_a_flip_of_any_other_bit_is_a_miss():
    """Accidents anywhere outside the patched times are found."""
    data = envelope.pack(RECORD)
    for at in (*range(4), *range(20, len(data))):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[at] ^= 1 << bit
            assert envelope.unpack(bytes(flipped)) is None


@pytest.mark.row("FT13")
def test_every_truncation_and_extension_is_a_miss():
    """Half a value is no value, and neither is one with something behind it."""
    data = envelope.pack(RECORD)
    assert all(envelope.unpack(data[:size]) is None for size in range(len(data)))
    assert envelope.unpack(data + b"x") is None


@pytest.mark.parametrize(
    "data", [b"", b"EC", b"EC\x01\x00", b"EC\x02\x00" + bytes(80), b"EC\x01\x00" + b"\xff" * 80, "EC", None, 3]
)
def test_foreign_things_are_a_miss(data):
    """Another version, another program's value, not even bytes: None, and never an exception."""
    assert envelope.unpack(data) is None


@pytest.mark.parametrize(
    "change",
    [
        {"fill": b"short"},
        {"schema": b""},
        {"born": -1},
        {"dead_at": 2**64},
        {"load_ms": 2**32},
        {"namespace": bytes(256)},
        {"tags": (b"a",), "stamps": ()},
        {"tags": (b"a",) * 256, "stamps": (b"b",) * 256},
        {"payload": {"an": "object"}},
    ],
)
def test_what_does_not_fit_is_refused_when_it_is_written(change):
    """A record that couldn't be read back is an error of the writer."""
    with pytest.raises(CodecError):
        envelope.pack(replace(RECORD, **change))
