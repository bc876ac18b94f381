"""The decisions of the HTTP cache under anything that a client or an application may send.

Header pairs are drawn three ways: as random bytes, as lines that mean something, and as such lines with pieces cut out,
doubled and swapped. Each pair of messages goes through every decision that an exchange would ask.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.http.answer import answer_fields, private_fields
from evercache.http.conditional import is_not_modified, not_modified_fields
from evercache.http.credentials import NameList, credentials_of
from evercache.http.directives import directives_of, request_directives
from evercache.http.groups import groups_of, invalidated_groups
from evercache.http.key import Address, content_of, digest_of, host_of, is_allowed_host
from evercache.http.policy import Audience, Mode, Policy
from evercache.http.ranges import Answer, Part, choose_part, partial_fields
from evercache.http.response import arrived
from evercache.http.reuse import AfterFailure, Reuse, after_failure, decide
from evercache.http.storable import Refusal, is_whole, may_store
from evercache.http.unsafe import Target, invalidated_targets
from evercache.http.validate import merged_fields, with_conditions
from evercache.http.vary import merged_vary, variant_of, vary_names

NOW = 1_700_000_000.0
HERE = Target("http", "example.com", b"/a", b"b=c")
REQUESTS = """\
Host: example.com
Cache-Control: no-cache, max-age=5, min-fresh=2, max-stale=3
Cache-Control: only-if-cached, no-store
Pragma: no-cache
Accept-Encoding: gzip;q=1.0, br;q=0.8, *;q=0
Accept-Language: en-GB, en;q=0.9, de;q=0.8
Cookie: theme=dark; session=1
Authorization: Basic x
If-None-Match: "a", W/"b", *
If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT
If-Range: "a"
Range: bytes=0-4
Content-Type: application/json
Connection: close, X-Hop""".splitlines()
RESPONSES = """\
Cache-Control: max-age=60, s-maxage=30, public, must-revalidate
Cache-Control: no-cache="Set-Cookie, X-A", private="X-B", stale-while-revalidate=9
Cache-Control: no-store, must-understand, immutable
CDN-Cache-Control: max-age=5;a=b, no-store=?0, stale-if-error=9
Expires: Sunday, 06-Nov-94 08:49:37 GMT
Date: Tue Nov 14 22:13:20 2023
Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT
ETag: W/"b"
Age: 7, 8
Vary: Accept-Encoding, Origin
Content-Encoding: gzip
Content-Length: 10
Content-Range: bytes 0-1/2
Set-Cookie: a=1; Path=/
Location: ../b?c=d
Content-Location: //example.com:80/e
Cache-Groups: "one", "two";x
Cache-Group-Invalidation: "one"
Surrogate-Key: three four
Connection: keep-alive, X-Hop
X-Hop: 1""".splitlines()
METHODS = ("GET", "HEAD", "QUERY", "POST", "DELETE", "get", "")
STATUSES = (0, 100, 200, 204, 206, 301, 302, 304, 400, 404, 500, 503, 999)


def exchange(request, response, update, method, status, policy):
    """Every question of one exchange, in the order in which a cache asks them."""
    asked = request_directives(request)
    credentials = credentials_of(request, harmless_cookies=NameList({"theme"}))
    host = host_of(request)
    address = Address(method, "http", host or "", "", b"/a", b"", content_of(request, b"x"))
    is_allowed_host(host or "", ("*.example.com",))
    kept = arrived(status, response, policy, requested=NOW - 1, received=NOW)
    refused = may_store(method, request, response, kept, policy, credentials)
    names = merged_vary(vary_names(response) or (), ("origin",))
    digest_of(address, variant_of(names, request, policy.codings), b"secret")
    check_storing(response, refused)
    for later in (0.0, 20.0, 65.0, 1e9):
        check_reuse(kept, decide(kept, asked, NOW + later, policy), later)
        failure = after_failure(kept, asked, NOW + later, policy, answered=False)
        assert failure is not AfterFailure.STALE or kept.may_be_stale or kept.fresh_for(NOW + later) > 0
    sent = answer_fields(kept.fields, kept.age_at(NOW + 5), date=True)
    check_sent(private_fields(sent))
    check_sent(not_modified_fields(sent))
    is_not_modified(method, request, status, sent, NOW)
    is_whole(response, 10)
    check_part(choose_part(method, request, status, sent, 10, NOW), sent)
    with_conditions(request, kept.fields, NOW)
    merged = merged_fields(kept.fields, update)
    check_sent(merged)
    arrived(status, merged, policy, requested=NOW, received=NOW)
    targets = invalidated_targets(method, status, HERE, response)
    assert all(target.origin == HERE.origin for target in targets)
    groups_of(response)
    invalidated_groups(method, response)


def check_storing(response, refused):
    """Nothing is stored that must not be, whatever else the response says."""
    names = {name.lower() for name, _ in response}
    said = directives_of(response)
    if b"set-cookie" in names or b"content-range" in names:
        assert refused is not None
    if b"cdn-cache-control" not in names and "no-store" in said and "must-understand" not in said:
        assert refused is not None
    assert refused is None or isinstance(refused, Refusal)


def check_reuse(kept, use, later):
    """Nothing stale is an answer where stale is forbidden."""
    if kept.fresh_for(NOW + later) <= 0 and not kept.may_be_stale:
        assert use in (Reuse.LOAD, Reuse.REVALIDATE, Reuse.GATEWAY_TIMEOUT)
    if kept.asks_each_time:
        assert use not in (Reuse.FRESH, Reuse.STALE, Reuse.STALE_WHILE_REVALIDATE)


def check_sent(fields):
    """No field of one hop, and at most one age."""
    names = [name for name, _ in fields]
    assert not {b"connection", b"transfer-encoding", b"keep-alive", b"upgrade"} & set(names)
    assert names.count(b"age") <= 1


def check_part(part, sent):
    """A part lies within the body."""
    if isinstance(part, Part):
        assert 0 <= part.start < part.stop <= 10
        partial_fields(sent, part, 10)
    else:
        assert isinstance(part, Answer)


POLICIES = st.builds(
    Policy,
    ttl=st.none() | st.sampled_from([0.0, 30.0]),
    mode=st.sampled_from(Mode),
    audience=st.sampled_from(Audience),
    heuristic=st.sampled_from([0.0, 0.1]),
    stale_while_revalidate=st.sampled_from([0.0, 50.0]),
    stale_if_error=st.sampled_from([0.0, 50.0]),
    negative=st.sampled_from([frozenset(), frozenset({404, 503})]),
    honor_request=st.booleans(),
    post=st.booleans(),
)


def pairs(lines):
    """Random bytes, random values of known fields, and lines that mean something."""
    whole = [line.encode().partition(b": ") for line in lines]
    known = st.sampled_from([name for name, _, _ in whole])
    text = st.text(alphabet=st.sampled_from('a1-=",;:\\*/ \t.?@%()é'), max_size=20).map(
        lambda text: text.encode("latin-1")
    )
    one = (
        st.tuples(st.binary(max_size=8), st.binary(max_size=20))
        | st.tuples(known, text | st.binary(max_size=20))
        | st.sampled_from([(name, value) for name, _, value in whole])
    )
    return st.lists(one, max_size=8)


@given(
    pairs(REQUESTS), pairs(RESPONSES), pairs(RESPONSES), st.sampled_from(METHODS), st.sampled_from(STATUSES), POLICIES
)
def test_no_message_makes_a_decision_raise(request_, response, update, method, status, policy):
    """Malformed input is decided, in the direction that stores less and serves fresher."""
    exchange(request_, response, update, method, status, policy)


def mangled(rng, lines):
    """Some of the lines, each with a few pieces cut out, doubled, or swapped with a piece of another one."""
    found = []
    for line in rng.sample(lines, rng.randint(0, len(lines))):
        name, _, value = line.encode().partition(b": ")
        data = bytearray(value)
        for _ in range(rng.randint(0, 4)):
            at, to = sorted(rng.randint(0, len(data)) for _ in range(2))
            piece = rng.choice(
                [b"", data[at:to] * 2, b'"', b",", b"\\", b"=", b"\xff", rng.choice(lines).encode()[:to]]
            )
            data[at:to] = piece
        found.append((name if rng.random() < 0.8 else name.upper(), bytes(data)))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_a_fuzzer_finds_nothing(seed):
    """A few thousand exchanges of lines that once meant something; the seed tells which."""
    rng = random.Random(seed)
    for _ in range(100):
        policy = Policy(
            ttl=rng.choice([None, 30.0]),
            audience=rng.choice(list(Audience)),
            stale_while_revalidate=rng.choice([0.0, 50.0]),
            honor_request=rng.random() < 0.5,
        )
        response, update = mangled(rng, RESPONSES), mangled(rng, RESPONSES)
        exchange(mangled(rng, REQUESTS), response, update, rng.choice(METHODS), rng.choice(STATUSES), policy)
