"""Envelopes written by released versions of the format; today's code must read every one of them.

The files never change and none is ever removed while its version is readable. `python -m tests.formats.test_golden_envelopes`
writes those of the current version that don't exist yet.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from evercache.codecs import envelope
from evercache.codecs.choose import for_type
from evercache.codecs.compare import identical
from evercache.codecs.compress import Compressor, Method
from evercache.codecs.packer import Packer
from evercache.codecs.sealed import KeyRing
from evercache.core.record import Record
from tests.formats.golden_types import Line, User

FOLDER = Path(__file__).parent / "v1"
RING = KeyRing({"golden": bytes(range(32))}, "golden")


LINE = Line("grün", Decimal("1.10"), datetime(2024, 2, 29, 12, 30, tzinfo=UTC))
RICH = {
    1: (2, {3}, frozenset({4})),
    "text": "żółw",
    b"bytes": b"\x00\xff",
    "numbers": [2**90, -(2**90), 1.5, float("inf"), Decimal("1.10")],
    "times": [
        datetime(2024, 1, 1, 12, 0, 0, 1, tzinfo=UTC),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=2))),
        datetime(2024, 1, 1),  # a naive one, on purpose
        date(2024, 1, 1),
        time(23, 59, 59, 999_999),
        timedelta(days=-1, microseconds=1),
    ],
    "id": UUID(int=2**127 + 5),
    "none": None,
}

# name: annotation, value, method of compression, sealed
CASES: dict[str, tuple[Any, Any, Method, bool]] = {
    "plain-json": (None, {"a": [1, 2.5, None, True, "x"]}, "raw", False),
    "rich": (None, RICH, "raw", False),
    "typed-dataclass": (list[Line], [LINE, LINE], "raw", False),
    "described-dataclass": (Line | list[Any], LINE, "raw", False),
    "model": (User, User(id=1, name="Ada"), "raw", False),
    "zlib": (list[int], list(range(1000)), "zlib", False),
    "zstd": (list[int], list(range(1000)), "zstd", False),
    "sealed": (str, "a secret", "raw", True),
    "no-tags": (int, 7, "raw", False),
}


def record_of(name: str, packer: Packer, value: Any) -> Record:
    tags: tuple[bytes, ...] = () if name == "no-tags" else (b"t" * 16, b"u" * 16)
    stamps = tuple(b"1.%d" % number for number in range(len(tags)))
    times = (1_700_000_000_000, 1_700_000_060_000, 1_700_000_120_000, 250)
    return Record(
        bytes(range(16)), b"n" * 16, b"1-0", tags, stamps, *times, packer.schema, packer.pack(value, b"golden")
    )


def packer_of(name: str) -> Packer:
    annotation, _, method, sealed = CASES[name]
    return Packer(
        for_type(annotation), compressor=Compressor(method), keyring=RING if sealed else None, namespace="golden"
    )


@pytest.mark.row("FT13")
@pytest.mark.parametrize("name", CASES)
def test_an_envelope_of_version_1_is_still_read(name):
    """The value, the times, the tags, and the schema that says whether the value's type has changed."""
    packer = packer_of(name)
    found = envelope.unpack((FOLDER / f"{name}.bin").read_bytes())
    assert found is not None
    value = CASES[name][1]
    assert identical(packer.unpack(found.payload, b"golden"), value)
    expected = record_of(name, packer, value)
    expected.payload = found.payload
    # Equal schemas: an unchanged annotation must not turn every stored entry into a miss after an upgrade.
    assert found == expected


def write() -> None:
    """The files that are missing. Existing ones are never written again."""
    FOLDER.mkdir(exist_ok=True)
    for name in CASES:
        path = FOLDER / f"{name}.bin"
        if not path.exists():
            path.write_bytes(envelope.pack(record_of(name, packer_of(name), CASES[name][1])))


if __name__ == "__main__":
    write()
