"""Variants, entity tags and 304: H5 to H7."""

from __future__ import annotations

import gzip

import pytest

from evercache.http import Rule
from tests.support.http import Backend, Reply, client_of

PAGE = Rule("/page", ttl=300)
LONG_AGO = "Mon, 13 Nov 2023 22:13:20 GMT"
LONGER_AGO = "Sun, 12 Nov 2023 22:13:20 GMT"
NOW = "Tue, 14 Nov 2023 22:13:20 GMT"


# -- H5: variants ------------------------------------------------------------------------------------------------------

SAME = [
    ("accept", "text/html", "text/html "),
    ("accept-encoding", "gzip, br", "br,gzip"),
    ("accept-encoding", "gzip", "gzip, deflate, x-strange"),
    ("accept-encoding", "GZIP;q=1.0", "gzip"),
    ("accept-language", "en, de;q=0.5", "EN,de; q=0.5"),
    ("accept-language", "de;q=0.5, en", "en, de;q=0.5"),
]
OTHER = [
    ("accept", "text/html", "text/plain"),
    ("accept", "text/html", "TEXT/HTML"),
    ("accept-encoding", "gzip", "br"),
    ("accept-encoding", "gzip", "gzip;q=0"),
    ("accept-language", "en", "de"),
    ("accept-language", "en, de", "de, en"),
]


@pytest.mark.row("S2.37", "W9")
@pytest.mark.parametrize(("name", "one", "other"), SAME)
async def test_h5_two_spellings_of_one_wish_share_a_variant(front, name, one, other):
    """
    H5: white space, the order of weights, case where it has none, codings that nobody uses.
    """
    backend = Backend(vary=name.title())
    client = front(backend, PAGE)
    await client.ask("GET", "/page", headers=[("host", "app"), (name, one)])
    assert (await client.ask("GET", "/page", headers=[("host", "app"), (name.upper(), other)])).hit


@pytest.mark.row("S2.37", "W9")
@pytest.mark.parametrize(("name", "one", "other"), [*OTHER, ("accept", "text/html", None), ("accept", None, "")])
async def test_h5_two_wishes_have_two_variants(front, name, one, other):
    """
    H5: each is stored beside the other, and a field that is absent is another wish than an empty one.
    """
    backend = Backend(vary=name)
    client = front(backend, PAGE)

    def ask(value):
        return client.ask("GET", "/page", headers=[("host", "app"), *([] if value is None else [(name, value)])])

    assert [(await ask(value)).hit for value in (one, other, one, other)] == [False, False, True, True]


async def test_h5_several_lines_are_one_value(front):
    """
    H5: a list in two lines is the same list.
    """
    client = front(Backend(vary="X-Kind"), PAGE)
    await client.ask("GET", "/page", headers=[("host", "app"), ("x-kind", "a"), ("x-kind", "b")])
    assert (await client.get("/page", x_kind="a, b")).hit


@pytest.mark.row("S2.36")
async def test_h5_a_field_that_is_learned_later_separates_from_then_on(front):
    """
    H5: the set of a URL only grows; what was stored before is not given to who differs in the new field.
    """
    backend = Backend(lambda asked: Reply(vary="Accept" if asked.number == 1 else "Accept, Cookie-Consent"))
    client = front(backend, PAGE)
    await client.get("/page", accept="a")
    other = await client.get("/page", accept="b", cookie_consent="yes")
    assert (other.hit, other.cache["fwd"]) == (False, "vary-miss")
    assert not (await client.get("/page", accept="b", cookie_consent="no")).hit
    assert (await client.get("/page", accept="b", cookie_consent="yes")).hit
    assert (await client.get("/page", accept="b", cookie_consent="no")).hit


@pytest.mark.row("S2.38", "W9")
async def test_h5_a_compressed_body_is_not_given_to_who_cannot_read_it(front):
    """
    H5: also by an application that forgets to say `Vary`.
    """

    def answer(asked):
        if "gzip" in (asked.field("accept-encoding") or ""):
            return Reply(gzip.compress(b"page", mtime=0), content_encoding="gzip")
        return Reply(b"page")

    client = front(Backend(answer), PAGE)
    packed = await client.get("/page", accept_encoding="gzip")
    assert (await client.get("/page", accept_encoding="identity")).body == b"page"
    again = await client.get("/page", accept_encoding="gzip")
    assert (again.hit, again.body, again.field("content-encoding")) == (True, packed.body, "gzip")


@pytest.mark.row("S2.37")
async def test_h5_a_variant_is_known_to_every_worker(two_caches):
    """
    H5: what one worker learned about a URL, the other one goes by.
    """
    backend = Backend(lambda asked: Reply((asked.field("accept") or "-").encode(), vary="accept"))
    one, two = (client_of(cache, backend, PAGE) for cache in two_caches)
    for client in (one, two):
        for accept in ("a", "b"):
            assert (await client.get("/page", accept=accept)).body == accept.encode()
    assert backend.runs == 2


# -- H6: entity tags ---------------------------------------------------------------------------------------------------


@pytest.mark.row("S2.34", "F2.3")
async def test_h6_a_response_without_a_tag_gets_a_strong_one(front):
    """
    H6: the same on the miss and on the hit, and another one for other bytes.
    """
    backend = Backend(Reply(b"one"))
    client = front(backend, PAGE)
    miss, hit = await client.get("/page"), await client.get("/page")
    tag = miss.field("etag")
    assert hit.fields("etag") == [tag]
    assert hit.hit
    assert tag is not None
    assert tag.startswith('"')
    backend.answer = Reply(b"two")
    assert (await client.get("/page?x=2")).field("etag") != tag


@pytest.mark.row("S2.34")
@pytest.mark.parametrize("tag", ['"app"', 'W/"app"', '""'])
async def test_h6_the_applications_own_tag_stays(front, tag):
    """
    H6: on both, once.
    """
    client = front(Backend(etag=tag), PAGE)
    for _ in range(2):
        assert (await client.get("/page")).fields("etag") == [tag]


@pytest.mark.row("S2.34", "S2.38")
async def test_h6_a_streamed_response_has_the_tag_of_its_whole_body(front):
    """
    H6: what came in pieces has, on the hit, the tag of the same bytes in one piece.
    """
    backend = Backend(Reply([b"a", b"", b"bc"]))
    client = front(backend, PAGE)
    await client.get("/page")
    streamed = await client.get("/page")
    backend.answer = Reply(b"abc")
    assert streamed.hit
    assert streamed.field("etag") == (await client.get("/page?in=one")).field("etag")


@pytest.mark.row("S2.34")
async def test_h6_the_tag_is_the_same_in_every_worker(workers):
    """
    H6: a client that moves to another worker keeps its copy, whether that one has the entry or not.
    """
    clients = [client_of(cache, Backend(Reply(b"page")), Rule("/page", ttl=300, tags=["t"])) for cache in workers]
    tags = {(await client.get("/page")).field("etag") for client in clients}
    assert len(tags) == 1
    assert None not in tags
    await workers[0].invalidate_tags("t")
    answer = await clients[1].get("/page", if_none_match=str(*tags))
    assert (answer.status, answer.body) == (304, b"")


async def test_h6_each_coding_has_a_tag_of_its_own(front):
    """
    H6: the tag is that of the encoded bytes.
    """

    def answer(asked):
        packed = asked.field("accept-encoding") == "gzip"
        return Reply(gzip.compress(b"page", mtime=0), content_encoding="gzip") if packed else Reply(b"page")

    client = front(Backend(answer), PAGE)
    tags = {(await client.get("/page", accept_encoding=coding)).field("etag") for coding in ("gzip", "identity") * 2}
    assert len(tags) == 2


# -- H7: not modified --------------------------------------------------------------------------------------------------

TAGGED = {"etag": '"a"', "last_modified": LONG_AGO}
CONDITIONS = {
    "the tag": ({"if_none_match": '"a"'}, 304),
    "weakly the tag": ({"if_none_match": 'W/"a"'}, 304),
    "in a list": ({"if_none_match": '"x", "a", W/"y"'}, 304),
    "any": ({"if_none_match": "*"}, 304),
    "another tag": ({"if_none_match": '"b"'}, 200),
    "no tag": ({"if_none_match": "a"}, 200),
    "the date": ({"if_modified_since": LONG_AGO}, 304),
    "a later date": ({"if_modified_since": NOW}, 304),
    "an earlier date": ({"if_modified_since": LONGER_AGO}, 200),
    "no date": ({"if_modified_since": "yesterday"}, 200),
    "the tag counts before the date": ({"if_none_match": '"b"', "if_modified_since": NOW}, 200),
    "and the other way round": ({"if_none_match": '"a"', "if_modified_since": LONGER_AGO}, 304),
}


@pytest.mark.row("S2.34", "S2.92")
@pytest.mark.parametrize("what", CONDITIONS)
@pytest.mark.parametrize("warm", [True, False], ids=["hit", "miss"])
async def test_h7_who_has_it_already_gets_no_body(front, what, warm):
    """
    H7: on a hit, and on a miss too: the application answered with all of it, and the client gets 304.
    """
    headers, status = CONDITIONS[what]
    backend = Backend(Reply(b"page", **TAGGED))
    client = front(backend, PAGE)
    if warm:
        await client.get("/page")
    answer = await client.get("/page", **headers)
    assert (answer.status, answer.body) == (status, b"page" if status == 200 else b"")
    assert backend.runs == 1
    assert (await client.get("/page")).body == b"page"
    assert backend.runs == 1


@pytest.mark.row("S2.34")
async def test_h7_a_304_has_the_fields_that_count_and_none_of_the_body(front):
    """
    H7: ETag, Cache-Control, Content-Location, Expires, Vary and Age, and whatever isn't about the body.
    """
    fields = {
        "etag": '"a"', "cache_control": "max-age=60", "content_location": "/page.en", "vary": "Accept",
        "expires": "Tue, 14 Nov 2023 22:14:20 GMT", "content_type": "text/plain", "content_length": "4",
        "access_control_allow_origin": "*",
    }  # fmt: skip
    client = front(Backend(Reply(b"page", **fields)), PAGE, server_adds_date=False)
    await client.get("/page")
    answer = await client.get("/page", if_none_match='"a"')
    assert (answer.status, answer.body, answer.age) == (304, b"", 0)
    for name in ("etag", "cache-control", "content-location", "vary", "expires", "access-control-allow-origin"):
        assert answer.fields(name) == [fields[name.replace("-", "_")]], name
    for name in ("content-type", "content-encoding"):
        assert answer.field(name) is None
    assert answer.field("content-length") is None


@pytest.mark.row("S2.34", "S2.92")
async def test_h7_what_was_hashed_on_a_miss_is_not_sent_again(front, cache):
    """
    H7: the entry is gone, the client has kept the tag that was made for it: the application runs, and 304 says it all.
    """
    backend = Backend(Reply(b"page"))
    client = front(backend, Rule("/page", ttl=300, tags=["pages"]))
    tag = (await client.get("/page")).field("etag")
    await cache.invalidate_tags("pages")
    answer = await client.get("/page", if_none_match=str(tag))
    assert (answer.status, answer.body, answer.field("etag"), backend.runs) == (304, b"", tag, 2)
    assert (await client.get("/page")).body == b"page"


async def test_h7_the_application_is_not_asked_with_the_clients_conditions(front):
    """
    H7: else a 304 without a body would be all that there is to store.
    """
    backend = Backend(Reply(b"page", **TAGGED))
    client = front(backend, PAGE)
    await client.get("/page", if_none_match='"old"', if_modified_since=NOW)
    assert backend.last.field("if-none-match") is None
    assert backend.last.field("if-modified-since") is None
    assert (await client.get("/page")).hit


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("condition", [{"if_match": '"a"'}, {"if_unmodified_since": NOW}])
async def test_h7_conditions_for_changes_are_the_applications(front, method, condition):
    """
    H7: `If-Match` and `If-Unmodified-Since` pass on, and a 412 is for nobody else.
    """
    named = {name.replace("_", "-"): value for name, value in condition.items()}
    backend = Backend(lambda asked: Reply(b"page", status=412 if any(map(asked.field, named)) else 200))
    client = front(backend, PAGE)
    for _ in range(2):
        assert (await client.ask(method, "/page", **condition)).status == 412
        assert {name: backend.last.field(name) for name in named} == named
        assert (await client.get("/page")).status == 200
    assert (await client.get("/page")).hit


@pytest.mark.row("S2.34")
@pytest.mark.parametrize("said", [{"cache_control": "private"}, {"set_cookie": "a=1"}, {"vary": "*"}, {}])
async def test_h7_who_has_what_is_not_stored_gets_no_body_either(front, said):
    """
    H7: the application wasn't shown the client's conditions, so they are answered in its stead.
    """
    client = front(Backend(Reply(b"page", **TAGGED, **said)), PAGE)
    for headers in ({}, {"authorization": "Bearer a"}):
        for _ in range(2):
            answer = await client.get("/page", if_none_match='"a"', **headers)
            if answer.status == 200:
                # Where the cache took no part, the application was asked as it was, and chose to answer in full.
                assert answer.cache["fwd"] == "bypass"
            else:
                assert (answer.status, answer.body, answer.field("set-cookie")) == (304, b"", said.get("set_cookie"))
