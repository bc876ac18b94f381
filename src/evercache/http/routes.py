"""Whether rules fit the application that they are about, asked once at its start.

A rule that covers what it shouldn't is a hole, and one that covers nothing is a typing error: both are said with the
rule, the route and what to change, before the first request.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from evercache.errors import ConfigurationError
from evercache.http.guards import GUARDS, ROUTE_MARK, guard_of
from evercache.http.rules import Rule
from evercache.http.walk import FoundRoute, layers, routed, router_of, routes_of

__all__ = ["check_application", "routed"]

_log = logging.getLogger("evercache.http")


def check_application(app: object, rules: Sequence[Rule], middleware: object) -> None:
    """Raise ConfigurationError if *middleware* stands in the wrong place of *app*, or one of *rules* doesn't fit it.

    - The cache stands inside CORS, for what it stores must not depend on who asked first; outside of compression.
    - A rule covers a guarded route only with `skip_dependencies=True`: cached answers are sent before guards run.
      What guards are called: `guards.GUARDS`, and the *middleware*'s `security_names`.
    - No rule covers a route of the cache itself, or one that is cached by itself.
    - Every rule covers a route. What is mounted and can't be looked into may have any; so may an *app* without routes.
    """
    _check_place(app, middleware)
    if router_of(app) is None and router_of(middleware) is None:
        return
    guards = (*GUARDS, *getattr(middleware, "security_names", ()))
    routes = list(routes_of(middleware if router_of(app) is None else app))
    for rule in rules:
        covered = [route for route in routes if _covers(rule, route)]
        if not covered and not any(_may_hold(route, rule) for route in routes if route.sealed):
            raise ConfigurationError(_covers_nothing(rule, routes))
        for route in covered:
            _check_covered(rule, route, guards)


# -- the place of the middleware ---------------------------------------------------------------------------------------


def _check_place(app: object, middleware: object) -> None:
    if "CORSMiddleware" in _inside(getattr(middleware, "app", None)):
        raise ConfigurationError(
            "CacheMiddleware stands outside of CORSMiddleware: a response stored for a request without Origin has no CORS "
            "headers, and browsers would be refused. Add CORSMiddleware after CacheMiddleware: the last one added is the "
            "outermost."
        )
    if "GZipMiddleware" in _outside(app, middleware):
        _log.warning(
            "CacheMiddleware stands inside GZipMiddleware: every hit is compressed anew, and its ETag is that of the plain "
            "body. Add GZipMiddleware before CacheMiddleware: the last one added is the outermost.",
            extra={"event": "http.compressed_outside"},
        )


def _inside(app: object) -> Iterator[str]:
    """The names of the classes within *app*, its own included."""
    for layer in layers(app):
        yield from _names(type(layer))
        stack: object = getattr(layer, "middleware_stack", None)
        if stack is not None:
            yield from _inside(stack)
            continue
        # An application builds its stack with the first message; until then it has only the plan.
        for planned in getattr(layer, "user_middleware", ()):
            yield from _names(planned.cls)


def _outside(app: object, middleware: object) -> list[str]:
    """The names of the classes that wrap *middleware* within *app*; none if it isn't there."""
    names: list[str] = []
    for layer in layers(getattr(app, "middleware_stack", None)):
        if layer is middleware:
            return names
        names += _names(type(layer))
    return []


def _names(cls: object) -> list[str]:
    return [base.__name__ for base in getattr(cls, "__mro__", ())]


# -- the routes of a rule ----------------------------------------------------------------------------------------------


def _covers(rule: Rule, route: FoundRoute) -> bool:
    if route.sealed:
        return False
    return rule.template.match(route.path) is not None if rule.prefix else route.path == rule.path


def _may_hold(mount: FoundRoute, rule: Rule) -> bool:
    """Whether a path of *rule* can be one of a mount that can't be looked into."""
    begin, path = mount.path.rstrip("/"), rule.path
    return path == begin or path.startswith(f"{begin}/") or (rule.prefix and begin.startswith(path))


def _check_covered(rule: Rule, route: FoundRoute, guards: Sequence[str]) -> None:
    if str(getattr(route.endpoint, "__module__", "")).startswith("evercache."):
        raise ConfigurationError(
            f"Rule({rule.path!r}) covers {route.path}, a route of the cache itself. Its answers are never cached: take it "
            "out of the rule."
        )
    if hasattr(route.endpoint, ROUTE_MARK):
        raise ConfigurationError(
            f"Rule({rule.path!r}) covers {route.path}, which cached_route caches behind its guards: what is kept outside "
            "as well would be answered without them, and for whomever. Take it out of the rule, or the decorator off."
        )
    stored = not route.methods or not route.methods.isdisjoint(rule.methods)
    guard = guard_of(route, guards) if stored and not rule.skip_dependencies else None
    if guard is not None:
        raise ConfigurationError(
            f"Rule({rule.path!r}) covers {route.path}, which {guard} guards: cached answers would be sent without asking "
            "it. Cache this route with @evercache.fastapi.cached_route, which asks first; or write "
            "skip_dependencies=True if its answers are for everybody."
        )


def _covers_nothing(rule: Rule, routes: Sequence[FoundRoute]) -> str:
    known = sorted({route.path for route in routes})
    near = get_close_matches(rule.path, known, n=1)
    hint = (
        f"did you mean {near[0]!r}?" if near else "write the template as the route does, with the prefix of its router."
    )
    return f"Rule({rule.path!r}) covers no route of this application; {hint}"
