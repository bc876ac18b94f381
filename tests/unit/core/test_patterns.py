"""Globs over logical keys, against the plainest matcher there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.core.patterns import compile_glob, escape, matches, prefix

TEXT = st.text(alphabet="ab:*?[]!-\\", max_size=8)
PLAIN_GLOB = st.text(alphabet="ab:*?", max_size=8)


def plainly(pattern: str, text: str) -> bool:
    """Stars and question marks by their definition."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(plainly(pattern[1:], text[i:]) for i in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and plainly(pattern[1:], text[1:])


@given(PLAIN_GLOB, st.text(alphabet="ab:\n", max_size=8))
def test_stars_and_question_marks_mean_what_they_say(pattern, text):
    """A star is any run, the empty one and line ends included; a question mark is one character."""
    assert matches(pattern, text) == plainly(pattern, text)


@given(TEXT, TEXT)
def test_an_escaped_text_matches_itself_only(text, other):
    """What a user gave as a name is never read as a pattern."""
    assert matches(escape(text), text)
    assert matches(escape(text), other) == (text == other)


@given(TEXT, TEXT)
def test_a_prefix_matches_what_begins_with_it(text, other):
    """An invalidated prefix is exactly `str.startswith`."""
    assert matches(prefix(text), other) == other.startswith(text)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_text_is_an_invalid_pattern(pattern, text):
    """A ban that another process wrote must never raise in a reader."""
    assert matches(pattern, text) in (True, False)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("[abc]", "abc", "dA["),
        ("[a-c]", "abc", "d-"),
        ("[!a-c]", "d-!", "abc"),
        ("[]a]", "]a", "b["),
        ("[!]a]", "b[", "]a"),
        ("[c-a]", "", "abc-"),
        ("[a-]", "a-", "b"),
        ("[", "[", "a"),
        ("\\*", "*", "a\\"),
        ("\\", "\\", "a"),
        ("[&|~]", "&|~", "a"),
    ],
)
def test_brackets_and_backslashes(pattern, good, bad):
    """Sets, ranges and negation as everywhere; an unclosed bracket and a last backslash stand for themselves."""
    assert [char for char in good + bad if matches(pattern, char)] == list(good)


def test_an_unclosed_negation_is_text():
    """`[!]` opens a set that never ends."""
    assert matches("[!]", "[!]")
    assert not matches("[!]", "a")


@pytest.mark.timeout(20)
def test_many_stars_do_not_take_for_ever():
    """A pattern's cost is bounded by the product of the lengths; a naive expression would take longer than the universe."""
    assert not matches("*a" * 30 + "b", "a" * 3_000)
    assert matches("*a" * 30 + "*", "a" * 3_000)


def test_compiled_patterns_are_kept():
    """A ban is tested at many reads and compiled once."""
    assert compile_glob("users:*") is compile_glob("users:*")
