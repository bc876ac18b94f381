"""RFC 9110 §14: one part of a complete body."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.http.ranges import Answer, Part, choose_part, partial_fields, unsatisfiable_fields
from tests.unit.http.heads import NOW, head


def choose(value, length=10, method="GET", status=200, lines=(), asked=()):
    return choose_part(method, head(f"Range: {value}", *asked), status, head(*lines), length, NOW)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-0", Part(0, 1)),
        ("bytes=2-4", Part(2, 5)),
        ("BYTES=2-", Part(2, 10)),
        ("bytes=0-99", Part(0, 10)),
        ("bytes=-3", Part(7, 10)),
        ("bytes=-99", Part(0, 10)),
        ("bytes= 2-4 ", Part(2, 5)),
        ("bytes=0-" + "9" * 6000, Part(0, 10)),
        ("bytes=-" + "9" * 6000, Part(0, 10)),
        ("bytes=10-", Answer.UNSATISFIABLE),
        ("bytes=10-12", Answer.UNSATISFIABLE),
        ("bytes=-0", Answer.UNSATISFIABLE),
        ("bytes=" + "9" * 6000 + "-", Answer.UNSATISFIABLE),
        ("bytes=4-2", Answer.WHOLE),
        ("bytes=-", Answer.WHOLE),
        ("bytes=", Answer.WHOLE),
        ("bytes=1", Answer.WHOLE),
        ("bytes=a-b", Answer.WHOLE),
        ("bytes=+1-2", Answer.WHOLE),
        ("bytes=0-1,3-4", Answer.WHOLE),
        ("items=0-1", Answer.WHOLE),
        ("", Answer.WHOLE),
        ("bytes=٠-١", Answer.WHOLE),
    ],
)
def test_h13_one_range_is_a_part_and_anything_else_the_whole(value, expected):
    """RFC 9110 §14.2: a range that can't be read isn't there; one that can't be met is 416."""
    pairs = [(b"range", value.encode())]
    assert choose_part("GET", pairs, 200, [], 10, NOW) == expected


def test_h13_only_a_get_for_a_complete_success_has_ranges():
    """RFC 9110 §14.2."""
    assert choose("bytes=0-1", method="HEAD") is Answer.WHOLE
    assert choose("bytes=0-1", method="QUERY") is Answer.WHOLE
    assert choose("bytes=0-1", status=203) is Answer.WHOLE
    assert choose("bytes=0-", length=0) is Answer.UNSATISFIABLE
    assert choose_part("GET", [], 200, [], 10, NOW) is Answer.WHOLE


def test_h13_if_range_decides_before():
    """RFC 9110 §13.2.2: another representation is sent whole."""
    assert choose("bytes=0-1", lines=('ETag: "a"',), asked=('If-Range: "a"',)) == Part(0, 2)
    assert choose("bytes=99-", lines=('ETag: "a"',), asked=('If-Range: "b"',)) is Answer.WHOLE


def test_h13_the_fields_of_a_part_and_of_none():
    """RFC 9110 §14.4."""
    whole = head("content-length: 10", 'etag: "a"')
    assert partial_fields(whole, Part(2, 5), 10) == head(
        'etag: "a"', "content-range: bytes 2-4/10", "content-length: 3"
    )
    assert unsatisfiable_fields(10) == head("content-range: bytes */10", "content-length: 0")


@given(st.text(alphabet="bytes=0123-, "), st.integers(0, 30))
def test_h13_a_part_is_never_empty_and_never_longer_than_the_body(value, length):
    """Whatever a client asks."""
    found = choose("bytes=" + value, length)
    assert isinstance(found, Answer) or 0 <= found.start < found.stop <= length
