"""The cache in the running application: started by its lifespan, handed to its routes."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from starlette.requests import HTTPConnection  # noqa: TC002 - FastAPI reads the annotation of get_cache

from evercache.cache import Cache
from evercache.errors import NotStarted
from evercache.fastapi.advice import look_at_routes
from evercache.fastapi.route import check_routes

__all__ = ["CacheDep", "get_cache", "lifespan"]

_log = logging.getLogger("evercache.fastapi")


def lifespan(
    cache: Cache, own: Callable[[FastAPI], AbstractAsyncContextManager[Any]] | None = None
) -> Callable[[FastAPI], AbstractAsyncContextManager[Any]]:
    """A lifespan that starts *cache*, looks at the routes, runs the application's *own* lifespan, and stops the cache.

    What is suspicious about a route is logged; a `cached_route` that is wrong raises ConfigurationError.
    """
    started = cache.lifespan_with(own)

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncGenerator[Any]:
        check_routes(app)
        for advice in look_at_routes(app, cache):
            _log.warning("%s: %s", advice.path, advice.sentence, extra={"event": advice.code, "path": advice.path})
        async with started(app) as state:
            yield state

    return run


def get_cache(connection: HTTPConnection) -> Cache:
    """The cache of the application that serves this request. Raises NotStarted if its lifespan started none."""
    cache = getattr(connection.app.state, "evercache", None)
    if not isinstance(cache, Cache):
        raise NotStarted(
            "this application has no cache; create it with FastAPI(lifespan=evercache.fastapi.lifespan(cache))."
        )
    return cache


CacheDep = Annotated[Cache, Depends(get_cache)]
"""The application's cache, as a parameter of a route: `cache: CacheDep`."""
