"""Mutated envelopes: every one is a record, a miss or a CodecError, and never another exception.

`EVERCACHE_FUZZ` says how many (default 20,000; the nightly run sets 1,000,000).
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID
from zlib import crc32

import pytest
from pydantic import BaseModel

from evercache.codecs import envelope
from evercache.codecs.choose import for_type
from evercache.codecs.compress import Compressor
from evercache.codecs.exceptions import decode_exception, encode_exception
from evercache.codecs.packer import Packer
from evercache.codecs.sealed import KeyRing
from evercache.core.record import Record
from evercache.errors import CodecError

ROUNDS = int(os.environ.get("EVERCACHE_FUZZ", "20000"))


@dataclass
class Line:
    name: str
    price: Decimal
    at: datetime
    parts: list[int]


class User(BaseModel):
    id: int
    name: str = "x"


LINE = Line("a" * 40, Decimal("1.10"), datetime(2024, 1, 1, tzinfo=UTC), [1, 2, 3])
RICH = {
    1: (2, {3}),
    "u": UUID(int=5),
    b"k": frozenset({Decimal(1)}),
    "big": 2**90,
    "d": LINE.at.date(),
    "l": [None, 1.5],
}


def seeds() -> list[tuple[Packer, bytes]]:
    """One good envelope for each codec, each way of compression, sealed and not."""
    values = [
        (None, RICH),
        (None, {"plain": [1, "x"] * 30}),
        (Line, LINE),
        (list[User], [User(id=1)]),
        (Line | list, LINE),
    ]
    found = []
    for annotation, value in values:
        for method in ("raw", "zlib", "zstd"):
            for ring in (None, KeyRing({"k": bytes(32)}, "k")):
                packer = Packer(for_type(annotation), compressor=Compressor(method, threshold=16), keyring=ring)
                record = Record(
                    bytes(16),
                    b"n" * 16,
                    b"0-0",
                    (b"t" * 16,),
                    (b"1.1",),
                    1,
                    2,
                    3,
                    4,
                    packer.schema,
                    packer.pack(value, b"k"),
                )
                found.append((packer, envelope.pack(record)))
    return found


def mutated(chance: random.Random, data: bytes, others: list[tuple[Packer, bytes]]) -> bytes:
    """Flipped, cut, lengthened, overwritten, or grown together with another one."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(6):
            case 0 | 1:
                changed[at : at + 1] = bytes((chance.randrange(256),))
            case 2:
                del changed[at : at + chance.randint(1, 8)]
            case 3:
                changed[at:at] = chance.randbytes(chance.randint(1, 8))
            case 4:
                changed[at : at + 4] = chance.choice(
                    (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xdd\xff\xff\xff", b"\xc9\x7f\xff\xff")
                )
            case _:
                other = chance.choice(others)[1]
                changed[at:] = other[min(at, len(other)) :]
        if not changed:
            return b""
    return bytes(changed)


def checked(data: bytes) -> bytes:
    """The same bytes with a right checksum, as somebody who can write to the server would make them."""
    if len(data) < envelope.FIXED_SIZE:
        return data
    right = crc32(data[60:], crc32(data[20:56], crc32(data[:4])))
    return data[:56] + right.to_bytes(4, "big") + data[60:]


@pytest.mark.row("FT13", "W7")
@pytest.mark.timeout(3600)
def test_no_mutation_of_an_envelope_raises_anything_but_a_codec_error():
    """Half of them carry a right checksum, so that the codecs behind it see the damage too."""
    chance = random.Random(int(os.environ.get("EVERCACHE_SEED", "1")))
    good = seeds()
    records = values = 0
    for _ in range(ROUNDS):
        packer, data = chance.choice(good)
        data = mutated(chance, data, good)
        record = envelope.unpack(checked(data) if chance.random() < 0.5 else data)
        if record is None:
            continue
        records += 1
        try:
            packer.unpack(record.payload, b"k")
            values += 1
        except CodecError:
            pass
    assert records > ROUNDS // 20  # the test reaches the codecs
    assert values > 0


@pytest.mark.row("FT13")
def test_no_mutation_of_an_exception_raises_anything():
    """A cached exception that can't be read is a miss."""
    chance = random.Random(2)
    good = encode_exception(KeyError("key", 1, (2, "x")), (KeyError,))
    for _ in range(ROUNDS // 10):
        back = decode_exception(flipped(chance, good), (KeyError,))
        assert back is None or type(back) is KeyError


def flipped(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)
