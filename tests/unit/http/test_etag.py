"""RFC 9110 §8.8.3: entity tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.http.etag import is_etag, listed_etags, make_etag, strongly_equal, weakly_equal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a"', ('"a"',)),
        ('"a", W/"b"', ('"a"', 'W/"b"')),
        ('"a,b" , "c"', ('"a,b"', '"c"')),
        ('"a\\", "b"', ('"a\\"', '"b"')),
        ('""', ('""',)),
        (', "a",,"b",', ('"a"', '"b"')),
        ("", ()),
        ("a", ()),
        ('"a", b', ()),
        ('"a" "b"', ()),
        ('w/"a"', ()),
        ('"a', ()),
        ('"a b"', ()),
        ('*, "a"', ()),
        ('"\xe9"', ('"\xe9"',)),
        ('"a"\n', ()),
    ],
)
def test_h7_a_list_of_tags(text, expected):
    """No escapes, commas may stand in a tag, and a list with anything else in it has none."""
    assert listed_etags(text) == expected


def test_rfc9110_8_8_3_2_the_table_of_comparisons():
    """Strong: same bytes. Weak: same meaning."""
    table = [
        ('W/"1"', 'W/"1"', False, True),
        ('W/"1"', 'W/"2"', False, False),
        ('W/"1"', '"1"', False, True),
        ('"1"', '"1"', True, True),
    ]
    for one, other, strong, weak in table:
        assert (strongly_equal(one, other), weakly_equal(one, other)) == (strong, weak)
        assert (strongly_equal(other, one), weakly_equal(other, one)) == (strong, weak)
    assert not weakly_equal("a", "a")
    assert not strongly_equal("a", "a")


@given(st.lists(st.binary(max_size=5)), st.booleans())
def test_h6_a_made_tag_depends_on_the_bytes_alone(pieces, weak):
    """Not on how they were cut, not on the process."""
    tag = make_etag(pieces, weak=weak)
    assert tag == make_etag([b"".join(pieces)], weak=weak)
    assert is_etag(tag)
    assert tag.startswith("W/") is weak
    assert tag != make_etag([*pieces, b"x"], weak=weak)


def test_h6_the_tag_of_today_is_the_tag_of_tomorrow():
    """A client may come back with it after a deployment."""
    assert make_etag([b"hello"]) == '"46fb7408d4f285228f4af516ea25851b"'
