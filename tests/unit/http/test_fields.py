"""Header pairs: order, repetition, case, lists, and what stays at this hop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.http.fields import combined, end_to_end, folded, is_token, listed, members, values, without
from tests.unit.http.heads import head


def test_a7_order_and_repetition_survive():
    """Two cookies are two lines, and stay where they are."""
    fields = head("Set-Cookie: a=1", "X-One: 1", "set-cookie: b=2")
    assert folded(fields) == [(b"set-cookie", b"a=1"), (b"x-one", b"1"), (b"set-cookie", b"b=2")]
    assert without(fields, {b"x-one"}) == [fields[0], fields[2]]


def test_rfc9110_5_3_lines_of_one_name_are_one_list():
    """Names have no case, and the order of the lines is the order of the members."""
    fields = head("Vary: Accept", "VARY: Origin,  Cookie")
    assert values(fields, b"vary") == ["Accept", "Origin,  Cookie"]
    assert combined(fields, b"vary") == "Accept, Origin,  Cookie"
    assert listed(fields, b"vary") == ["Accept", "Origin", "Cookie"]
    assert combined(fields, b"accept") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" , ,\t", []),
        ("a,b , c", ["a", "b", "c"]),
        ('a="x, y", b', ['a="x, y"', "b"]),
        (r'a="x\", y", b', [r'a="x\", y"', "b"]),
        ('a="", b', ['a=""', "b"]),
        ('a="x, no-store', ['a="x', "no-store"]),
        ('a="x", b="y, no-store', ['a="x"', 'b="y', "no-store"]),
        ('a="x\\', ['a="x\\']),
    ],
)
def test_rfc9110_5_6_1_members_of_a_list(text, expected):
    """Empty members are none; a quoted comma separates nothing; a quote without an end hides nothing."""
    assert members(text) == expected


@given(st.text(alphabet='a,"\\ =\t', max_size=60))
def test_splitting_loses_no_character_but_commas_and_space(text):
    """Whatever the quotes look like."""
    plain = str.maketrans("", "", ", \t")
    assert "".join(members(text)).translate(plain) == text.translate(plain)


@pytest.mark.parametrize("piece", ['"\\', '"', '",', '\\"', "a,", '"a"'])
def test_a_long_list_is_split_in_linear_time(piece):
    """A client can't buy a second of work with a header: quadratic time would end in the time-out of this test."""
    members('"' + piece * 200_000)


def test_h15_what_belongs_to_one_hop_is_not_stored():
    """RFC 9111 §3.1, RFC 9110 §7.6.1: hop-by-hop fields, what Connection names, and everything of proxies."""
    fields = head(
        "Connection: close, X-Hop",
        "Keep-Alive: 5",
        "X-Hop: 1",
        "Transfer-Encoding: chunked",
        "TE: trailers",
        "Trailer: x",
        "Upgrade: h2c",
        "Proxy-Authenticate: Basic",
        "Proxy-Connection: close",
        "Content-Type: text/html",
        "Link: <a>",
        "Link: <b>",
    )
    assert end_to_end(fields) == [(b"content-type", b"text/html"), (b"link", b"<a>"), (b"link", b"<b>")]


@pytest.mark.parametrize(
    ("text", "expected"), [("max-age", True), ("", False), ("a b", False), ("é", False), ("a=", False)]
)
def test_rfc9110_5_6_2_tokens(text, expected):
    """Names of fields, methods and directives."""
    assert is_token(text) is expected
