"""For FastAPI: the cache of the running application as a dependency, cached routes, and a look at them at the start.

    app = FastAPI(lifespan=lifespan(cache))

    @app.get("/tasks")
    @cached_route(cache, ttl="5m", tags=["tasks"])
    async def list_tasks(user: CurrentUser) -> list[Task]: ...

    @app.delete("/cache")
    async def drop(cache: CacheDep): await cache.invalidate_all()

`@cached_route` caches the response of a route, by its URL; `@cache.cached(...)` and `@cache_response(...)`, at the same
place below the route's own decorator, cache what its function returns, by its arguments.
"""

from __future__ import annotations

from importlib import import_module

try:
    import_module("fastapi")
except ImportError as error:
    raise ImportError("evercache.fastapi needs FastAPI: pip install 'evercache[fastapi]'") from error

from evercache.fastapi.advice import RouteAdvice, look_at_routes
from evercache.fastapi.application import CacheDep, get_cache, lifespan
from evercache.fastapi.route import cached_route

__all__ = ["CacheDep", "RouteAdvice", "cached_route", "get_cache", "lifespan", "look_at_routes"]
