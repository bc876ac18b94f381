"""RFC 9111 §4.2.1: how long a response is fresh, and who says so."""

import pytest

from evercache.http.dates import format_date
from evercache.http.lifetime import Source
from evercache.http.policy import Audience, Mode, Policy
from tests.unit.http.heads import NOW, RULE, stored


def lifetime(*lines, status=200, policy=RULE):
    found = stored(*lines, status=status, policy=policy).lifetime
    return found.seconds, found.source


EXPIRES = f"Expires: {format_date(NOW + 30)}"


def test_h1_the_order_of_those_who_may_say_it():
    """Targeted, s-maxage, max-age, Expires less Date, the rule."""
    lines = [
        "CDN-Cache-Control: max-age=1",
        "Cache-Control: s-maxage=2",
        "Cache-Control: max-age=3",
        f"Expires: {format_date(NOW + 4)}",
    ]
    wins = [(1, Source.MAX_AGE), (2, Source.S_MAXAGE), (3, Source.MAX_AGE), (4, Source.EXPIRES), (60, Source.RULE)]
    for position, win in enumerate(wins):
        assert lifetime(*lines[position:]) == win


def test_h1_expires_counts_from_date():
    """Not from the clock of this machine."""
    assert lifetime(EXPIRES, f"Date: {format_date(NOW - 10)}") == (40, Source.EXPIRES)
    assert lifetime(EXPIRES, f"Date: {format_date(NOW + 40)}") == (0, Source.EXPIRES)
    assert lifetime(EXPIRES, "Date: nonsense") == (30, Source.EXPIRES)


@pytest.mark.parametrize("value", ["0", "", "-1", "Thu, 01 Jan 2037 00:00:00 UTC", "2037-01-01"])
def test_h1_an_unreadable_expires_is_in_the_past(value):
    """RFC 9111 §5.3: and the rule doesn't fill it, for the application has spoken."""
    assert lifetime(f"Expires: {value}") == (0, Source.EXPIRES)


def test_h1_of_two_expires_the_earlier_counts():
    """An unreadable one is earlier than any."""
    assert lifetime(EXPIRES, f"Expires: {format_date(NOW + 5)}") == (5, Source.EXPIRES)
    assert lifetime(EXPIRES, "Expires: 0") == (0, Source.EXPIRES)


def test_h1_expires_says_no_more_than_max_age_could():
    """RFC 9111 §1.2.2: an application that means "for ever" writes the last date that it knows."""
    assert lifetime("Expires: Fri, 31 Dec 9999 23:59:59 GMT") == (2**31, Source.EXPIRES)


def test_rfc9213_a_targeted_field_without_freshness_silences_expires():
    """The rule fills the gap, not the field that is not for this cache."""
    assert lifetime(EXPIRES, "CDN-Cache-Control: public") == (60, Source.RULE)


def test_h2_the_rule_applies_where_the_application_said_nothing():
    """And to statuses that may be reused without being told so."""
    assert lifetime() == (60, Source.RULE)
    assert lifetime("Cache-Control: max-age=0") == (0, Source.MAX_AGE)
    assert lifetime(status=301) == (60, Source.RULE)
    assert lifetime(status=302) == (0, Source.NOBODY)
    assert lifetime(status=404) == (0, Source.NOBODY)
    assert lifetime(status=404, policy=Policy(ttl=5, negative=frozenset({404}))) == (5, Source.RULE)


def test_h2_an_overriding_rule_goes_first_and_a_shortening_one_takes_the_less():
    """The two other ways in which a rule meets the application's word."""
    override, shorten = Policy(ttl=60, mode=Mode.OVERRIDE), Policy(ttl=60, mode=Mode.SHORTEN)
    assert lifetime("Cache-Control: max-age=5", policy=override) == (60, Source.RULE)
    assert lifetime("Cache-Control: max-age=5", policy=shorten) == (5, Source.MAX_AGE)
    assert lifetime("Cache-Control: max-age=90", policy=shorten) == (60, Source.RULE)


def test_sec5_only_the_response_itself_is_explicit():
    """A rule and a guess are not its word."""
    said = [(EXPIRES,), ("Cache-Control: max-age=1",), ("Cache-Control: s-maxage=1",)]
    assert all(stored(*lines, policy=RULE).lifetime.explicit for lines in said)
    assert not stored(policy=RULE).lifetime.explicit
    assert not stored(policy=Policy()).lifetime.explicit


def test_h2_guesses_are_off_until_asked_for():
    """RFC 9111 §4.2.2: a part of the time without a change, a day at most, and only for a status that allows it."""
    line = f"Last-Modified: {format_date(NOW - 1000)}"
    guess = Policy(heuristic=0.1)
    assert lifetime(line, policy=Policy()) == (0, Source.NOBODY)
    assert lifetime(line, policy=guess) == (100, Source.HEURISTIC)
    assert lifetime(f"Last-Modified: {format_date(NOW - 1e9)}", policy=guess) == (86400, Source.HEURISTIC)
    assert lifetime(f"Last-Modified: {format_date(NOW + 10)}", policy=guess) == (0, Source.HEURISTIC)
    assert lifetime(line, status=201, policy=guess) == (0, Source.NOBODY)
    assert lifetime(line, "Cache-Control: public", status=201, policy=guess) == (100, Source.HEURISTIC)
    assert lifetime("Last-Modified: long ago", policy=guess) == (0, Source.NOBODY)


def test_sec3_s_maxage_is_not_for_an_entry_of_one_principal():
    """RFC 9111 §5.2.2.10: it speaks to shared caches."""
    alone = Policy(audience=Audience.ONE_PRINCIPAL)
    assert lifetime("Cache-Control: s-maxage=2, max-age=3", policy=alone) == (3, Source.MAX_AGE)
