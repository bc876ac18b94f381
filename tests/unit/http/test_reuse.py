"""RFC 9111 §4, RFC 5861, RFC 8246: whether a stored response answers a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.http.directives import NO_DIRECTIVES, request_directives
from evercache.http.policy import Audience, Policy
from evercache.http.reuse import AfterFailure, Reuse, after_failure, decide
from tests.unit.http.heads import NOW, head, stored

PLAIN, HONOR = Policy(), Policy(honor_request=True)
UNKNOWN = "x"  # a directive that nobody knows


def use(response, after, asked="", policy=PLAIN):
    request = request_directives(head(f"Cache-Control: {asked}")) if asked else NO_DIRECTIVES
    return decide(response, request, NOW + after, policy)


def failed(response, after, asked="", policy=PLAIN, *, answered=False):
    request = request_directives(head(f"Cache-Control: {asked}")) if asked else NO_DIRECTIVES
    return after_failure(response, request, NOW + after, policy, answered=answered)


def cached(directives, *lines, policy=PLAIN):
    return stored(f"Cache-Control: {directives}", *lines, policy=policy)


def test_rfc9111_4_2_fresh_until_the_age_is_the_lifetime():
    """Equal is stale; a validator makes the question cheaper."""
    assert use(cached("max-age=10"), 9.9) is Reuse.FRESH
    assert use(cached("max-age=10"), 10) is Reuse.LOAD
    assert use(cached("max-age=10", 'ETag: "a"'), 10) is Reuse.REVALIDATE
    assert use(cached("max-age=10", "Last-Modified: x"), 10) is Reuse.REVALIDATE
    assert use(cached("max-age=10", "Age: 8"), 2) is Reuse.LOAD
    assert use(None, 0) is Reuse.LOAD


def test_h9_stale_while_revalidate_ends_with_its_window():
    """RFC 5861 §3: the response's word counts before the rule's."""
    response = cached("max-age=10, stale-while-revalidate=5", 'ETag: "a"')
    assert use(response, 10) is Reuse.STALE_WHILE_REVALIDATE
    assert use(response, 14.9) is Reuse.STALE_WHILE_REVALIDATE
    assert use(response, 15) is Reuse.REVALIDATE
    rule = Policy(ttl=10, stale_while_revalidate=5)
    assert use(stored(policy=rule), 12) is Reuse.STALE_WHILE_REVALIDATE
    assert use(cached("max-age=10, stale-while-revalidate=0", policy=rule), 12) is Reuse.LOAD


@pytest.mark.parametrize("word", ["must-revalidate", "proxy-revalidate", "s-maxage=10", "no-cache"])
def test_h10_who_forbids_stale_gets_none(word):
    """RFC 9111 §4.2.4: neither behind a refresh, nor after a failure, nor because the client would take it."""
    rule = Policy(stale_while_revalidate=50, stale_if_error=50, honor_request=True)
    response = cached(f"max-age=10, {word}, stale-while-revalidate=50, stale-if-error=50", policy=rule)
    assert use(response, 12, policy=rule) is Reuse.LOAD
    assert use(response, 12, "max-stale", policy=rule) is Reuse.LOAD
    assert failed(response, 12, "stale-if-error=50", policy=rule) is AfterFailure.GATEWAY_TIMEOUT
    assert failed(response, 12, policy=rule, answered=True) is AfterFailure.FORWARD


def test_sec3_what_is_said_to_proxies_does_not_bind_an_entry_of_one_principal():
    """proxy-revalidate and s-maxage speak to shared caches."""
    alone = Policy(audience=Audience.ONE_PRINCIPAL)
    response = cached("max-age=10, proxy-revalidate, s-maxage=10, stale-while-revalidate=5", policy=alone)
    assert use(response, 12, policy=alone) is Reuse.STALE_WHILE_REVALIDATE


def test_rfc9111_5_2_2_4_no_cache_is_asked_about_each_time():
    """Its qualified form isn't: the named fields were not stored."""
    assert use(cached("no-cache, max-age=10", 'ETag: "a"'), 0) is Reuse.REVALIDATE
    assert use(cached('no-cache="x-a", max-age=10'), 0) is Reuse.FRESH


def test_h10_stale_if_error_ends_with_its_window():
    """RFC 5861 §4: the failure is handed on when it is over."""
    response = cached("max-age=10, stale-if-error=5")
    assert failed(response, 12) is AfterFailure.STALE
    assert failed(response, 12, answered=True) is AfterFailure.STALE
    assert failed(response, 15) is AfterFailure.FORWARD
    assert failed(None, 0) is AfterFailure.FORWARD
    assert failed(stored(policy=Policy(ttl=10, stale_if_error=5)), 12) is AfterFailure.STALE


@pytest.mark.parametrize("asked", ["no-cache", "max-age=0", "min-fresh=999", "max-stale", "stale-if-error=99"])
def test_sec13_a_client_can_not_force_work_by_default(asked):
    """Nor can it choose to be answered with something stale."""
    response = cached("max-age=10")
    assert use(response, 5, asked) is Reuse.FRESH
    assert use(response, 15, asked) is Reuse.LOAD
    assert failed(response, 15, asked) is AfterFailure.FORWARD


@pytest.mark.parametrize(
    ("asked", "after", "expected"),
    [
        ("no-cache", 1, Reuse.LOAD),
        ("max-age=3", 3, Reuse.FRESH),
        ("max-age=3", 3.1, Reuse.LOAD),
        ("max-age=x", 1, Reuse.LOAD),
        ("min-fresh=5", 5, Reuse.FRESH),
        ("min-fresh=5", 5.1, Reuse.LOAD),
        ("max-stale", 999, Reuse.STALE),
        ("max-stale=5", 15, Reuse.STALE),
        ("max-stale=5", 15.1, Reuse.LOAD),
        ("max-stale=x", 15, Reuse.LOAD),
        ("max-stale, max-age=12", 15, Reuse.LOAD),
        ("", 1, Reuse.FRESH),
    ],
)
def test_rfc9111_5_2_1_what_a_client_may_ask_where_the_rule_lets_it(asked, after, expected):
    """`Policy.honor_request`."""
    assert use(cached("max-age=10"), after, asked, HONOR) is expected


def test_rfc9111_5_2_1_1_who_says_max_age_wants_nothing_stale():
    """Unless max-stale says how much."""
    response = cached("max-age=10, stale-while-revalidate=99")
    assert use(response, 15, "x", HONOR) is Reuse.STALE_WHILE_REVALIDATE
    assert use(response, 15, "max-age=50", HONOR) is Reuse.LOAD
    assert use(response, 10, "max-age=50", HONOR) is Reuse.LOAD
    assert use(response, 10, "max-age=50, max-stale=9", HONOR) is Reuse.STALE
    assert use(response, 15, "max-age=50, max-stale=9", HONOR) is Reuse.STALE


def test_rfc5861_4_a_request_may_allow_stale_after_an_error():
    """Where requests are honoured; one with no-cache wants no answer of the cache at all."""
    assert failed(cached("max-age=10"), 12, "stale-if-error=5", HONOR) is AfterFailure.STALE
    assert failed(cached("max-age=10, stale-if-error=5"), 12, "no-cache", HONOR) is AfterFailure.FORWARD


def test_rfc8246_2_immutable_needs_no_asking_while_it_is_fresh():
    """But for who says no-cache."""
    response = cached("max-age=10, immutable")
    assert use(response, 5, "max-age=0", HONOR) is Reuse.FRESH
    assert use(response, 5, "no-cache", HONOR) is Reuse.LOAD
    assert use(response, 15, "max-age=0", HONOR) is Reuse.LOAD
    assert use(response, 10, UNKNOWN, HONOR) is Reuse.LOAD


def test_sec13_only_if_cached_is_always_heard():
    """RFC 9111 §5.2.1.7: it asks for less work."""
    assert use(None, 0, "only-if-cached") is Reuse.GATEWAY_TIMEOUT
    assert use(cached("max-age=10", 'ETag: "a"'), 15, "only-if-cached") is Reuse.GATEWAY_TIMEOUT
    assert use(cached("max-age=10"), 5, "only-if-cached") is Reuse.FRESH
    swr = cached("max-age=10, stale-while-revalidate=9")
    assert use(swr, 15, "only-if-cached") is Reuse.STALE_WHILE_REVALIDATE


WORDS = st.lists(
    st.sampled_from(["no-cache", "max-age=5", "min-fresh=3", "max-stale", "max-stale=2", "stale-if-error=9", "x"])
).map(", ".join)


@given(WORDS, st.floats(0, 100), st.booleans())
def test_h10_nothing_stale_leaves_a_cache_that_was_told_to_revalidate(asked, after, honor):
    """Whatever a client asks, whenever."""
    response = cached("max-age=10, must-revalidate, stale-while-revalidate=99, stale-if-error=99")
    policy = HONOR if honor else PLAIN
    answers = (Reuse.FRESH, Reuse.STALE, Reuse.STALE_WHILE_REVALIDATE)
    assert use(response, after, asked, policy) not in answers or after < 10
    assert failed(response, after, asked, policy) is not AfterFailure.STALE or after < 10
