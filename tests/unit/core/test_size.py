"""Amounts of memory as people write them."""

from __future__ import annotations

import pytest

from evercache.core.size import parse_size
from evercache.errors import ConfigurationError


@pytest.mark.row("S2.112")
@pytest.mark.parametrize(
    ("written", "size"),
    [(1, 1), ("1000", 1000), ("64MiB", 64 << 20), ("256mb", 256 << 20), ("256MB", 256 << 20), ("1k", 1000), ("1kb", 1024),
     ("1.5 GiB", 3 << 29), ("10b", 10), ("1t", 10**12)],
)  # fmt: skip
def test_spellings_are_those_of_redis_conf(written: object, size: int) -> None:
    """The same text means the same here and in Redis' maxmemory."""
    assert parse_size(written, "max_memory") == size


@pytest.mark.parametrize("written", [0, -1, "0mb", "", "lots", "64 MiBs", 1.5, True, None, "1e3", 1 << 60])
def test_everything_else_is_an_error_that_names_the_setting(written: object) -> None:
    """0 too: "off" has a word of its own."""
    with pytest.raises(ConfigurationError, match=r"^l1="):
        parse_size(written, "l1")
