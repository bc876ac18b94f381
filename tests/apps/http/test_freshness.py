"""How long a response is reused, and what its fields say then: H1 to H4, on a clock that stands still."""

from __future__ import annotations

import pytest

from evercache.http import Rule
from tests.support.http import Backend, Reply

NOW = "Tue, 14 Nov 2023 22:13:20 GMT"  # where the test's clock stands
IN_A_MINUTE = "Tue, 14 Nov 2023 22:14:20 GMT"
A_MINUTE_AGO = "Tue, 14 Nov 2023 22:12:20 GMT"

RULED = Rule("/page", ttl=100)
OPEN = Rule("/page")


async def lifetime(client, clock):
    """The last of a few moments at which the first answer was still reused, half a second before; 0: never."""
    await client.get("/page")
    lived = passed = 0.0
    for moment in (10, 20, 30, 60, 100, 300):
        clock.advance(moment - 0.5 - passed)
        passed = moment - 0.5
        if not (await client.get("/page", cache_control="only-if-cached")).hit:
            break
        lived = moment
    return lived


# -- H1: who says how long ---------------------------------------------------------------------------------------------

LIFETIMES = {
    "s-maxage before max-age": (Reply(cache_control="max-age=10, s-maxage=30"), 30),
    "max-age before Expires": (Reply(cache_control="max-age=30", expires=IN_A_MINUTE), 30),
    "Expires": (Reply(expires=IN_A_MINUTE, date=NOW), 60),
    "Expires without Date": (Reply(expires=IN_A_MINUTE), 60),
    "Expires in the past": (Reply(expires=A_MINUTE_AGO), 0),
    "Expires of 0": (Reply(expires="0"), 0),
    "RFC 850": (Reply(expires="Tuesday, 14-Nov-23 22:14:20 GMT"), 60),
    "asctime": (Reply(expires="Tue Nov 14 22:14:20 2023"), 60),
    "another case": (Reply(expires=IN_A_MINUTE.lower().replace("gmt", "GMT")), 60),
    "another zone": (Reply(expires="Tue, 14 Nov 2023 22:14:20 CET"), 0),
    "one-digit hour": (Reply(expires="Tue, 14 Nov 2023 2:14:20 GMT"), 0),
    "no comma": (Reply(expires="Tue 14 Nov 2023 22:14:20 GMT"), 0),
    "two-digit year": (Reply(expires="Tue, 14 Nov 23 22:14:20 GMT"), 0),
    "the smaller of two": (Reply(cache_control="max-age=60, max-age=10"), 10),
    "two lines": (Reply(headers=[("cache-control", "public"), ("cache-control", "max-age=30")]), 30),
    "no digits": (Reply(cache_control="max-age=abc"), 0),
    "a sign": (Reply(cache_control="max-age=+60"), 0),
    "negative": (Reply(cache_control="max-age=-60"), 0),
    "a fraction": (Reply(cache_control="max-age=60.5"), 0),
    "underscores": (Reply(cache_control="max-age=6_0"), 0),
    "quoted": (Reply(cache_control='max-age="60"'), 60),
    "longer than a number": (Reply(cache_control="max-age=" + "9" * 40), 300),
    "max-age=0": (Reply(cache_control="max-age=0"), 0),
    "upper case": (Reply(cache_control="MAX-AGE=30"), 30),
    "targeted": (Reply(cache_control="max-age=10", cdn_cache_control="max-age=60"), 60),
    "own target before the CDN's": (Reply(app_cache_control="max-age=20", cdn_cache_control="max-age=60"), 20),
    "targeted beside no-store": (Reply(cache_control="no-store", cdn_cache_control="max-age=60"), 60),
    "targeted no-store": (Reply(cache_control="max-age=60", cdn_cache_control="no-store"), 0),
    "targeted, and malformed": (Reply(cache_control="max-age=10", cdn_cache_control="max-age=60, &"), 10),
    "targeted, and of a wrong type": (Reply(cache_control="max-age=10", cdn_cache_control='max-age="60"'), 0),
    "nothing": (Reply(), 0),
    "Last-Modified alone": (Reply(last_modified=A_MINUTE_AGO), 0),
}


@pytest.mark.row("S2.35")
@pytest.mark.parametrize("what", LIFETIMES)
async def test_h1_the_response_says_how_long(front, manual_clock, what):
    """
    H1: targeted field, s-maxage, max-age, Expires less Date; what is malformed is stale.
    """
    reply, seconds = LIFETIMES[what]
    assert await lifetime(front(Backend(reply), OPEN), manual_clock) == seconds


@pytest.mark.row("S2.35", "S2.92")
async def test_h1_an_entry_ends_to_the_second(front, manual_clock):
    """
    H1: fresh just before the end, and not at it.
    """
    backend = Backend()
    client = front(backend, RULED)
    await client.get("/page")
    manual_clock.advance(99.5)
    assert (await client.get("/page")).hit
    manual_clock.advance(0.5)
    assert not (await client.get("/page")).hit
    assert backend.runs == 2


# -- H2: where the rule comes in ---------------------------------------------------------------------------------------

RULED_LIFETIMES = {
    "the application said nothing": (RULED, Reply(), 100),
    "it said something else than freshness": (RULED, Reply(cache_control="public"), 100),
    "it said less": (RULED, Reply(cache_control="max-age=10"), 10),
    "it said more": (RULED, Reply(cache_control="max-age=300"), 300),
    "overridden, less": (Rule("/page", ttl=100, override=True), Reply(cache_control="max-age=10"), 100),
    "overridden, more": (Rule("/page", ttl=100, override=True), Reply(cache_control="s-maxage=300"), 100),
    "overridden, stale": (Rule("/page", ttl=100, override=True), Reply(expires="0"), 100),
    "shortened, less": (Rule("/page", ttl=100, shorten=True), Reply(cache_control="max-age=10"), 10),
    "shortened, more": (Rule("/page", ttl=100, shorten=True), Reply(cache_control="max-age=300"), 100),
    "overridden, but never against no-store": (
        Rule("/page", ttl=100, override=True),
        Reply(cache_control="no-store"),
        0,
    ),
    "no-cache without a validator": (RULED, Reply(cache_control="no-cache"), 0),
    "a text as duration": (Rule("/page", ttl="30s"), Reply(), 30),
}


@pytest.mark.row("S2.35")
@pytest.mark.parametrize("what", RULED_LIFETIMES)
async def test_h2_the_rule_fills_what_the_application_left_open(front, manual_clock, what):
    """
    H2: its ttl is for responses without freshness; `override` and `shorten` say otherwise.
    """
    rule, reply, seconds = RULED_LIFETIMES[what]
    assert await lifetime(front(Backend(reply), rule), manual_clock) == seconds


@pytest.mark.row("S2.35")
async def test_h2_each_path_has_a_lifetime_of_its_own(front, manual_clock):
    """
    H2: rules don't mix, and the first one that matches a path decides.
    """
    rules = [Rule("/a", ttl=10), Rule("/b/{id}", ttl=30), Rule("/b/{id}", ttl=300)]
    client = front(Backend(), *rules)
    for target in ("/a", "/b/1"):
        await client.get(target)
    hits = []
    for _ in range(3):
        manual_clock.advance(9.5)
        hits.append(((await client.get("/a", cache_control="only-if-cached")).hit, (await client.get("/b/1")).hit))
    assert hits == [(True, True), (False, True), (False, True)]
    manual_clock.advance(9.5)
    assert not (await client.get("/b/1", cache_control="only-if-cached")).hit


# -- H3: age -----------------------------------------------------------------------------------------------------------

AGES = {
    "new": (Reply(cache_control="max-age=100"), 5),
    "with Age": (Reply(cache_control="max-age=100", age="20"), 25),
    "the first of several": (Reply(cache_control="max-age=100", headers=[("age", "20, 90"), ("age", "70")]), 25),
    "no number": (Reply(cache_control="max-age=100", age="20.5"), 5),
    "an old Date": (Reply(cache_control="max-age=100", date=A_MINUTE_AGO), 65),
    "Date before Age": (Reply(cache_control="max-age=100", date=A_MINUTE_AGO, age="20"), 65),
    "Age before Date": (Reply(cache_control="max-age=100", date=A_MINUTE_AGO, age="80"), 85),
    "a Date in the future": (Reply(cache_control="max-age=100", date=IN_A_MINUTE), 5),
}


@pytest.mark.row("S2.36", "F2.3")
@pytest.mark.parametrize("what", AGES)
async def test_h3_a_hit_says_how_old_it_is(front, manual_clock, what):
    """
    H3: apparent and corrected age, in whole seconds, one line of it.
    """
    reply, age = AGES[what]
    client = front(Backend(reply), OPEN)
    await client.get("/page")
    manual_clock.advance(5.9)
    answer = await client.get("/page")
    assert answer.hit
    assert answer.fields("age") == [str(age)]


async def test_h3_age_counts_against_freshness(front, manual_clock):
    """
    H3: a response that has lain elsewhere for most of its life is fresh for the rest of it.
    """
    client = front(Backend(Reply(cache_control="max-age=100", age="70")), OPEN)
    assert await lifetime(client, manual_clock) == 30


@pytest.mark.row("S2.36")
@pytest.mark.parametrize(("adds", "dates"), [(True, []), (False, [A_MINUTE_AGO])])
async def test_h3_there_is_never_a_second_date(front, adds, dates):
    """
    H3: under a server that writes `Date` itself, none is replayed; under another one, that of the response.
    """
    client = front(Backend(Reply(cache_control="max-age=100", date=A_MINUTE_AGO)), OPEN, server_adds_date=adds)
    await client.get("/page")
    answer = await client.get("/page")
    assert answer.hit
    assert answer.fields("date") == dates


async def test_h3_a_clock_that_is_set_back_makes_nothing_younger(front, manual_clock):
    """
    H3: no negative age, and no entry that lives for ever.
    """
    client = front(Backend(), RULED)
    await client.get("/page")
    manual_clock.jump_wall(-3600)
    answer = await client.get("/page")
    assert answer.age in (None, 0)
    manual_clock.advance(100)
    assert not (await client.get("/page")).hit


# -- H4: what is replayed ----------------------------------------------------------------------------------------------


@pytest.mark.row("S2.34", "W8")
async def test_h4_cache_control_is_replayed_as_it_was(front, manual_clock):
    """
    H4: no counted-down max-age and no `public` of our own: `Age` says the rest.
    """
    client = front(Backend(cache_control="max-age=100, x-odd"), RULED)
    await client.get("/page")
    manual_clock.advance(40)
    answer = await client.get("/page")
    assert (answer.field("cache-control"), answer.age) == ("max-age=100, x-odd", 40)
    plain = front(Backend(), Rule("/plain", ttl=60))
    for _ in range(2):
        assert "public" not in ((await plain.get("/plain")).field("cache-control") or "")


@pytest.mark.row("S2.38", "W9")
async def test_h4_fields_keep_their_order_their_repeats_and_their_bytes(front):
    """
    H4: a hit has the fields of the miss in the same order; hop-by-hop fields and what `Connection` names are the
    connection's own.
    """
    headers = [("link", "</a>"), ("x-a", "\xe9"), ("link", "</b>"), ("content-type", "text/plain"), ("x-a", "")]
    hop = [("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "5"), ("proxy-authenticate", "Basic"), ("te", "x")]
    client = front(Backend(Reply(headers=headers + hop)), RULED)
    miss, hit = await client.get("/page"), await client.get("/page")
    wanted = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    assert [pair for pair in miss.headers if pair in wanted] == wanted
    assert [pair for pair in hit.headers if pair in wanted] == wanted
    names = {name for name, _ in hit.headers}
    assert names & {b"connection", b"x-hop", b"keep-alive", b"proxy-authenticate", b"te", b"age"} == {b"age"}


async def test_h4_fields_for_this_cache_alone_are_not_sent(front):
    """
    H4: `App-Cache-Control` is nobody else's business, on a miss as on a hit.
    """
    client = front(Backend(app_cache_control="max-age=60", cache_control="no-cache"), OPEN)
    for hit in (False, True):
        answer = await client.get("/page")
        assert (answer.hit, answer.field("app-cache-control")) == (hit, None)
        assert answer.field("cache-control") == "no-cache"
