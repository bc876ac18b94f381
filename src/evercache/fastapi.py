"""For FastAPI: the cache of the running application as a dependency, and a look at the routes.

    app = FastAPI(lifespan=lifespan(cache))

    @app.delete("/cache")
    async def drop(cache: CacheDep): await cache.invalidate_all()

Decorated functions need nothing of this; a route is cached by `@cache.cached(...)` or `@cache_response(...)` below the
route's own decorator.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

try:
    from fastapi import Depends, FastAPI
    from fastapi.dependencies.models import Dependant  # noqa: TC002 - one import block, one error when it is missing
    from fastapi.routing import APIRoute
    from fastapi.security.base import SecurityBase
    from starlette.requests import HTTPConnection  # noqa: TC002 - FastAPI reads the annotation of get_cache
except ImportError as error:
    raise ImportError("evercache.fastapi needs FastAPI: pip install 'evercache[fastapi]'") from error

from evercache.cache import Cache
from evercache.decorators.cached import Cached
from evercache.errors import NotStarted

__all__ = ["CacheDep", "RouteAdvice", "get_cache", "lifespan", "look_at_routes"]

_log = logging.getLogger("evercache.fastapi")


def lifespan(
    cache: Cache, own: Callable[[FastAPI], AbstractAsyncContextManager[Any]] | None = None
) -> Callable[[FastAPI], AbstractAsyncContextManager[Any]]:
    """A lifespan that starts *cache*, looks at the routes, runs the application's *own* lifespan, and stops the cache."""
    started = cache.lifespan_with(own)

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncGenerator[Any]:
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


@dataclass(frozen=True, slots=True)
class RouteAdvice:
    """What is wrong with the caching of a route. Codes: `route.bypassed`, `route.credentials`."""

    code: str
    path: str
    sentence: str


def look_at_routes(app: FastAPI, cache: Cache) -> Iterable[RouteAdvice]:
    """Routes whose cache is silently bypassed, and cached routes that read credentials and don't key by them."""
    functions = cache.engine.decorated
    bypassed = {made.function: made for made in functions}
    cached = {made.stand_in: made for made in functions}
    for route in app.routes:
        if not isinstance(route, APIRoute):
            continue
        if route.endpoint in bypassed:
            yield RouteAdvice(
                "route.bypassed",
                route.path,
                "the cache decorator stands above the route's own, so the route was registered without it and is never "
                "cached. Put @cached below @app.get(...).",
            )
        made = cached.get(route.endpoint)
        if made is not None and _reads_credentials(route.dependant) and not _keyed_by_identity(made):
            yield RouteAdvice(
                "route.credentials",
                route.path,
                "this cached route reads credentials and its key has nothing of them: everybody would get the first "
                "caller's answer. Add the signed-in user as a parameter, or choose the key with key_by.",
            )


def _reads_credentials(dependant: Dependant) -> bool:
    call: object = dependant.call
    if isinstance(call, SecurityBase):
        return True
    names = {field.alias.lower() for field in (*dependant.header_params, *dependant.cookie_params)}
    if dependant.cookie_params or "authorization" in names:
        return True
    return any(_reads_credentials(inner) for inner in dependant.dependencies)


def _keyed_by_identity(made: Cached) -> bool:
    return made.chosen is not None or any(p.injected and not p.skipped for p in made.parameters)
