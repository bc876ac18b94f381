"""Stamps prove entries; everything that isn't a proof is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.core.stamps import Proof, compare, soften

PART = st.binary(min_size=1, max_size=6).filter(lambda part: b"/" not in part)


@given(PART, PART, PART)
def test_only_the_soft_part_may_differ_and_leaves_a_stale_entry(hard, one, other):
    """An expired tag makes entries stale: they are not fresh, and not gone."""
    expired = soften(hard, one)
    assert compare(hard, expired) is Proof.EXPIRED
    assert compare(expired, expired) is Proof.VALID
    assert compare(expired, soften(expired, other)) is (Proof.VALID if one == other else Proof.EXPIRED)


@given(PART, PART, PART)
def test_another_hard_part_is_invalid_whatever_stands_behind_it(one, other, soft):
    """An invalidated tag is a miss, even if it was expired before."""
    if one != other:
        assert compare(one, other) is Proof.INVALID
        assert compare(soften(one, soft), soften(other, soft)) is Proof.INVALID


@pytest.mark.row("PR1")
@given(PART)
def test_a_missing_stamp_is_invalid(stored):
    """A store may lose any key at any time; what can't be proved is a miss."""
    assert compare(stored, None) is Proof.INVALID
