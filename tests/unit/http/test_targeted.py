"""RFC 9213: directives for this cache alone."""

import pytest

from evercache.http.targeted import applicable_directives
from tests.unit.http.heads import head

TARGETS = (b"app-cache-control", b"cdn-cache-control")


def seconds(*lines):
    return applicable_directives(head(*lines), TARGETS).seconds("max-age")


def test_h1_a_targeted_field_comes_before_cache_control():
    """RFC 9213 §2.2: the first of the list that is valid wins, and Cache-Control is not looked at."""
    lines = ("Cache-Control: no-store, max-age=1", "CDN-Cache-Control: max-age=2", "App-Cache-Control: max-age=3")
    found = applicable_directives(head(*lines), TARGETS)
    assert (found.seconds("max-age"), found.targeted, "no-store" in found) == (3, True, False)
    assert seconds(*lines[:2]) == 2
    assert seconds(*lines[:1]) == 1


@pytest.mark.parametrize("value", ["", "max-age=2,", "Max-Age=2", "max-age=2;", "max-age=2 no-store", '"max-age=2"'])
def test_h1_a_targeted_field_that_is_malformed_is_not_there(value):
    """RFC 9213 §2.1: empty or not parsed, it falls back."""
    found = applicable_directives(head("Cache-Control: max-age=1", f"CDN-Cache-Control: {value}"), TARGETS)
    assert (found.seconds("max-age"), found.targeted) == (1, False)


@pytest.mark.parametrize("value", ['"2"', "two", "2.0", "?1", ":Mg==:", "@2", "(2)"])
def test_h1_a_directive_of_another_type_is_not_there(value):
    """Only an integer counts seconds; the rest of the field holds, and Cache-Control still doesn't."""
    found = applicable_directives(head("Cache-Control: max-age=1", f"CDN-Cache-Control: max-age={value}, a"), TARGETS)
    assert (found.seconds("max-age"), found.targeted) == (None, True)


def test_h1_values_are_mapped_and_parameters_ignored():
    """RFC 9213 §2.1: strings name fields, true means without argument, a negative number of seconds is none."""
    found = applicable_directives(
        head('CDN-Cache-Control: max-age=-5;x=1, must-revalidate=?0, no-store;a, no-cache="a, b", private'), TARGETS
    )
    assert found.seconds("max-age") == 0
    assert "must-revalidate" not in found
    assert "no-store" in found
    assert found.fields("no-cache") == {b"a", b"b"}
    assert found.unqualified("private")


def test_h1_other_directives_have_types_too():
    """Only strings and tokens name fields; a decimal or bytes are no value of any directive."""
    found = applicable_directives(
        head("CDN-Cache-Control: no-cache=5, private=x-a, public=1.5, a=:aGk=:, b=5"), TARGETS
    )
    assert found.arguments == {"private": ("x-a",), "b": ("5",)}


def test_h1_lines_of_a_targeted_field_are_one_dictionary():
    """The last of a name counts, as in every dictionary."""
    assert seconds("CDN-Cache-Control: max-age=9", "CDN-Cache-Control: max-age=2") == 2
