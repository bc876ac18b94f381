"""RFC 9110 §13, RFC 9111 §4.3.2: when 304 says it all."""

import pytest

from evercache.http.conditional import is_not_modified, not_modified_fields, range_is_wanted
from evercache.http.dates import format_date
from tests.unit.http.heads import NOW, head


def same(asked, lines, method="GET", status=200):
    return is_not_modified(method, head(*asked), status, head(*lines), NOW)


@pytest.mark.parametrize(
    ("tags", "etag", "expected"),
    [
        ('"a"', '"a"', True),
        ('W/"a"', '"a"', True),
        ('"a"', 'W/"a"', True),
        ('"b", "a"', '"a"', True),
        ('"b"', '"a"', False),
        ("*", '"a"', True),
        ("a", "a", False),
        ('"a", x', '"a"', False),
        ("", '"a"', False),
        ('"a"', "", False),
    ],
)
def test_h7_if_none_match_is_compared_weakly(tags, etag, expected):
    """What isn't a tag equals nothing."""
    assert same((f"If-None-Match: {tags}",), (f"ETag: {etag}",)) is expected


def test_h7_several_lines_of_if_none_match_are_one_list():
    """And a star is any response at all, also without a tag."""
    assert same(('If-None-Match: "b"', 'If-None-Match: "a"'), ('ETag: "a"',))
    assert same(("If-None-Match: *",), ())
    assert not same(('If-None-Match: "a"',), ())


def test_h7_if_none_match_counts_alone():
    """RFC 9110 §13.1.3: If-Modified-Since beside it is not looked at."""
    since = f"If-Modified-Since: {format_date(NOW)}"
    lines = ('ETag: "a"', f"Last-Modified: {format_date(NOW - 9)}")
    assert same((since,), lines)
    assert not same((since, 'If-None-Match: "b"'), lines)
    assert not same((since, "If-None-Match: nonsense"), lines)


def test_h7_if_modified_since_is_compared_with_the_last_change():
    """RFC 9111 §4.3.2: or, without one, with Date, or with when the response came."""
    since = (f"If-Modified-Since: {format_date(NOW - 10)}",)
    assert same(since, (f"Last-Modified: {format_date(NOW - 10)}",))
    assert not same(since, (f"Last-Modified: {format_date(NOW - 9)}",))
    assert same(since, (f"Date: {format_date(NOW - 10)}",))
    assert not same(since, ())
    assert same((f"If-Modified-Since: {format_date(NOW)}",), ())


@pytest.mark.parametrize("value", ["yesterday", "", "0", "Tue, 14 Nov 2023 22:13:20 UTC"])
def test_h7_an_unreadable_if_modified_since_is_not_there(value):
    """RFC 9110 §13.1.3."""
    assert not same((f"If-Modified-Since: {value}",), (f"Last-Modified: {format_date(0)}",))


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [
        ("GET", 200, True),
        ("HEAD", 200, True),
        ("QUERY", 200, True),
        ("POST", 200, False),
        ("GET", 199, False),
        ("GET", 299, True),
        ("GET", 300, False),
        ("GET", 404, False),
        ("GET", 301, False),
    ],
)
def test_h7_only_successful_answers_to_reading_methods_have_conditions(method, status, expected):
    """RFC 9110 §13.2.1."""
    assert same(("If-None-Match: *",), ('ETag: "a"',), method, status) is expected


def test_h7_origin_conditions_are_the_origins_to_decide():
    """RFC 9111 §4.3.2."""
    assert not same(('If-Match: "b"', f"If-Unmodified-Since: {format_date(0)}"), ('ETag: "a"',))


def test_h7_a_304_says_everything_but_what_describes_the_body():
    """RFC 9110 §15.4.5; a browser also needs what isn't about the representation."""
    kept = ['ETag: "a"', "Cache-Control: max-age=1", "Content-Location: /a", "Date: x", "Expires: x", "Vary: a", "Age: 1",
            "Access-Control-Allow-Origin: *"]  # fmt: skip
    gone = [
        "Content-Type: a",
        "Content-Length: 1",
        "Content-Encoding: gzip",
        "Content-Language: en",
        "Last-Modified: x",
    ]
    assert not_modified_fields(head(*kept, *gone)) == head(*kept)
    assert not_modified_fields(head("Last-Modified: x", "Content-Length: 1")) == head("Last-Modified: x")


@pytest.mark.parametrize(
    ("condition", "lines", "expected"),
    [
        (None, (), True),
        ('"a"', ('ETag: "a"',), True),
        ('W/"a"', ('ETag: W/"a"',), False),
        ('"b"', ('ETag: "a"',), False),
        ("a", ("ETag: a",), False),
        (format_date(NOW - 60), (f"Last-Modified: {format_date(NOW - 60)}",), True),
        (format_date(NOW - 59), (f"Last-Modified: {format_date(NOW - 59)}",), False),
        (format_date(NOW - 90), (f"Last-Modified: {format_date(NOW - 91)}",), False),
        (format_date(NOW - 90), (f"Last-Modified: {format_date(NOW - 90)}", f"Date: {format_date(NOW - 60)}"), False),
        ("nonsense", (), False),
    ],
)
def test_h13_if_range_is_compared_strongly(condition, lines, expected):
    """RFC 9110 §13.1.5: a date only if it is strong, a minute or more before Date (§8.8.2.2)."""
    asked = () if condition is None else (f"If-Range: {condition}",)
    assert range_is_wanted(head(*asked), head(*lines), NOW) is expected
