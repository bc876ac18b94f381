"""RFC 9111 §3 and SEC5: what may be stored, and why the rest may not."""

import pytest

from evercache.http.policy import Audience, Policy
from evercache.http.response import arrived
from evercache.http.storable import Refusal, is_whole, may_store
from tests.unit.http.heads import NOW, RULE, head


def refusal(*lines, method="GET", asked=(), status=200, policy=RULE, credentials=()):
    fields = head(*lines)
    response = arrived(status, fields, policy, requested=NOW, received=NOW)
    return may_store(method, head(*asked), fields, response, policy, credentials)


@pytest.mark.parametrize("status", [200, 299, 302, 499, 599])
def test_rfc9111_3_every_final_status_may_be_stored_if_it_says_so(status):
    """Also one that nobody knows: no-store and must-understand are the words against it."""
    assert refusal("Cache-Control: max-age=60", status=status) is None


def test_what_a_rule_covers_is_stored():
    """200, nothing said."""
    assert refusal() is None
    assert refusal("Cache-Control: max-age=60", policy=Policy()) is None


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("GET", None),
        ("QUERY", None),
        ("HEAD", Refusal.METHOD),
        ("POST", Refusal.METHOD),
        ("get", Refusal.METHOD),
        ("OPTIONS", Refusal.METHOD),
    ],
)
def test_sec9_only_methods_that_are_understood_make_entries(method, expected):
    """HEAD reads, and makes none."""
    assert refusal(method=method) is expected


def test_h14_post_makes_entries_where_the_rule_says_so():
    """And nowhere else."""
    assert refusal(method="POST", policy=Policy(ttl=60, post=True)) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Cache-Control: no-store", Refusal.NO_STORE),
        ("Cache-Control: max-age=9, NO-STORE", Refusal.NO_STORE),
        ('Cache-Control: no-store="x"', Refusal.NO_STORE),
        ("Cache-Control: private", Refusal.PRIVATE),
        ('Cache-Control: private=""', Refusal.PRIVATE),
        ("Vary: *", Refusal.VARY),
        ("Vary: Accept, *", Refusal.VARY),
        ("Vary: a b", Refusal.VARY),
        ("Set-Cookie: a=1", Refusal.SET_COOKIE),
        ("Content-Range: bytes 0-1/2", Refusal.CONTENT_RANGE),
        ("Content-Range: pages 1-2/9", Refusal.CONTENT_RANGE),
        ("Cache-Control: max-age=0", Refusal.NO_FRESHNESS),
        ("CDN-Cache-Control: no-store", Refusal.NO_STORE),
    ],
)
def test_sec5_what_a_response_says_against_it(line, expected):
    """Each alone is enough, whatever the rule's ttl."""
    assert refusal(line) is expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("Range: bytes=0-1", Refusal.RANGE_REQUEST),
        ("Cache-Control: no-store", Refusal.REQUEST_NO_STORE),
        ("Cache-Control: no-cache", None),
    ],
)
def test_sec5_sec13_what_a_request_says_against_it(asked, expected):
    """RFC 9111 §5.2.1.5; full bodies only."""
    assert refusal(asked=(asked,)) is expected


@pytest.mark.parametrize("status", [100, 101, 103, 199, 206, 304, 600, 0, -1])
def test_sec5_statuses_that_are_no_whole_response(status):
    """Even if they say that they are fresh."""
    assert refusal("Cache-Control: public, max-age=60", status=status) is Refusal.STATUS


@pytest.mark.parametrize("status", [404, 410, 403, 500, 503])
def test_sec5_errors_are_stored_when_somebody_said_so(status):
    """The response by its freshness, or the rule by name; a guess is nobody's word."""
    assert refusal(status=status) is Refusal.ERROR
    changed = "Last-Modified: Tue, 14 Nov 2000 22:13:20 GMT"
    assert refusal(changed, status=status, policy=Policy(heuristic=0.1)) is Refusal.ERROR
    assert refusal("Cache-Control: max-age=60", status=status) is None
    assert refusal(status=status, policy=Policy(ttl=60, negative=frozenset({status}))) is None
    named = Policy(heuristic=0.1, negative=frozenset({status}))
    assert refusal(changed, "Cache-Control: public", status=status, policy=named) is None


@pytest.mark.parametrize("status", [400, 413, 414, 416, 417, 431])
def test_sec11_errors_that_the_request_may_have_caused_are_never_stored(status):
    """One malformed header of one client must not become the page of all."""
    rule = Policy(ttl=60, negative=frozenset({status}))
    assert refusal("Cache-Control: max-age=60", status=status, policy=rule) is Refusal.STATUS


def test_sec2_a_response_to_someone_is_not_for_everyone():
    """Unless it says so."""
    assert refusal(credentials=("cookie",)) is Refusal.CREDENTIALS
    assert refusal("Cache-Control: public", credentials=("cookie",)) is None
    assert refusal(credentials=("cookie",), policy=Policy(ttl=60, audience=Audience.EVERYONE)) is None


def test_sec3_private_may_be_stored_for_one_principal():
    """RFC 9111 §5.2.2.7: it forbids sharing."""
    alone = Policy(ttl=60, audience=Audience.ONE_PRINCIPAL)
    assert refusal("Cache-Control: private", policy=alone, credentials=("cookie",)) is None
    assert refusal("Cache-Control: no-store", policy=alone) is Refusal.NO_STORE


def test_sec5_a_cookie_may_be_stripped():
    """Then it is not among the stored fields."""
    rule = Policy(ttl=60, strip_set_cookie=True)
    fields = head("Set-Cookie: a=1", "X-A: 1")
    assert refusal("Set-Cookie: a=1", policy=rule) is None
    assert arrived(200, fields, rule, requested=NOW, received=NOW).fields == ((b"x-a", b"1"),)


def test_h15_qualified_restrictions_strip_their_fields():
    """RFC 9111 §5.2.2.4, §5.2.2.7; a private entry may keep what is private."""
    fields = head(
        'Cache-Control: no-cache="X-A", private="x-b"', "X-A: 1", "X-B: 2", "X-C: 3", "Age: 3", "Connection: x"
    )
    kept = [name for name, _ in arrived(200, fields, RULE, requested=NOW, received=NOW).fields]
    assert kept == [b"cache-control", b"x-c"]
    alone = Policy(audience=Audience.ONE_PRINCIPAL)
    assert b"x-b" in [name for name, _ in arrived(200, fields, alone, requested=NOW, received=NOW).fields]


def test_rfc9111_5_2_2_3_must_understand_silences_no_store_for_who_understands():
    """And forbids storing for who doesn't."""
    both = "Cache-Control: must-understand, no-store, max-age=60"
    assert refusal(both) is None
    assert refusal(both, status=299) is Refusal.NOT_UNDERSTOOD
    assert refusal("Cache-Control: must-understand, max-age=60", status=299) is Refusal.NOT_UNDERSTOOD
    assert refusal("Cache-Control: max-age=60", status=299) is None
    assert refusal("Cache-Control: must-understand=x, no-store, max-age=60") is Refusal.NO_STORE


def test_sec1_without_freshness_nothing_is_stored():
    """But for a response that wants to be asked about each time, and can be."""
    assert refusal(policy=Policy()) is Refusal.NO_FRESHNESS
    assert refusal('ETag: "a"', policy=Policy()) is Refusal.NO_FRESHNESS
    assert refusal("Cache-Control: no-cache", policy=Policy()) is Refusal.NO_FRESHNESS
    assert refusal("Cache-Control: no-cache", 'ETag: "a"', policy=Policy()) is None
    assert refusal("Cache-Control: no-cache", 'ETag: "a"', policy=Policy(), status=302) is Refusal.NO_FRESHNESS
    assert refusal("Cache-Control: no-cache, public", 'ETag: "a"', policy=Policy(), status=302) is None
    assert refusal("Cache-Control: max-age=0", 'ETag: "a"') is None
    assert refusal("Cache-Control: max-age=0, stale-while-revalidate=5") is None
    assert refusal("Cache-Control: max-age=5", "Age: 5") is Refusal.NO_FRESHNESS


def test_h3_what_came_stale_is_stored_where_clients_may_take_stale():
    """RFC 9111 §5.2.1.2: by `max-stale`; not where the response forbids it, and not what never was fresh."""
    asked = Policy(honor_request=True)
    assert refusal("Cache-Control: max-age=5", "Age: 5", policy=asked) is None
    assert refusal("Cache-Control: max-age=5, must-revalidate", "Age: 5", policy=asked) is Refusal.NO_FRESHNESS
    assert refusal("Cache-Control: max-age=0", policy=asked) is Refusal.NO_FRESHNESS


@pytest.mark.parametrize(
    ("accepted", "coding", "expected"),
    [
        ("gzip", "gzip", None),
        ("gzip, br", "br", None),
        ("x-gzip", "gzip", None),
        ("*", "zstd", None),
        ("gzip;q=0", "gzip", Refusal.CODING),
        ("br", "gzip", Refusal.CODING),
        ("", "gzip", Refusal.CODING),
        ("br", "gzip, aes128gcm", Refusal.CODING),
        ("gzip", "identity", None),
        ("gzip", "gzip, aes128gcm", None),
        ("gzip", "compress", None),
    ],
)
def test_h5_a_coding_that_the_variant_does_not_stand_for_is_not_stored(accepted, coding, expected):
    """Else clients that can't read it would find it under the same normalised field; a coding that isn't in use here is
    found under the whole field, so it does no harm."""
    lines = (f"Content-Encoding: {coding}", "Vary: Accept-Encoding")
    assert refusal(*lines, asked=(f"Accept-Encoding: {accepted}",)) is expected


@pytest.mark.parametrize(
    ("lines", "length", "expected"),
    [
        ((), 5, True),
        (("Content-Length: 5",), 5, True),
        (("Content-Length: 5",), 4, False),
        (("Content-Length: 5, 5",), 5, True),
        (("Content-Length: 5", "Content-Length: 6"), 5, False),
        (("Content-Length: +5",), 5, False),
        (("Content-Length: x",), 5, False),
    ],
)
def test_sec5_a_body_that_was_cut_off_is_not_whole(lines, length, expected):
    """RFC 9112 §8."""
    assert is_whole(head(*lines), length) is expected
