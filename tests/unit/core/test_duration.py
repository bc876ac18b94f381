"""Lengths of time as people write them."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.core.duration import FOREVER, parse_duration, parse_seconds
from evercache.errors import ConfigurationError


@pytest.mark.row("S1.11")
@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (300, 300.0), (0.25, 0.25), ("300", 300.0), ("0.5", 0.5), ("250ms", 0.25), ("5m", 300.0), ("1h30m", 5400.0),
        ("1h 30m", 5400.0), ("1.5h", 5400.0), ("2d", 172800.0), ("1w", 604800.0), (" 5M ", 300.0),
        (timedelta(minutes=5), 300.0),
    ],
)  # fmt: skip
def test_spellings(written: object, seconds: float) -> None:
    """Numbers are seconds; texts carry their units, the largest first."""
    assert parse_duration(written, "ttl") == seconds


def test_forever_is_one_thing() -> None:
    """It has a name of its own, in code and in text, and is no number."""
    assert parse_duration(FOREVER, "ttl") is FOREVER
    assert parse_duration("forever", "ttl") is FOREVER
    assert repr(FOREVER) == "FOREVER"


@pytest.mark.parametrize("written", [0, 0.0, "0", "0s", timedelta(0)])
def test_zero_is_an_error_that_names_both_meanings(written: object) -> None:
    """Half the world reads 0 as "don't cache", the other half as "never expire"."""
    with pytest.raises(ConfigurationError, match=r"^ttl=.*use None to inherit, FOREVER to never expire\.$"):
        parse_duration(written, "ttl")


@pytest.mark.parametrize(
    "written",
    [-1, "-5m", math.nan, math.inf, "nan", "inf", True, False, None, b"5m", "", "soon", "5 minutes", "30m1h", "5m5m",
     "5mm", "1e400", 10**400, timedelta(days=-1), 101 * 366 * 86400, [5]],
)  # fmt: skip
def test_everything_else_is_an_error_that_names_the_setting(written: object) -> None:
    """None too: what inheriting means is the caller's business."""
    with pytest.raises(ConfigurationError, match=r"^ttl"):
        parse_duration(written, "ttl")


def test_a_time_out_is_never_for_ever() -> None:
    """parse_seconds gives a plain number."""
    with pytest.raises(ConfigurationError, match="timeout"):
        parse_seconds(FOREVER, "timeout")


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_a_sentence(text: str) -> None:
    """No other exception, whatever somebody types."""
    with suppress(ConfigurationError):
        assert parse_duration(text, "ttl") is FOREVER or parse_seconds(text, "ttl") > 0
