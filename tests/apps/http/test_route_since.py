"""What a cached route's dependencies have read counts as read for the response: an invalidation of it is not overtaken."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Response

from evercache import Cache
from evercache.core.protocol import Tags
from evercache.engine.invalidation import Confirmation
from evercache.fastapi import cached_route, lifespan
from evercache.fastapi.route import check_routes
from evercache.http import CacheMiddleware
from evercache.stores.local import MemoryStore
from evercache.testing.chaos import ChaosStore, in_order, only
from evercache.testing.clock import ManualClock
from tests.support.ears import until
from tests.support.http import Client, lifespan_of
from tests.support.source import alone


class Table:
    """A row that dependencies read; who reads it waits then, while there is a gate."""

    def __init__(self) -> None:
        self.title = "old"
        self.reads: list[str] = []
        self.runs: list[str] = []
        self.gate: asyncio.Event | None = None
        self.endpoint_gate: asyncio.Event | None = None

    async def read(self, id: int) -> str:
        found = self.title
        self.reads.append(found)
        if self.gate is not None:
            await self.gate.wait()
        return found

    def on(self, cache: Cache) -> FastAPI:
        """A worker whose route takes the row from a dependency."""
        app = FastAPI()

        @app.get("/task/{id}")
        @cached_route(cache, ttl=60, tags=["task:{id}"])
        async def task(id: int, title: Annotated[str, Depends(self.read)]) -> str:
            self.runs.append(title)
            if self.endpoint_gate is not None:
                await self.endpoint_gate.wait()
            return title

        check_routes(app)
        return app


@pytest.mark.row("S0.19")
@pytest.mark.parametrize("writer", [0, 1], ids=["this worker", "the other worker"])
async def test_what_a_dependency_read_before_an_invalidation_is_not_kept_after_it(
    workers: tuple[Cache, Cache], writer: int
) -> None:
    """
    PR1: the row was read, then changed and invalidated, and only then does the load begin: its response answers who
    asked before, and nobody later.
    """
    table = Table()
    app = table.on(workers[0])
    table.gate = asyncio.Event()
    early = Client(app).start("GET", "/task/1")
    await until(lambda: table.reads)
    table.title = "new"
    assert await workers[writer].invalidate_tags("task:1") is Confirmation.CONFIRMED
    table.gate.set()
    answer = await early
    assert (answer.body, answer.cache.get("detail")) == (b'"old"', "overtaken")
    table.gate = None
    for worker in workers:
        assert (await Client(table.on(worker)).get("/task/1")).body == b'"new"'
    later = await Client(app).get("/task/1")
    assert (later.body, later.hit) == (b'"new"', True)


class Lagging(ChaosStore):
    """A store whose news come late, from a moment on: what it heard last stays what it heard last."""

    positions: list[bytes | None] | None = None

    def lag(self) -> None:
        self.positions = [self.heard(partition) for partition in range(self.partitions)]
        assert self._ear is not None
        self._ear.deaf = True

    def heard(self, partition: int) -> bytes | None:
        return super().heard(partition) if self.positions is None else self.positions[partition]


async def test_an_invalidation_that_this_process_has_not_heard_of_is_asked_for(manual_clock: ManualClock) -> None:
    """
    PR1: the other worker's invalidation is confirmed, and its news are still on their way here; an answer that is lost
    is no answer.
    """
    store = MemoryStore(manual_clock)
    lagging: list[Lagging] = []

    def join() -> Lagging:
        lagging.append(Lagging(store.join(), clock=manual_clock))
        return lagging[-1]

    async with Cache(store=join, clock=manual_clock, environ={}) as one, alone(manual_clock, store=store.join) as two:
        table = Table()
        app = table.on(one)

        async def kept(target: str, meanwhile: Callable[[], Awaitable[object]]) -> bool:
            table.reads.clear()
            table.gate = asyncio.Event()
            asking = Client(app).start("GET", target)
            await until(lambda: table.reads)
            await meanwhile()
            table.gate.set()
            return (await asking).stored

        async def answers_get_lost() -> None:
            lagging[0].plan = only(Tags, in_order("lose"))

        assert await kept("/task/1?a", lambda: two.invalidate_tags("task:2"))
        assert not await kept("/task/1?b", answers_get_lost)
        lagging[0].lag()
        assert not await kept("/task/1?c", lambda: two.invalidate_tags("task:1"))


async def test_who_comes_after_an_invalidation_does_not_get_a_load_that_is_older_by_its_dependencies(
    workers: tuple[Cache, Cache],
) -> None:
    """
    PR1 in one process: the load begins after the invalidation, and what it is made of was read before.
    """
    table = Table()
    app = table.on(workers[0])
    table.gate, table.endpoint_gate = asyncio.Event(), asyncio.Event()
    early = Client(app).start("GET", "/task/1")
    await until(lambda: table.reads)
    table.title = "new"
    await workers[0].invalidate_tags("task:1")
    table.gate.set()
    await until(lambda: table.runs)
    late = Client(app).start("GET", "/task/1")
    await until(lambda: len(table.reads) == 2)
    table.endpoint_gate.set()
    assert ((await early).body, (await late).body) == (b'"old"', b'"new"')


async def test_a_process_alone_asks_its_own_memory(cache: Cache) -> None:
    """
    Without a shared store, its own invalidations are all there are.
    """
    table = Table()
    app = table.on(cache)
    table.gate = asyncio.Event()
    early = Client(app).start("GET", "/task/1")
    await until(lambda: table.reads)
    table.title = "new"
    await cache.invalidate_tags("task:1")
    table.gate.set()
    assert (await early).cache.get("detail") == "overtaken"
    assert (await Client(app).get("/task/1")).body == b'"new"'


async def test_what_nothing_has_touched_is_kept(workers: tuple[Cache, Cache]) -> None:
    """
    An invalidation of something else, while the dependencies are solved, costs nothing.
    """
    table = Table()
    app = table.on(workers[0])
    table.gate = asyncio.Event()
    asking = Client(app).start("GET", "/task/1")
    await until(lambda: table.reads)
    await workers[0].invalidate_tags("task:2")
    await workers[1].invalidate_tags("tasks")
    table.gate.set()
    assert (await asking).stored
    for worker in workers:
        assert (await Client(table.on(worker)).get("/task/1")).hit


async def test_a_response_has_the_tags_of_what_its_dependencies_have_read(cache: Cache) -> None:
    """
    A dependency that calls a cached function makes the response depend on it, as the endpoint itself does.
    """
    name = "Ada"

    @cache.cached(key="owner_of", tags=["owner:{id}"])
    async def owner_of(id: int) -> str:
        return name

    app = FastAPI(dependencies=[Depends(owner_of)])

    @app.get("/owner/{id}")
    @cached_route(cache, ttl=60)
    async def owner(owner: Annotated[str, Depends(owner_of)]) -> str:
        return owner

    check_routes(app)
    assert [(await Client(app).get("/owner/1")).body for _ in range(3)] == [b'"Ada"'] * 3
    name = "Grace"
    await cache.invalidate_tags("owner:1")
    assert (await Client(app).get("/owner/1")).body == b'"Grace"'


async def test_only_our_lifespan_lets_the_first_response_be_kept(manual_clock: ManualClock) -> None:
    """
    Without it nobody knows when the first request of a route began; from the second on, everything is as with it.
    """
    seen: list[list[tuple[bool, str | None]]] = []
    for ours in (False, True):
        cache = alone(manual_clock)
        app = FastAPI(lifespan=lifespan(cache) if ours else cache.lifespan)

        @app.get("/it")
        @cached_route(cache, ttl=60)
        async def it() -> int:
            return 1

        async with lifespan_of(app):
            answers = [await Client(app).get("/it") for _ in range(3)]
        seen.append([(answer.hit, answer.cache.get("detail")) for answer in answers])
    assert seen == [
        [(False, "first-request"), (False, None), (True, None)],
        [(False, None), (True, None), (True, None)],
    ]


async def test_within_a_middleware_that_keeps_it_the_outer_one_does(workers: tuple[Cache, Cache]) -> None:
    """
    The middleware and the route have the same key in the same cache: the inner one doesn't wait for the outer one.
    """
    cache, _ = workers
    app = FastAPI()

    @app.get("/it")
    @cached_route(cache, ttl=60)
    async def it(response: Response) -> int:
        response.headers["Cache-Control"] = "max-age=60"
        return 1

    check_routes(app)
    client = Client(CacheMiddleware(app, cache=cache, respect_origin=True))
    miss, hit = await client.get("/it"), await client.get("/it")
    assert (miss.stored, len(miss.fields("cache-status")), hit.hit, len(hit.fields("cache-status"))) == (
        True,
        1,
        True,
        1,
    )
