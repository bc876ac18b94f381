"""Options: how they cascade, and what they mean once everything is decided."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache import FOREVER
from evercache.core.options import Options, as_seconds
from evercache.errors import ConfigurationError


def test_the_nearer_word_wins_and_silence_inherits():
    """cache < named cache < function < call; None says nothing."""
    cache, named, function = Options(ttl="5m", jitter=0.2), Options(ttl="1m", l1=False), Options(ttl=None, jitter=0.0)
    assert cache | named | function == Options(ttl="1m", jitter=0.0, l1=False)
    assert cache | Options() == cache == Options() | cache


def test_by_default_a_value_lives_five_minutes_and_dies_at_once():
    """Nothing stale, nothing negative, no timeouts, both levels, a copy for each reader."""
    policy = Options().resolve("here")
    assert (policy.ttl, policy.stale_for, policy.fail_safe, policy.beta, policy.jitter) == (300.0, 0.0, 0.0, 0.0, 0.1)
    assert (policy.negative, policy.soft_timeout, policy.hard_timeout) == ({}, None, None)
    assert (policy.l1, policy.l2, policy.share, policy.version, policy.spare_for) == (True, True, False, "", 0.0)


def test_durations_are_what_people_write():
    """Seconds, timedelta, text, and for ever."""
    policy = Options(
        ttl=FOREVER, stale_for=timedelta(hours=1), fail_safe="1d", early=True, soft_timeout=0.5, hard_timeout="2s",
        version=2,
    ).resolve("here")  # fmt: skip
    assert (policy.ttl, policy.stale_for, policy.fail_safe, policy.beta) == (math.inf, 3600.0, 86400.0, 1.0)
    assert (policy.soft_timeout, policy.hard_timeout, policy.version, policy.spare_for) == (0.5, 2.0, "2", 86400.0)
    assert as_seconds(FOREVER, "ttl") == math.inf
    assert as_seconds("1m", "ttl") == 60.0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ttl": 0}, "here: ttl"), ({"stale_for": -1}, "here: stale_for"), ({"hard_timeout": FOREVER}, "hard_timeout"),
        ({"tags": "users"}, r"write tags=\['users'\]"), ({"early": 0.0}, "early=0.0 is not a factor"),
        ({"early": 101}, "up to 100"), ({"early": math.nan}, "not a factor"), ({"jitter": 1}, "jitter=1 is not a fraction"),
        ({"jitter": True}, "not a fraction"), ({"jitter": math.nan}, "not a fraction"),
        ({"soft_timeout": 3, "hard_timeout": 2, "fail_safe": 60}, "the soft one must come first"),
        ({"soft_timeout": 1}, "nothing stale is kept; set fail_safe or stale_for"),
        ({"l1": False, "l2": False}, "leave nowhere to cache"), ({"when": 3}, "when=3 is no function"),
        ({"negative_ttl": 0}, r"negative_ttl\[None\]"), ({"negative_ttl": {int: 5}}, "keys are None and exception classes"),
        ({"negative_ttl": {KeyboardInterrupt: 5}}, "exception classes"), ({"negative_ttl": {"x": 5}}, "exception classes"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_a_sentence(options, sentence):
    """It names where, what, and what to write instead."""
    with pytest.raises(ConfigurationError, match=sentence):
        Options(**options).resolve("here")


def test_nothing_is_cached_as_long_as_it_says():
    """For None, and for the exceptions that are named; the nearest class wins, others aren't cached."""
    policy = Options(negative_ttl={None: 30, LookupError: "1m", KeyError: FOREVER}).resolve("here")
    assert policy.negative_for(None) == 30.0
    assert policy.negative_for(IndexError()) == 60.0
    assert policy.negative_for(KeyError()) == math.inf
    assert policy.negative_for(ValueError()) is None
    assert Options(negative_ttl="10s").resolve("here").negative_for(None) == 10.0
    assert Options().resolve("here").negative_for(None) is None


@given(st.floats(0, 0.999), st.floats(0, 0.999), st.floats(0.001, 1e9))
def test_jitter_only_shortens(jitter, dice, ttl):
    """Never longer than said, and never by more than the fraction."""
    policy = Options(jitter=jitter).resolve("here")
    assert ttl * (1 - jitter) <= policy.life(ttl, dice) <= ttl
    assert policy.life(math.inf, dice) == math.inf


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"tll": 5}, r"cached\(tll=5\): there is no option 'tll'; did you mean ttl\?"),
        ({"ttl": 5, "stale": 1}, "did you mean stale_for"),
        ({"kye": "x"}, "did you mean key"),
        ({"zzz": 1}, "there are ttl, stale_for, fail_safe"),
    ],
)
def test_a_misspelled_option_is_named_with_the_one_that_was_meant(given, sentence):
    """One sentence, about the call that was written and not about what is inside."""
    with pytest.raises(ConfigurationError, match=sentence):
        Options.said(given, "cached", "key", "key_by")
