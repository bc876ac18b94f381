"""What the start says about the routes: caches that are silently bypassed, and keys that miss who is asking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evercache.cache import Cache
from evercache.decorators.cached import Cached
from evercache.fastapi.route import is_bypassed, is_public
from evercache.http.guards import guarded_parameters, reads_credentials
from evercache.http.walk import routes_of

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["RouteAdvice", "look_at_routes"]


@dataclass(frozen=True, slots=True)
class RouteAdvice:
    """What is wrong with the caching of a route. Codes: `route.bypassed`, `route.credentials`, `route.personal`."""

    code: str
    path: str
    sentence: str


def look_at_routes(app: FastAPI, cache: Cache) -> Iterable[RouteAdvice]:
    """Routes whose cache is silently bypassed, and cached routes that read credentials and don't key by them."""
    functions = cache.engine.decorated
    bypassed = {made.function for made in functions}
    cached = {made.stand_in: made for made in functions}
    for route in routes_of(app):
        if route.dependant is None:
            continue
        if route.endpoint in bypassed or is_bypassed(route.endpoint):
            yield RouteAdvice(
                "route.bypassed",
                route.path,
                "the cache decorator stands above the route's own, so the route was registered without it and is never "
                "cached. Put @cached and @cached_route below @app.get(...).",
            )
        given = ", ".join(guarded_parameters(route)) if is_public(route.endpoint) else ""
        if given:
            yield RouteAdvice(
                "route.personal",
                route.path,
                f"this cached route has one response for everybody, and its function is given {given} by a guard: if the "
                "response shows anything of it, everybody sees the first caller's. Choose key_by='...', or let the guard "
                "stand in dependencies=[...] of the route.",
            )
        made = cached.get(route.endpoint)
        if made is not None and reads_credentials(route.dependant) and not _keyed_by_identity(made):
            yield RouteAdvice(
                "route.credentials",
                route.path,
                "this cached route reads credentials and its key has nothing of them: everybody would get the first "
                "caller's answer. Add the signed-in user as a parameter, or choose the key with key_by.",
            )


def _keyed_by_identity(made: Cached) -> bool:
    return made.chosen is not None or any(p.injected and not p.skipped for p in made.parameters)
