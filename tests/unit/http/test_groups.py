"""RFC 9875: tags in header fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.http.groups import group_tag, groups_of, invalidated_groups
from tests.unit.http.heads import head


def test_h12_groups_are_strings_compared_by_character():
    """RFC 9875 §2: parameters are ignored, lines are one list, each group is once."""
    assert groups_of(head('Cache-Groups: "a", "A";x', 'Cache-Groups: "a", "b c"')) == ("a", "A", "b c")


@pytest.mark.parametrize("value", ["", "a", '"a", b', '"a",', '"a" "b"', '("a")', "1", '%"a"'])
def test_h12_what_is_no_list_of_strings_is_not_there(value):
    """RFC 9651: as a whole."""
    assert groups_of(head(f"Cache-Groups: {value}")) == ()


def test_h12_the_names_that_cdns_know_mean_the_same():
    """Where the rule doesn't turn them off."""
    lines = head('Cache-Groups: "a"', "Surrogate-Key: b  c", "Cache-Tag: d, e f,")
    assert groups_of(lines) == ("a", "b", "c", "d", "e f")
    assert groups_of(lines, aliases=False) == ("a",)


@pytest.mark.parametrize(
    ("method", "expected"),
    [("POST", ("a", "b")), ("DELETE", ("a", "b")), ("X", ("a", "b")), ("GET", ()), ("QUERY", ()), ("HEAD", ())],
)
def test_h12_only_responses_to_unsafe_methods_invalidate(method, expected):
    """RFC 9875 §3."""
    assert invalidated_groups(method, head('Cache-Group-Invalidation: "a", "b", "a"')) == expected


TEXT = st.text(alphabet="ab:1/", max_size=5)


@given(TEXT, TEXT, TEXT, TEXT)
def test_h12_a_group_lives_in_one_origin(origin, group, other_origin, other_group):
    """No two pairs of origin and group share a tag."""
    same = group_tag(origin, group) == group_tag(other_origin, other_group)
    assert same == ((origin, group) == (other_origin, other_group))
