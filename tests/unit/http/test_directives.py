"""RFC 9111 §5.2: Cache-Control, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.http.directives import delta_seconds, directives_of, request_directives
from tests.unit.http.heads import head


def said(*texts):
    return directives_of(head(*(f"Cache-Control: {text}" for text in texts)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max-age=60", 60),
        ("MAX-AGE=60", 60),
        ('max-age="60"', 60),
        ("max-age=0060", 60),
        ("max-age=10, max-age=5", 5),
        ("max-age=10, max-age=x", 0),
        ("max-age", 0),
        ("max-age=", 0),
        ("max-age=-1", 0),
        ("max-age=+60", 0),
        ("max-age=1.5", 0),
        ("max-age=6_0", 0),
        ("max-age='3600'", 0),
        ("max-age=\xb2", 0),
        ("max-age =60", 0),
        ("max-age= 60", 0),
        ("max-age=60s", 0),
        ("max-age=" + "9" * 6000, 2**31),
        ("max-age=" + "0" * 6000 + "7", 7),
        ("smax-age=60", None),
        ('x="max-age=60"', None),
    ],
)
def test_h1_seconds_are_digits_and_the_smallest_counts(text, expected):
    """RFC 9111 §1.2.2, §4.2.1: what isn't digits is stale, and of two the stricter one holds."""
    assert said(text).seconds("max-age") == expected


def test_two_lines_are_one_list():
    """RFC 9110 §5.3."""
    assert said("max-age=9", "no-store").arguments == {"max-age": ("9",), "no-store": (None,)}


@pytest.mark.parametrize(
    "text", ["no-cache", "no-cache=", 'no-cache=""', 'no-cache="a b"', 'no-cache="a", no-cache', 'no-cache="a']
)
def test_h15_a_restriction_that_names_no_fields_means_the_whole(text):
    """RFC 9111 §5.2.2.4: also one whose list of fields can't be read."""
    assert said(text).unqualified("no-cache")
    assert said(text).fields("no-cache") == frozenset()


@pytest.mark.parametrize(
    "text", ['no-cache="Set-Cookie, X-A"', "no-cache=set-cookie, no-cache=x-a", 'no-cache=" set-cookie ,x-a,"']
)
def test_h15_a_qualified_restriction_means_these_fields(text):
    """Quoted or not, in one directive or in several."""
    assert not said(text).unqualified("no-cache")
    assert said(text).fields("no-cache") == {b"set-cookie", b"x-a"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("public", True), ("PUBLIC", True), ("public=1", False), ("publicly", False), ("public, public=x", False)],
)
def test_a_permission_is_given_without_argument_or_not_at_all(text, expected):
    """What is misspelt permits nothing."""
    assert said(text).allows("public") is expected


def test_an_unfinished_quote_hides_no_restriction():
    """A permission before it still counts no more than the restriction behind it."""
    assert "no-store" in said('max-age=60, x="y, no-store')


def test_rfc9111_5_4_pragma_stands_in_where_there_is_no_cache_control():
    """And only there."""
    assert "no-cache" in request_directives(head("Pragma: No-Cache"))
    assert "no-cache" not in request_directives(head("Pragma: no-cache", "Cache-Control: max-age=1"))
    assert "no-cache" not in directives_of(head("Pragma: no-cache"))


@given(st.text())
def test_a_number_of_seconds_is_never_negative_and_never_raises(text):
    """Nor is it longer than the number that stands for all longer ones."""
    assert 0 <= delta_seconds(text) <= 2**31


@given(st.integers(0, 2**31))
def test_a_written_number_is_read_again(seconds):
    """With any number of zeros before it."""
    assert delta_seconds(f"00{seconds}") == seconds
