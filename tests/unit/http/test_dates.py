"""RFC 9110 §5.6.7: three forms are dates, everything else is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.http.dates import format_date, parse_date

NOW = 1_700_000_000.0
SAME_MOMENT = 784111777.0


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "sun, 06 nov 1994 08:49:37 gmt",
        "SUNDAY, 06-NOV-94 08:49:37 GMT",
    ],
)
def test_h1_the_three_forms_in_any_case_are_one_moment(text):
    """RFC 9110 §5.6.7: a recipient must accept all three."""
    assert parse_date(text, NOW) == SAME_MOMENT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 AEST",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun, 06  Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08.49.37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        "1994-11-06T08:49:37Z",
    ],
)
def test_h1_anything_else_is_no_date(text):
    """A lenient parser makes a response live on what no other recipient takes for a date."""
    assert parse_date(text, NOW) is None


def test_rfc9110_a_year_of_two_digits_is_at_most_fifty_years_ahead():
    """What would be farther ahead is the last past year with these digits."""
    assert format_date(parse_date("Friday, 01-Jan-70 00:00:00 GMT", NOW)) == "Wed, 01 Jan 2070 00:00:00 GMT"
    assert format_date(parse_date("Friday, 01-Jan-73 00:00:00 GMT", NOW)) == "Sun, 01 Jan 2073 00:00:00 GMT"
    assert format_date(parse_date("Friday, 01-Jan-74 00:00:00 GMT", NOW)) == "Tue, 01 Jan 1974 00:00:00 GMT"


def test_rfc9110_a_leap_second_is_a_second():
    """The grammar allows 60 where a leap second can be."""
    last = parse_date("Sat, 31 Dec 2016 23:59:59 GMT", NOW)
    assert parse_date("Sat, 31 Dec 2016 23:59:60 GMT", NOW) == last + 1


@given(st.integers(0, 253402300799))
def test_what_is_written_is_read_again(moment):
    """IMF-fixdate, to the second, for each moment of the calendar."""
    assert parse_date(format_date(moment), NOW) == moment


@given(st.floats(allow_nan=False))
def test_every_moment_has_a_form(moment):
    """Outside of the calendar it is the calendar's end."""
    assert parse_date(format_date(moment), NOW) is not None


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", fullmatch=True))
def test_no_text_makes_it_raise(text):
    """Malformed is None."""
    parse_date(text, NOW)
