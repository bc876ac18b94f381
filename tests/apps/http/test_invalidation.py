"""What a successful change drops, and what it leaves: H11 and H12."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from evercache.http import Rule
from tests.support.ears import until
from tests.support.http import Backend, Reply, client_of

PAGE = Rule("/page", ttl=300)
ANYTHING = Rule("/{rest:path}", ttl=300)


def changing(status=200, failing=None, **fields):
    """An application whose pages can be read, and whose changes end as told."""

    def answer(asked):
        if asked.scope["method"] in ("GET", "HEAD", "QUERY", "OPTIONS", "TRACE"):
            return Reply()
        return failing or Reply(b"changed", status=status, **fields)

    return Backend(answer)


async def stays(client, target="/page", **headers):
    """Whether the entry of *target* is still there."""
    return (await client.get(target, cache_control="only-if-cached", **headers)).hit


# -- H11: the resource -------------------------------------------------------------------------------------------------


@pytest.mark.row("S2.33", "W12")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "LINK", "get"])
async def test_h11_a_success_drops_the_url(front, method):
    """
    H11: any method that isn't known to be safe; the next reader gets the application's answer at once.
    """
    client = front(changing(), PAGE)
    await client.get("/page")
    assert await stays(client)
    assert (await client.ask(method, "/page", b"x")).body == b"changed"
    assert (await client.get("/page")).body == b"run 3"
    assert client.app.statistics()["/page"]["invalidated"] >= 1


@pytest.mark.row("S2.33")
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "QUERY"])
async def test_h11_safe_methods_drop_nothing(front, method):
    """
    H11: QUERY is safe, too.
    """
    client = front(changing(), PAGE)
    await client.get("/page")
    await client.ask(method, "/page")
    assert await stays(client)


@pytest.mark.row("S2.33", "W12")
@pytest.mark.parametrize(
    ("status", "left"),
    [(200, False), (201, False), (202, False), (204, False), (302, False), (303, False), (400, True), (401, True),
     (403, True), (404, True), (409, True), (422, True), (429, True), (500, True), (503, True)],
)  # fmt: skip
async def test_h11_only_a_success_drops(front, status, left):
    """
    H11: 2xx and 3xx; a failed write changed nothing.
    """
    client = front(changing(status), PAGE)
    await client.get("/page")
    await client.post("/page")
    assert await stays(client) is left


@pytest.mark.row("S2.33", "W12")
async def test_h11_an_exception_drops_nothing(front):
    """
    H11: it is the server's, and the entry stays.
    """
    client = front(changing(failing=ValueError("broken")), PAGE)
    await client.get("/page")
    with pytest.raises(ValueError, match="broken"):
        await client.post("/page")
    assert await stays(client)


@pytest.mark.row("S2.33", "W12")
async def test_h11_a_change_is_not_seen_before_it_happened(front):
    """
    H11: nothing is dropped before the application has answered: until then the entry answers as before.
    """
    backend = changing()
    client = front(backend, PAGE)
    await client.get("/page")
    opened = backend.shut()
    changing_page = client.start("POST", "/page")
    await until(lambda: backend.running)
    assert await stays(client)
    opened.set()
    await changing_page
    assert not await stays(client)


@pytest.mark.row("S2.33", "W12", "PR1")
async def test_h11_a_reader_that_was_overtaken_by_a_change_stores_nothing(front):
    """
    H11: the reader read before the change and answers after it: the old page is his alone.
    """
    version, reading, opened = ["old"], [], asyncio.Event()

    async def app(scope, receive, send):
        method, read = scope["method"], version[0]
        if method == "GET":
            reading.append(read)
            await opened.wait()
        if method == "PUT":
            version[0] = "new"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": read.encode()})

    client = front(app, PAGE)
    overtaken = client.start("GET", "/page")
    await until(lambda: reading)
    await client.ask("PUT", "/page")
    opened.set()
    assert (await overtaken).body == b"old"
    assert (await client.get("/page")).body == b"new"


@pytest.mark.row("S2.33", "W12", "PR1")
@pytest.mark.parametrize("target", ["/page", "/form"])
async def test_h11_a_change_that_is_committed_after_its_response_is_not_undone_by_a_reader(front, target):
    """
    H11: a transaction that ends when the response has left: a reader in between reads what was, and nobody after it.
    """
    version, committing = ["old"], asyncio.Event()

    async def app(scope, receive, send):
        read = version[0]
        change = scope["method"] == "PUT"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-location", b"/page")]})
        await send({"type": "http.response.body", "body": read.encode()})
        if change:
            await committing.wait()
            version[0] = "new"

    client = front(app, PAGE)
    changed = client.start("PUT", target)
    await until(lambda: changed.complete)
    assert (await client.get("/page")).body == b"old"
    committing.set()
    await changed
    assert (await client.get("/page")).body == b"new"


@pytest.mark.row("S2.33")
async def test_h11_all_variants_and_all_audiences_go(front):
    """
    H11: whatever language, coding or user it was stored for.
    """
    backend = Backend(lambda asked: Reply(vary="Accept"))
    user = {name: {"user": SimpleNamespace(is_authenticated=True, name=name)} for name in ("ann", "bob")}
    client = front(backend, Rule("/page", ttl=300, key_by=lambda request: request.scope["user"].name))

    def read(name, accept):
        return client.ask("GET", "/page", scope=user[name], accept=accept)

    for name in user:
        for accept in ("a", "b"):
            assert not (await read(name, accept)).hit
            assert (await read(name, accept)).hit
    await client.ask("PUT", "/page", scope=user["ann"])
    hits = [(await read(name, accept)).hit for name in user for accept in ("a", "b")]
    assert hits == [False] * 4


async def test_h11_other_urls_stay(front):
    """
    H11: neither a longer path nor another host is this resource. Another query is: what a change of `/page` does to
    `/page?x=1` nobody knows.
    """
    client = front(changing(), ANYTHING)
    for target in ("/page", "/page/1", "/page?x=1", "/other"):
        await client.get(target)
    client.host = "elsewhere"
    await client.get("/page")
    client.host = "app"
    await client.post("/page")
    assert [await stays(client, target) for target in ("/page", "/page/1", "/page?x=1", "/other")] == [
        False, True, False, True,
    ]  # fmt: skip
    client.host = "elsewhere"
    assert await stays(client)


LOCATIONS = [
    ("/item/7", True), ("http://app/item/7", True), ("//app/item/7", True), ("item/7", True), ("http://APP:80/item/7", True),
    ("../item/7", True), ("http://other/item/7", False), ("https://app/item/7", False), ("http://app:81/item/7", False),
    ("http://[", False), ("mailto:a@b", False),
]  # fmt: skip


@pytest.mark.row("S2.33")
@pytest.mark.parametrize("name", ["location", "content_location"])
@pytest.mark.parametrize(("place", "dropped"), LOCATIONS)
async def test_h11_what_the_answer_points_at_goes_too_within_the_origin(front, name, place, dropped):
    """
    H11: Location and Content-Location, absolute or relative; nobody drops another site's pages.
    """
    client = front(changing(201, **{name: place}), ANYTHING)
    await client.get("/item/7")
    await client.post("/item")
    assert await stays(client, "/item/7") is not dropped


async def test_h11_a_path_without_a_rule_can_change_one_that_has(front):
    """
    H11: a form that answers elsewhere points at the page that it changed.
    """
    client = front(changing(303, location="/page"), PAGE)
    await client.get("/page")
    await client.post("/form")
    assert not await stays(client)


async def test_h11_a_client_that_leaves_does_not_save_the_old_page(front):
    """
    H11: the change has happened, whether anybody waits for its answer or not.
    """
    backend = changing()
    client = front(backend, PAGE)
    await client.get("/page")
    opened = backend.shut()
    exchange = client.start("POST", "/page")
    await until(lambda: backend.running)
    exchange.leave()
    opened.set()
    await asyncio.wait([exchange.task])
    assert not await stays(client)


@pytest.mark.row("S2.33", "W12", "S2.6")
async def test_h11_every_worker_hears_of_it(workers):
    """
    H11: changed at one, gone at the other: in its memory too, within what the cache promises for it.
    """
    backend = changing()
    one, two = (client_of(cache, backend, PAGE) for cache in workers)
    await one.get("/page")
    while not (await two.get("/page", cache_control="only-if-cached")).hit:
        await asyncio.sleep(0.002)
    assert (await two.get("/page")).body == b"run 1"
    await one.post("/page")
    assert (await one.get("/page")).body != b"run 1"
    async with asyncio.timeout(30):
        while (await two.get("/page")).body == b"run 1":
            await asyncio.sleep(0.002)


# -- H12: groups and tags ----------------------------------------------------------------------------------------------


@pytest.mark.row("S2.33", "F2.4")
async def test_h12_a_rules_tags_are_dropped_by_another_rules_changes(front):
    """
    H12: boardrooms and their decisions: templates with the parameters of the path, on both sides.
    """
    rules = [
        Rule("/boardrooms", ttl=300, tags=["boardrooms"]),
        Rule("/boardrooms/{id}", ttl=300, tags=["boardroom:{id}"], invalidates=["boardrooms"]),
        Rule(
            "/boardrooms/{id}/decisions", ttl=300, tags=["decisions", "boardroom:{id}"], invalidates=["boardroom:{id}"]
        ),
    ]
    client = front(changing(201), *rules)
    pages = ("/boardrooms", "/boardrooms/1", "/boardrooms/2", "/boardrooms/1/decisions", "/boardrooms/2/decisions")

    async def left():
        return [page for page in pages if await stays(client, page)]

    async def fill():
        for page in pages:
            await client.get(page)

    await fill()
    assert await left() == list(pages)
    await client.post("/boardrooms/1/decisions")
    assert await left() == ["/boardrooms", "/boardrooms/2", "/boardrooms/2/decisions"]
    await fill()
    await client.ask("DELETE", "/boardrooms/2")
    assert await left() == ["/boardrooms/1", "/boardrooms/1/decisions", "/boardrooms/2/decisions"]


@pytest.mark.row("F2.4", "W12")
async def test_h12_a_failed_change_drops_no_tag(front):
    """
    H12: what holds for the URL holds for its tags.
    """
    client = front(changing(422), Rule("/a", ttl=300, tags=["t"]), Rule("/b", invalidates=["t"]))
    await client.get("/a")
    await client.post("/b")
    assert await stays(client, "/a")


@pytest.mark.row("S2.6", "S2.33")
async def test_h12_tags_are_those_of_the_rest_of_the_cache(front, cache):
    """
    H12: one invalidation drops function results and responses alike.
    """
    client = front(changing(), Rule("/users/{id}", ttl=300, tags=["user:{id}"]))
    for number in (1, 2):
        await client.get(f"/users/{number}")
    await cache.invalidate_tags("user:1")
    assert [await stays(client, f"/users/{number}") for number in (1, 2)] == [False, True]


async def test_h12_tags_can_be_made_from_what_was_asked_and_answered(front, cache):
    """
    H12: a function sees the request and the response.
    """

    def tags(request, response):
        yield f"author:{response.headers.get('X-Author')}"
        yield f"kind:{request.path_params['kind']}"
        yield f"lang:{request.headers.get('accept-language')}"
        yield f"status:{response.status}"

    client = front(Backend(x_author="7", vary="accept-language"), Rule("/list/{kind}", ttl=300, tags=tags))
    for tag in ("author:7", "kind:new", "lang:en", "status:200"):
        await client.get("/list/new", accept_language="en")
        await cache.invalidate_tags("author:8", "kind:old")
        assert await stays(client, "/list/new", accept_language="en")
        await cache.invalidate_tags(tag)
        assert not await stays(client, "/list/new", accept_language="en")


BROKEN = {
    "it fails": lambda request, response: [response.headers["x-absent"]],
    "a text": lambda request, response: "page",
    "nothing": lambda request, response: None,
    "an empty tag": lambda request, response: ["page", ""],
    "a number": lambda request, response: [7],
}


@pytest.mark.expects_logs
@pytest.mark.parametrize("how", BROKEN)
async def test_h12_a_tag_function_that_fails_costs_the_entry_and_not_the_answer(front, how):
    """
    H12: the client gets his page; it isn't stored, for nobody could drop it.
    """
    backend = Backend()
    client = front(backend, Rule("/page", ttl=300, tags=BROKEN[how]))
    for run in (1, 2):
        answer = await client.get("/page")
        assert (answer.status, answer.body, answer.stored) == (200, b"run %d" % run, False)


@pytest.mark.row("S2.33")
@pytest.mark.parametrize(
    "field", [{"cache_groups": '"news", "front"'}, {"surrogate_key": "news front"}, {"cache_tag": "front, news"}]
)
async def test_h12_a_response_names_its_groups_and_a_change_drops_them(front, field):
    """
    H12: RFC 9875 within one origin; the fields of CDNs mean the same on responses.
    """

    def answer(asked):
        if asked.scope["method"] == "POST":
            return Reply(headers=[("cache-group-invalidation", '"news"')])
        return Reply(**(field if "other" not in asked.scope["path"] else {"cache_groups": '"other"'}))

    client = front(Backend(answer), Rule("/page", ttl=300), Rule("/other", ttl=300))
    for host in ("app", "elsewhere"):
        client.host = host
        for target in ("/page", "/other"):
            await client.get(target)
    client.host = "app"
    await client.post("/anything")
    assert [await stays(client, target) for target in ("/page", "/other")] == [False, True]
    client.host = "elsewhere"
    assert await stays(client)


async def test_h12_a_safe_request_or_a_failure_drops_no_group(front):
    """
    H12: `Cache-Group-Invalidation` on a GET or on an error says nothing.
    """
    status = [200]
    backend = Backend(lambda asked: Reply(status=status[0], cache_groups='"a"', cache_group_invalidation='"a"'))
    client = front(backend, PAGE)
    await client.get("/page")
    await client.get("/elsewhere")
    await client.head("/elsewhere")
    status[0] = 500
    await client.post("/elsewhere")
    assert await stays(client)


async def test_h12_groups_are_taken_out_where_told(front):
    """
    H12: with `strip_groups` no client sees how the pages hang together; without it the fields pass.
    """
    fields = {"cache_groups": '"a"', "surrogate_key": "a", "cache_tag": "a"}
    for strip in (True, False):
        client = front(Backend(**fields), Rule(f"/{strip}", ttl=300, strip_groups=strip))
        for hit in (False, True):
            answer = await client.get(f"/{strip}")
            assert answer.hit is hit
            for name in ("cache-groups", "surrogate-key", "cache-tag"):
                assert (answer.field(name) is None) is strip
