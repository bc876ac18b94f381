"""The ages of an entry, at every border."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.core.freshness import Age, age_of, early_moment, thinking_moment

MOMENT = st.floats(0, 1e6, allow_nan=False)
SPAN = st.floats(0, 1e4, allow_nan=False)


@pytest.mark.parametrize(
    ("now", "age"),
    [
        (0, Age.FRESH),
        (89, Age.FRESH),
        (90, Age.EARLY),
        (99, Age.EARLY),
        (100, Age.STALE),
        (109, Age.STALE),
        (110, Age.SPARE),
        (129, Age.SPARE),
        (130, Age.DEAD),
    ],
)
def test_the_table_of_ages(now, age):
    """Each age begins at its moment and ends before the next; both spans count from the end of freshness."""
    assert age_of(now, 100, stale_for=10, fail_safe=30, early_at=90) is age


@given(MOMENT, MOMENT, SPAN, SPAN)
def test_nothing_outlives_its_ttl(now, until, stale_for, fail_safe):
    """Equal to the end is no longer fresh; without spans, it is dead."""
    fresh = age_of(now, until, stale_for=stale_for, fail_safe=fail_safe) is Age.FRESH
    assert fresh == (now < until)
    assert age_of(max(now, until), until, stale_for=0, fail_safe=0) is Age.DEAD


@given(MOMENT, MOMENT, MOMENT, SPAN, SPAN)
def test_an_entry_never_grows_younger(one, other, until, stale_for, fail_safe):
    """Later is the same age or an older one."""
    order = list(Age)
    younger, older = sorted((one, other))
    ages = [age_of(now, until, stale_for=stale_for, fail_safe=fail_safe) for now in (younger, older)]
    assert order.index(ages[0]) <= order.index(ages[1])


def test_for_ever_is_always_fresh():
    """An entry without an end has no age."""
    assert age_of(1e12, math.inf, stale_for=0, fail_safe=0) is Age.FRESH


@given(MOMENT, SPAN, st.floats(0.01, 10), st.floats(math.exp(-10), 1))
def test_thinking_begins_before_any_dice_can_fall(until, load, beta, dice):
    """The hit path skips the dice until this moment, and misses nothing."""
    assert thinking_moment(until, load, beta) <= early_moment(until, load, beta, dice) + 1e-6
    assert early_moment(until, load, beta, dice) <= until
