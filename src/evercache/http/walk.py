"""The routes of an application, and the one that it chose: recognised by what they have, for no framework is imported.

Starlette, FastAPI and what is built like them: an application or a router has `routes`; a route has `path` and
`endpoint`, and FastAPI's a `dependant`; a mount has `path` and `app`, a host has `host` and `app`. FastAPI keeps an
included router as one route, which says by itself what its routes have become (`effective_route_contexts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evercache.errors import ConfigurationError
from evercache.http.template import PathTemplate

__all__ = ["FoundRoute", "chosen", "layers", "routed", "routed_within", "router_of", "routes_of", "stands_in"]

_DEEPEST = 64
"""Middlewares over each other, and mounts in each other; who has more has a ring of them."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundRoute:
    """A route by its whole template, with the prefixes of its mounts.

    - methods: empty for any.
    - dependant: FastAPI's tree of dependencies, None for others.
    - sealed: a mount of something that has no routes to look at; *path* is where it begins.
    """

    path: str
    methods: frozenset[str] = frozenset()
    endpoint: object = None
    dependant: Any = None  # Any: FastAPI's, which isn't imported here
    route: object = None
    sealed: bool = False


def layers(app: object) -> Iterator[object]:
    """*app* and what it wraps, from the outside in; each has the next one as `app`."""
    for _ in range(_DEEPEST):
        yield app
        app = getattr(app, "app", None)
        if app is None:
            return


def router_of(app: object) -> object | None:
    """The first layer of *app* that has routes."""
    return next((layer for layer in layers(app) if _has_routes(layer)), None)


def routes_of(app: object, prefix: str = "", depth: int = 0) -> Iterator[FoundRoute]:
    """The HTTP routes of *app*, those of mounted applications included."""
    routes: Iterable[object] = getattr(router_of(app), "routes", ())
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)
        for effective in [route] if included is None else included():
            yield from _found(getattr(effective, "starlette_route", None) or effective, prefix, depth)


def routed(scope: Mapping[str, Any]) -> str | None:
    """The template of the route that the application chose for *scope*, once it has run; "" if it chose none, and None
    for an application without a router."""
    route = chosen(scope)
    path = getattr(route, "path", None)
    if isinstance(path, str):
        return _mounted_at(scope) + path
    if "router" not in scope:
        return None
    if route is not None or "endpoint" not in scope:
        return ""
    # Older Starlette, and FastAPI for a route that isn't its own, say only which endpoint it was.
    found = [each.path for each in routes_of(scope["router"]) if each.endpoint is scope["endpoint"]]
    if len(found) > 1:
        path, outside = str(scope["path"]), str(scope.get("app_root_path", scope.get("root_path", "")))
        found = [each for each in dict.fromkeys(found) if _is_of(path.removeprefix(outside), each)]
    return found[0] if len(found) == 1 else ""


def routed_within(app: object, before: Mapping[str, Any], scope: Mapping[str, Any]) -> str | None:
    """The same for an *app* that may be mounted in another one: *before* is the scope as it came. What was chosen by then
    is the way to *app*, and no part of its template."""
    if "endpoint" not in before:
        return routed(scope)
    if scope["endpoint"] is before["endpoint"] and scope.get("route") is before.get("route"):
        return None if router_of(app) is None else ""
    way, whole = _mounted_at(before), routed(scope)
    return whole[len(way) :] if whole and whole.startswith(way) else ""


def stands_in(app: object, middleware: object) -> bool:
    """Whether *middleware* is one of the layers of *app*, and not of something that is mounted in it."""
    return any(layer is middleware for layer in layers(getattr(app, "middleware_stack", None)))


def chosen(scope: Mapping[str, Any]) -> Any:  # Any: a route of some framework
    """The route behind `scope["route"]`, as it is after its router was included; None if the scope names none."""
    route = scope.get("route")
    beside = scope.get("fastapi")
    context = beside.get("effective_route_context") if isinstance(beside, Mapping) else None
    if context is not None and getattr(context, "original_route", None) is route:
        return getattr(context, "starlette_route", None) or context
    return route


def _is_of(path: str, template: str) -> bool:
    try:
        return PathTemplate(template).match(path) is not None
    except ConfigurationError:
        return False


def _mounted_at(scope: Mapping[str, Any]) -> str:
    """The prefix under which the chosen route's router is mounted."""
    root = str(scope.get("root_path", ""))
    outside = str(scope.get("app_root_path", root))
    return root[len(outside) :] if root.startswith(outside) else ""


def _found(route: Any, prefix: str, depth: int) -> Iterator[FoundRoute]:  # Any: a route of some framework
    path, inner = getattr(route, "path", None), getattr(route, "app", None)
    if isinstance(path, str) and hasattr(route, "endpoint"):
        # A route for websockets has no methods at all; None are those of a class that answers what it has methods for.
        if hasattr(route, "methods"):
            dependant = getattr(route, "dependant", None)
            yield FoundRoute(prefix + path, frozenset(route.methods or ()), route.endpoint, dependant, route)
    elif inner is not None and (isinstance(path, str) or hasattr(route, "host")) and depth < _DEEPEST:
        below = prefix + path if isinstance(path, str) else prefix
        if router_of(inner) is None:
            yield FoundRoute(below, route=route, sealed=True)
        else:
            yield from routes_of(inner, below, depth + 1)


def _has_routes(layer: object) -> bool:
    routes: object = getattr(layer, "routes", None)
    return isinstance(routes, list | tuple)
