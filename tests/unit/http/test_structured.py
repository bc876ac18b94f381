"""RFC 9651: right as a whole, or not there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.http.structured import Date, Display, Item, Token, parse_dictionary, parse_list, serialize


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("-0", 0),
        ("999999999999999", 999999999999999),
        ("1.5", 1.5),
        ('"a\\"b"', 'a"b'),
        ("a/b:c", Token("a/b:c")),
        ("*a", Token("*a")),
        (":aGk=:", b"hi"),
        (":aGk:", b"hi"),
        ("?1", True),
        ("?0", False),
        ("@-62135596800", Date(-62135596800)),
        ('%"f%c3%bc"', Display("fü")),
    ],
)
def test_bare_items(text, expected):
    """RFC 9651 §3.3: a value and its type."""
    (item,) = parse_list(text)
    assert (item.value, type(item.value), item.parameters) == (expected, type(expected), {})


@pytest.mark.parametrize(
    "text",
    ["1,", ",1", "1;", "1 2", "1.", "1.2345", "1000000000000000", "--1", '"a', '"é"', '"a\\b"', "?2", "?", ":a b:", ":a:",
     "@1.5", '%"%ZZ"', '%"%ff"', "é", "(1", "(1,2)", "(1 2)3", "a;B=1", "a;=1", "=1"],
)  # fmt: skip
def test_one_misplaced_character_and_nothing_is_there(text):
    """RFC 9651 §4.2: parsing fails as a whole."""
    assert parse_list(text) is None


def test_lists_inner_lists_and_parameters():
    """RFC 9651 §3.1."""
    assert parse_list('(a "b";x);y=2 ,\t c') == [
        Item((Item(Token("a"), {}), Item("b", {"x": True})), {"y": 2}),
        Item(Token("c"), {}),
    ]
    assert parse_list("") == []


def test_dictionaries_keep_the_last_of_a_name():
    """RFC 9651 §3.2; names are in lower case, or the whole isn't one."""
    assert parse_dictionary("a=1, b, a=2;x") == {"a": Item(2, {"x": True}), "b": Item(True, {})}
    assert parse_dictionary("A=1") is None


def test_items_are_written():
    """As far as Cache-Status needs it."""
    assert serialize(Token("evercache"), {"hit": True, "ttl": -3, "key": 'a"\\', "x": False}) == (
        'evercache;hit;ttl=-3;key="a\\"\\\\";x=?0'
    )


@pytest.mark.parametrize("value", [Token("a b"), Token(""), "ü", "a\n", 1.5, b"x"])
def test_what_has_no_form_is_refused(value):
    """Nothing is written that could not be read again."""
    with pytest.raises(ValueError, match="no form"):
        serialize(value)


TEXT = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126))


@given(TEXT | st.integers(-(10**15) + 1, 10**15 - 1) | st.booleans())
def test_what_is_written_is_read_again(value):
    """Values and their types."""
    assert parse_list(serialize(value)) == [Item(value, {})]


@given(st.text(alphabet=st.sampled_from('a1-.";,= ():?@%*\\\té')) | st.text())
def test_no_text_makes_it_raise(text):
    """Malformed is None."""
    parse_list(text)
    parse_dictionary(text)
