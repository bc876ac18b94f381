"""What a hit carries."""

from evercache.http.answer import answer_fields, private_fields
from tests.unit.http.heads import head


def test_h3_h4_the_fields_are_replayed_unchanged_with_the_age_of_now():
    """A part of a second is not said; a freshness that is counted down would count twice."""
    stored = head("cache-control: max-age=60", "link: <a>", "link: <b>")
    assert answer_fields(stored, 7.9, date=True) == [*stored, (b"age", b"7")]


def test_h3_there_are_never_two_dates():
    """uvicorn writes its own; a response with two has none."""
    stored = head("date: x", "a: b")
    assert answer_fields(stored, 0, date=False) == head("a: b", "age: 0")
    assert answer_fields(stored, 0, date=True) == head("date: x", "a: b", "age: 0")


def test_h6_h12_what_is_added_and_what_was_for_this_cache():
    """The made tag is added, targeted fields and groups are left out where the rule says so."""
    stored = head("App-Cache-Control: max-age=1", "a: b")
    sent = answer_fields(stored, 0, etag='"t"', dropped={b"app-cache-control"}, date=True)
    assert sent == head("a: b", 'etag: "t"', "age: 0")


def test_sec3_what_is_stored_for_one_principal_is_private_on_its_way():
    """Other directives stay, also those with commas in them."""
    sent = private_fields(
        head('Cache-Control: public, max-age=5, private="a, b", no-cache="c, d"', "Cache-Control: s-maxage=9", "a: b")
    )
    assert sent == head("a: b", 'cache-control: private, max-age=5, no-cache="c, d"')
    assert private_fields([]) == head("cache-control: private")
