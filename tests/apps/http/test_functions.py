"""Responses that are made of cached functions: they have the functions' tags, whoever called them how."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from evercache.http import Rule
from evercache.testing.clock import settle
from tests.support.ears import until
from tests.support.http import client_of
from tests.support.lagging import lagging
from tests.support.outage import opened_cache

PAGE = Rule("/page/{id:int}", ttl=300)


class Shop:
    """Users with versions, cached by functions, and pages that are made of them in one of several ways."""

    def __init__(self, cache, way="called"):
        self.version, self.runs, self.cache = 0, 0, cache
        self.opened: asyncio.Event | None = None
        users = cache.named("users")

        @users.cached(key="user", tags=["user:{id}", "users"], ttl="1h")
        async def user(id: int) -> str:
            return f"user {id} version {self.version}"

        @users.cached(key="greeting", tags=["greetings"], ttl="1h")
        async def greeting(id: int) -> str:
            return f"hello {await user(id)}"

        @users.cached(key="plain", tags=["user:{id}"], ttl="1h")
        def plain(id: int) -> str:
            return f"user {id} version {self.version}"

        self.user, self.greeting, self.plain = user, greeting, plain
        self.read = getattr(self, way)
        app = Starlette(routes=[Route("/page/{id:int}", self.streamed if way == "streams" else self.page)])
        self.app = BaseHTTPMiddleware(app, dispatch=self.passing) if way == "behind_another_task" else app

    async def page(self, request):
        self.runs += 1
        text = await self.read(request.path_params["id"])
        if self.opened is not None:
            await self.opened.wait()
        return PlainTextResponse(text)

    async def streamed(self, request):
        self.runs += 1

        async def pieces():
            yield b"page: "
            yield await self.user(request.path_params["id"])

        return StreamingResponse(pieces())

    async def passing(self, request, call_next):
        return await call_next(request)

    async def called(self, id):
        return await self.user(id)

    behind_another_task = streams = called

    async def called_twice(self, id):
        await self.user(id)
        return await self.user(id)

    async def nested(self, id):
        return await self.greeting(id)

    async def in_a_task(self, id):
        return await asyncio.ensure_future(self.user(id))

    async def gathered(self, id):
        return (await asyncio.gather(self.user(id), self.user(id)))[1]

    async def in_a_thread(self, id):
        return await run_in_threadpool(self.plain, id)

    async def in_the_imperative(self, id):
        return await self.cache.get_or_load(("user", id), lambda: self.text(id), tags=[f"user:{id}"])

    async def many(self, id):
        return (await self.cache.get_many_or_load("many", [id], self.texts, tags=["user:{id}"]))[id]

    async def text(self, id):
        return f"user {id} version {self.version}"

    async def texts(self, ids):
        return {id: await self.text(id) for id in ids}


WAYS = ("called", "called_twice", "nested", "in_a_task", "gathered", "in_a_thread", "in_the_imperative", "behind_another_task",
        "streams")  # fmt: skip


@pytest.mark.row("S2.6", "S2.33")
@pytest.mark.parametrize("warm", [False, True], ids=["loaded", "cached before"])
@pytest.mark.parametrize("way", WAYS)
async def test_the_tag_of_a_function_drops_the_responses_that_are_made_of_it(workers, way, warm):
    """
    However it was called, and whether it was loaded for the response or was there; other users' pages stay.
    """
    cache = workers[0]
    shop = Shop(cache, way)
    if warm:
        for number in (1, 2):
            await shop.read(number)
    client = client_of(cache, shop.app, PAGE)
    for number in (1, 2):
        assert [(await client.get(f"/page/{number}")).hit for _ in range(2)] == [False, True]
    shop.version = 1
    await cache.invalidate_tags("user:1")
    first, second = await client.get("/page/1"), await client.get("/page/2")
    assert (first.hit, b"version 1" in first.body) == (False, True)
    assert (second.hit, b"version 0" in second.body) == (True, True)


DROPS = {
    "with everything": lambda shop: shop.cache.invalidate_all(),
    "by a common tag": lambda shop: shop.cache.invalidate_tags("users"),
    "by its own tag": lambda shop: shop.cache.invalidate_tags("user:1"),
    "softly": lambda shop: shop.cache.expire_tags("user:1"),
}


@pytest.mark.row("S2.6", "S2.33")
@pytest.mark.parametrize("how", DROPS)
async def test_what_drops_the_value_by_tag_drops_the_response(cache, how):
    """
    By one of its tags, softly, or with everything; the key of a function is no tag of what is made of it.
    """
    shop = Shop(cache)
    client = client_of(cache, shop.app, PAGE)
    await client.get("/page/1")
    assert (await client.get("/page/1")).hit
    shop.version = 1
    await DROPS[how](shop)
    assert b"version 1" in (await client.get("/page/1")).body


@pytest.mark.row("PR1", "W40", "S2.33")
async def test_a_response_that_was_overtaken_by_a_change_of_what_it_is_made_of_is_not_kept(workers):
    """
    The function was read, then changed and invalidated, then the page was ready: it is its client's alone.
    """
    cache = workers[0]
    shop = Shop(cache)
    client = client_of(cache, shop.app, PAGE)
    shop.opened = asyncio.Event()
    reading = client.start("GET", "/page/1")
    await until(lambda: shop.runs)
    await settle()
    shop.version = 1
    await workers[1].invalidate_tags("user:1")
    shop.opened.set()
    assert b"version 0" in (await reading).body
    shop.opened = None
    answer = await client.get("/page/1")
    assert (answer.hit, b"version 1" in answer.body) == (False, True)


@pytest.mark.row("S2.33")
async def test_a_refresh_behind_has_the_tags_of_what_it_has_read(cache, manual_clock):
    """
    The response that was made for nobody is found by them, too.
    """
    shop = Shop(cache)
    client = client_of(cache, shop.app, Rule("/page/{id:int}", ttl=10, stale_while_revalidate=60))
    await client.get("/page/1")
    manual_clock.advance(20)
    await client.get("/page/1")
    await until(lambda: shop.runs == 2)
    await settle()
    assert (await client.get("/page/1")).age == 0
    shop.version = 1
    await cache.invalidate_tags("user:1")
    assert b"version 1" in (await client.get("/page/1")).body


@pytest.mark.row("PR1", "PR2", "S2.33")
@pytest.mark.parametrize("how", ["tag", "key"])
async def test_what_a_lagging_worker_makes_of_its_memory_is_its_clients_alone(redis_url, redis_namespace, how):
    """
    The page is asked for after the user was invalidated, and made of what this worker had of the user: served, not kept.
    """
    async with (
        opened_cache(redis_url, redis_namespace) as (one, _),
        lagging(redis_url, redis_namespace) as (two, store),
    ):
        here, there = Shop(one), Shop(two)
        near, far = client_of(one, here.app, PAGE), client_of(two, there.app, PAGE)
        await there.user(1)
        store.hold()
        here.version = there.version = 1
        await (here.user.invalidate(1) if how == "key" else one.invalidate_tags("user:1"))
        await until(lambda: bool(store.kept))
        assert b"version 0" in (await far.get("/page/1")).body
        assert b"version 1" in (await near.get("/page/1")).body
        store.let_go()
        assert b"version 1" in (await far.get("/page/1")).body


@pytest.mark.row("S2.33")
async def test_a_response_that_is_made_of_a_stale_value_is_stale_itself(cache):
    """
    Kept as fresh, an old value would live on in it for a whole ttl.
    """
    failing = False

    @cache.cached(key="rates", ttl="1h", fail_safe="1d", tags=["rates"])
    async def rates() -> str:
        if failing:
            raise OSError
        return "rates"

    async def page(request):
        return PlainTextResponse(await rates())

    client = client_of(cache, Starlette(routes=[Route("/page/{id:int}", page)]), PAGE)
    await client.get("/page/1")
    await cache.expire_tags("rates")
    failing = True
    assert [(await client.get("/page/1")).hit for _ in range(3)] == [False] * 3
    failing = False
    await rates.refresh()
    assert [(await client.get("/page/1")).hit for _ in range(2)] == [False, True]


async def test_what_another_request_reads_meanwhile_is_not_ones_own(cache):
    """
    Two pages are made at once: each has its own tags.
    """
    shop = Shop(cache)
    client = client_of(cache, shop.app, PAGE)
    shop.opened = asyncio.Event()
    waiting = [client.start("GET", f"/page/{number}") for number in (1, 2)]
    await until(lambda: shop.runs == 2)
    shop.opened.set()
    for exchange in waiting:
        await exchange
    await cache.invalidate_tags("user:1")
    assert [(await client.get(f"/page/{number}")).hit for number in (1, 2)] == [False, True]


async def test_what_a_background_task_reads_is_not_part_of_the_response(cache):
    """
    The response was complete before it.
    """
    ran = []
    shop = Shop(cache)

    async def later():
        ran.append(await shop.user(2))

    async def page(request):
        return PlainTextResponse(await shop.user(1), background=BackgroundTask(later))

    client = client_of(cache, Starlette(routes=[Route("/page/{id:int}", page)]), PAGE)
    await client.get("/page/1")
    await until(lambda: ran)
    await cache.invalidate_tags("user:2")
    assert (await client.get("/page/1")).hit
    await cache.invalidate_tags("user:1")
    assert not (await client.get("/page/1")).hit
