"""RFC 9111 §4.3: asking whether a stored response still holds."""

from evercache.http.dates import format_date
from evercache.http.policy import Policy
from evercache.http.response import arrived
from evercache.http.storable import Refusal, may_store
from evercache.http.validate import merged_fields, unconditional, with_conditions
from tests.unit.http.heads import NOW, RULE, head


def test_h8_the_question_is_about_the_stored_response():
    """The client's own conditions are about the client's copy, and a part would not do."""
    asked = head('If-None-Match: "mine"', 'If-Match: "x"', "Range: bytes=0-1", 'If-Range: "y"', "Accept: a")
    response = head('ETag: W/"s"', f"Last-Modified: {format_date(NOW)}")
    assert with_conditions(asked, response, NOW) == [
        (b"accept", b"a"),
        (b"if-none-match", b'W/"s"'),
        (b"if-modified-since", format_date(NOW).encode()),
    ]
    assert unconditional(asked) == [(b"accept", b"a")]


def test_h8_what_is_no_validator_is_not_asked_with():
    """Malformed tags and dates."""
    assert with_conditions([], head("ETag: a", "Last-Modified: long ago"), NOW) == []


def test_h8_a_304_updates_what_does_not_describe_the_body():
    """RFC 9111 §3.2: all lines of a name are replaced, others stay, in order."""
    before = head("Content-Type: a", "Link: <1>", "Link: <2>", "X-A: 1", "Content-Length: 5", "Content-Encoding: gzip")
    update = head(
        "Link: <3>", "Content-Type: b", "Content-Length: 0", "Content-Encoding: br", "Content-Range: x", "X-B: 1"
    )
    assert merged_fields(before, update) == [
        (b"content-type", b"a"),
        (b"x-a", b"1"),
        (b"content-length", b"5"),
        (b"content-encoding", b"gzip"),
        (b"link", b"<3>"),
        (b"x-b", b"1"),
    ]


def test_h8_a_304_brings_no_cookie_and_no_field_of_one_hop():
    """They are for the client that asked."""
    update = head("Set-Cookie: a=1", "Connection: X-Hop", "X-Hop: 1", "Age: 5")
    assert merged_fields(head("X-A: 1"), update) == [(b"x-a", b"1")]


def test_h8_another_tag_is_accepted_from_the_only_candidate():
    """Only one response was asked about."""
    assert merged_fields(head('ETag: "a"'), head('ETag: "b"')) == [(b"etag", b'"b"')]


def test_h8_a_304_without_date_makes_the_response_new():
    """The old Date would make it as old as it was."""
    merged = merged_fields(head(f"Date: {format_date(NOW - 99)}", "Cache-Control: max-age=9"), [])
    assert arrived(200, merged, Policy(), requested=NOW, received=NOW).fresh_for(NOW) == 9


def test_h8_the_date_of_a_304_is_the_date_of_the_response():
    """From then on it has been true."""
    old, new = f"Date: {format_date(NOW - 99)}", f"Date: {format_date(NOW - 2)}"
    merged = merged_fields(head(old, "Cache-Control: max-age=9"), head(new))
    assert arrived(200, merged, Policy(), requested=NOW, received=NOW).fresh_for(NOW) == 7


def test_h8_a_304_may_forbid_storing():
    """Whether the response may be stored is asked anew."""
    merged = merged_fields(head("Cache-Control: max-age=9"), head("Cache-Control: no-store"))
    response = arrived(200, merged, RULE, requested=NOW, received=NOW)
    assert may_store("GET", [], merged, response, RULE, ()) is Refusal.NO_STORE
