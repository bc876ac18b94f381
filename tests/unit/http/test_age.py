"""RFC 9111 §4.2.3: how old a response is when it comes, and later."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.http.age import age_on_arrival
from evercache.http.dates import format_date
from tests.unit.http.heads import NOW, head, stored


def age(*lines, requested=NOW, received=NOW):
    return age_on_arrival(head(*lines), requested, received)


def test_h3_the_time_of_answering_is_age():
    """A response describes the moment of the question, not of its arrival."""
    assert age(requested=NOW - 3) == 3


def test_h3_the_older_of_date_and_age_counts():
    """Both ways round: corrected_initial_age = max(apparent_age, corrected_age_value)."""
    date = f"Date: {format_date(NOW - 10)}"
    assert age(date) == 10
    assert age(date, "Age: 4") == 10
    assert age(date, "Age: 40") == 40
    assert age(date, "Age: 40", requested=NOW - 2) == 42


@pytest.mark.parametrize(
    ("value", "expected"),
    [("7", 7), ("7, 9", 7), ("-7", 0), ("7.5", 0), ("a", 0), ("", 0), ("7;x=1", 0), ('"7"', 0), ("x, 7", 0)],
)
def test_h3_the_first_member_of_age_counts_if_it_is_digits(value, expected):
    """RFC 9111 §5.1."""
    assert age(f"Age: {value}") == expected


def test_h3_a_date_ahead_of_the_clock_is_no_negative_age():
    """Nor is an unreadable one any age at all."""
    assert age(f"Date: {format_date(NOW + 100)}") == 0
    assert age("Date: yesterday") == 0


@given(st.floats(0, 0.999))
def test_h3_a_part_of_a_second_is_no_age(part):
    """Date has whole seconds: a response with max-age=1 must not be stale by chance."""
    assert age(f"Date: {format_date(NOW)}", requested=NOW + part, received=NOW + part) == 0


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_h3_nothing_grows_younger(one, other):
    """Later is older, whatever the clock does."""
    response = stored("Age: 5")
    earlier, later = sorted((one, other))
    assert 5 <= response.age_at(NOW + earlier) <= response.age_at(NOW + later)
    assert response.age_at(NOW - later) == 5
