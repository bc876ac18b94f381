"""RFC 9111 §4.1: variants, and when two requests ask for the same one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.http.vary import merged_vary, normalised, variant_of, vary_names
from tests.unit.http.heads import head

CODINGS = ("br", "gzip", "zstd")


def norm(name, *values):
    return normalised(name, head(*(f"{name}: {value}" for value in values)), CODINGS)


def test_h5_names_have_no_case_and_no_order():
    """Several lines are one list, and a name twice is once."""
    assert vary_names(head("Vary: Origin, accept", "vary: ACCEPT")) == ("accept", "origin")
    assert vary_names(head()) == ()


@pytest.mark.parametrize("value", ["*", "accept, *", '"accept"', "a b", "a;b"])
def test_h5_what_can_not_be_matched_is_no_variant(value):
    """RFC 9111 §4.1: a star never matches; a list that can't be read could mean it."""
    assert vary_names(head(f"Vary: {value}")) is None


def test_h5_a_coded_response_varies_on_the_codings_said_or_not():
    """Who can't read gzip is not sent it because somebody else could."""
    assert vary_names(head("Content-Encoding: gzip")) == ("accept-encoding",)


def test_h5_a_coding_that_is_not_in_use_varies_on_the_whole_field():
    """What its clients have in common isn't known, so nothing of the field is lost: RFC 9110 §12.5.3."""
    names = vary_names(head("Content-Encoding: gzip, aes128gcm", "Vary: Accept"))
    assert names is not None
    assert "accept" in names
    variants = {variant_of(names, head("Accept: a", line), CODINGS) for line in ("Accept-Encoding: x", "X: y")}
    assert variants == {("a", "x"), ("a", None)}
    assert names != vary_names(head("Content-Encoding: gzip", "Vary: Accept"))


def test_h5_the_set_of_names_only_grows():
    """A response that names fewer fields lies under all that were ever named."""
    assert merged_vary(("origin",), ("accept", "origin")) == ("accept", "origin")


def test_h5_absent_is_not_empty():
    """RFC 9111 §4.1: only another absence matches it."""
    assert norm("accept") is None
    assert norm("accept", "") == ""
    assert variant_of(("accept", "origin"), head("Origin: a"), CODINGS) == (None, "a")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("gzip, deflate, br", "br,gzip"),
        ("br,gzip,  deflate", "br,gzip"),
        ("GZIP;Q=1.0, br;q=1", "br,gzip"),
        ("gzip;q=1, br;q=0.5", "gzip,br"),
        ("gzip;q=0", ""),
        ("gzip;q=2", ""),
        ("", ""),
        ("identity", ""),
        ("deflate", ""),
        ("*", "br,gzip,zstd"),
        ("*;q=0", "identity;q=0"),
        ("gzip, *;q=0", "gzip,identity;q=0"),
        ("gzip, identity;q=0", "gzip,identity;q=0"),
        ("gzip;q=0, *", "br,zstd"),
        ("x-gzip", "gzip"),
    ],
)
def test_h5_accept_encoding_is_reduced_to_the_codings_in_use(value, expected):
    """By preference: RFC 9110 §12.5.3."""
    assert norm("accept-encoding", value) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("en-GB,en;q=0.9, de;q=0.8",), "en-gb,en;q=0.9,de;q=0.8"),
        (("de;q=0.80", "en;q=0.9,EN-gb"), "en-gb,en;q=0.9,de;q=0.8"),
        (("en, de",), "en,de"),
        (("de, en",), "de,en"),
        (("en;q=high",), "en;q=high"),
        (("",), ""),
    ],
)
def test_h5_accept_language_loses_case_space_and_order(values, expected):
    """But no preference; what can't be read stays as it is."""
    assert norm("accept-language", *values) == expected


@pytest.mark.parametrize(
    ("values", "expected"), [((" a ,b ",), "a ,b"), (("a", "b"), "a, b"), (("A",), "A"), (("caf\xe9",), "caf\xe9")]
)
def test_h5_other_fields_are_joined_and_trimmed(values, expected):
    """More would need to know what they mean."""
    assert norm("x-feature", *values) == expected


@given(st.text(alphabet="gzipbr*identy;q=0.1, "))
def test_h5_normalising_twice_changes_nothing(value):
    """The normal form of a normal form is itself."""
    for name in ("accept-encoding", "accept-language"):
        once = norm(name, value)
        assert norm(name, once) == once
