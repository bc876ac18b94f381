"""The room for FastAPI: lifespan, dependency, and the look at the routes."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Header
from fastapi.security import OAuth2PasswordBearer

from evercache import Cache, cache_response
from evercache.errors import NotStarted
from evercache.fastapi import CacheDep, lifespan, look_at_routes

bearer = OAuth2PasswordBearer(tokenUrl="token")


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of *app*, inside its lifespan."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client,
    ):
        yield client


def user_of(token: Annotated[str, Depends(bearer)]) -> str:
    return token


@pytest.mark.row("S0.15", "S0.16")
async def test_the_lifespan_starts_the_cache_around_the_applications_own() -> None:
    """
    The application's own start-up and shutdown run inside the life of the cache; a failure of them stops it too.
    """
    cache = Cache(namespace="fastapi")
    seen: list[str] = []

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[None]:
        seen.append(f"up {app.state.evercache is cache}")
        yield
        seen.append("down")

    async with running(FastAPI(lifespan=lifespan(cache, own))):
        pass
    assert seen == ["up True", "down"]


async def test_a_route_gets_the_cache_of_its_application() -> None:
    """
    `CacheDep` is the cache that the lifespan started.
    """
    cache = Cache(namespace="fastapi")
    app = FastAPI(lifespan=lifespan(cache))

    @app.get("/status")
    async def status(found: CacheDep) -> str:
        return found.health().status

    async with running(app) as client:
        assert (await client.get("/status")).json() == "memory"


async def test_without_a_lifespan_the_error_says_what_to_do() -> None:
    """
    A route that asks for a cache nobody started gets a sentence, not an attribute error.
    """
    app = FastAPI()

    @app.get("/status")
    async def status(found: CacheDep) -> str:
        return found.health().status

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        with pytest.raises(NotStarted, match="lifespan"):
            await client.get("/status")


@pytest.mark.row("S0.26", "S0.28", "S0.30")
async def test_a_cached_route_keeps_its_parameters_and_runs_once_for_each() -> None:
    """
    The decorator below the route's own leaves validation and OpenAPI as they were.
    """
    app = FastAPI(lifespan=lifespan(Cache(namespace="fastapi")))
    runs = 0

    @app.get("/tasks")
    @cache_response(key="routed_tasks", expire=300)
    async def tasks(limit: int = 50) -> list[int]:
        nonlocal runs
        runs += 1
        return list(range(limit))

    async with running(app) as client:
        assert (await client.get("/tasks?limit=3")).json() == [0, 1, 2]
        assert (await client.get("/tasks?limit=3")).json() == [0, 1, 2]
        assert (await client.get("/tasks?limit=x")).status_code == 422
        assert (await client.get("/tasks")).json() == list(range(50))
    assert runs == 2


@pytest.mark.expects_logs
async def test_a_decorator_above_the_route_is_said_at_start(caplog: pytest.LogCaptureFixture) -> None:
    """
    A cache that is silently bypassed is the worst cache: the start says which route it is.
    """
    cache = Cache(namespace="fastapi")
    app = FastAPI(lifespan=lifespan(cache))

    @cache.cached(key="above")
    @app.get("/above")
    async def above() -> int:
        return 1

    with caplog.at_level(logging.WARNING, logger="evercache.fastapi"):
        async with running(app):
            pass
    assert [(record.event, record.path) for record in caplog.records] == [("route.bypassed", "/above")]


def test_a_cached_route_that_reads_credentials_without_keying_by_them_is_named() -> None:
    """
    Whoever signs in first must not answer for everybody: such a route is pointed out, one keyed by the user is not.
    """
    cache = Cache(namespace="fastapi")
    app = FastAPI()

    @app.get("/shared", dependencies=[Depends(user_of)])
    @cache.cached(key="shared")
    async def shared() -> int:
        return 1

    @app.get("/cookie")
    @cache.cached(key="header")
    async def header(authorization: Annotated[str, Header()]) -> str:
        return authorization

    @app.get("/own")
    @cache.cached(key="own")
    async def own(user: Annotated[str, Depends(user_of)]) -> str:
        return user

    found = [(advice.code, advice.path) for advice in look_at_routes(app, cache)]
    assert ("route.credentials", "/shared") in found
    assert "/own" not in [path for _, path in found]
