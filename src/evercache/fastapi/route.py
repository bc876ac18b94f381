"""`@cached_route`: a FastAPI route whose responses are cached, behind its guards.

FastAPI calls an endpoint when everything that it depends on has been solved: credentials are verified, parameters are
valid, sessions are open. The stand-in for the endpoint does nothing then but to return a response that hasn't been made
yet (`deferred`): while it is sent, it is looked up, and only on a miss does the endpoint run, with the values that
FastAPI has solved, and FastAPI makes the response of what it returns (`second`). So guards run for every request,
nothing runs twice, and what is stored is what FastAPI sends.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from difflib import get_close_matches
from typing import Annotated, Any, TypedDict, TypeVar, Unpack, cast

from fastapi import Depends, FastAPI
from starlette.requests import Request

from evercache.cache import Cache
from evercache.core.duration import Duration
from evercache.decorators.parameters import signature_of
from evercache.errors import ConfigurationError
from evercache.fastapi.begun import note_beginnings
from evercache.fastapi.deferred import Call, Deferred, solved
from evercache.fastapi.second import SecondRoute, endpoint_for
from evercache.http.covered import Covered
from evercache.http.guards import ROUTE_MARK, dimensions_of, reads_credentials
from evercache.http.rules import Rule, Settings, TagsOf
from evercache.http.walk import chosen, routes_of

__all__ = ["RouteOptions", "cached_route", "check_routes", "is_bypassed", "is_public"]

F = TypeVar("F", bound=Callable[..., Any])

KeyBy = Callable[[Request], str | int | None]
_CALL = "evercache_call"
"""The parameter that FastAPI fills for us. It isn't in OpenAPI: a dependency without fields of its own isn't."""
_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)")


class RouteOptions(TypedDict, total=False):
    """The options of `evercache.http.Rule`, but for those that the route says: its path."""

    methods: Sequence[str]
    tags: Sequence[str] | TagsOf
    invalidates: Sequence[str]
    audience: str
    key_by: KeyBy | str
    dimensions: Sequence[str]
    override: bool
    shorten: bool
    stale_while_revalidate: Duration | None
    stale_if_error: Duration | None
    negative: Sequence[int]
    keep_query: Sequence[str] | None
    ignore_query: Sequence[str]
    sort_query: bool
    max_distinct_queries: int | None
    max_body: str | int
    max_headers: str | int
    max_variants: int
    max_keys: int | None
    strip_set_cookie: bool
    strip_groups: bool
    collapse: Duration | None
    name: str | None


def cached_route(cache: Cache, *, ttl: Duration | None = None, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
    """Cache the responses of a route by their URL; stands below the route's own decorator.

        @app.get("/tasks/{id}", response_model=Task)
        @cached_route(cache, ttl="5m", tags=["task:{id}"])
        async def read(id: int, user: CurrentUser) -> Task: ...

    - Dependencies run for every request, so that a guard refuses also where a response is stored. The endpoint runs,
      and FastAPI makes the response, only on a miss; body, status and fields are those of the undecorated route.
    - A request with credentials is neither answered from the cache nor stored, unless `key_by` says whose response it is,
      or `audience="public"` that it is everybody's. A route that reads credentials has to say which, at the latest
      `audience="anonymous"`: ConfigurationError at the start of the application, or at the first request.
    - *key_by* is a parameter of the endpoint, or a part of it (`"user.id"`), or a function of FastAPI's request, called
      after the dependencies. None, on the way or at its end: this request isn't cached.
    - *dimensions* are the header parameters of the route and of its dependencies, unless given.
    - The other options are those of `evercache.http.Rule`. Background tasks of the endpoint run on a miss, those that
      dependencies have added run always.
    - Called directly, the function is the undecorated one.

    Raises ConfigurationError at once for an option that is wrong, and for an endpoint that yields.
    """

    def decorate(function: F) -> F:
        return cast("F", _Site(cache, function, {"ttl": ttl, **options}).stand_in)

    return decorate


def check_routes(app: FastAPI) -> None:
    """Make the cached routes of *app* ready. Raises ConfigurationError for the first one that is wrong."""
    for found in routes_of(app):
        site = getattr(found.endpoint, ROUTE_MARK, None)
        if isinstance(site, _Site) and not is_bypassed(found.endpoint):
            site.prepare(found.route)


def is_public(endpoint: object) -> bool:
    """Whether *endpoint* is a cached one, with one response for everybody."""
    site = getattr(endpoint, ROUTE_MARK, None)
    return isinstance(site, _Site) and site.options.get("audience") == "public"


def is_bypassed(endpoint: object) -> bool:
    """Whether *endpoint* was registered as a route without the cache that was put around it afterwards."""
    site = getattr(endpoint, ROUTE_MARK, None)
    return isinstance(site, _Site) and site.function is endpoint


class _Site:
    """One decorated endpoint, which may be that of several routes."""

    def __init__(self, cache: Cache, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self.cache = cache
        self.function = function
        self.where = f"{function.__module__}.{getattr(function, '__qualname__', function)}"
        self.is_async = _is_async(function)
        _refuse(function, self.where)
        self.key_by: KeyBy | str | None = options.pop("key_by", None)
        self.undecided = "audience" not in options and self.key_by is None
        self.options = options
        self._check_options()
        self._endpoint = endpoint_for(function, is_async=self.is_async)
        # By their numbers, and held, so that a number stays theirs: routes can't be hashed.
        self._seconds: dict[int, SecondRoute] = {}
        self.stand_in = self._dressed(_stand_in_for(self, function))

    def answer(self, call: Call, run: functools.partial[Any]) -> Deferred:
        """The response to *call*, which *run* will give if it isn't stored."""
        second = self.second_for(chosen(call.request.scope))
        return Deferred(call, second, run, self._principal(call.request, run.keywords))

    def _principal(self, request: Request, values: Mapping[str, Any]) -> str | None:
        """Whose response it is; None and "" are nobody."""
        said: object
        if isinstance(self.key_by, str):
            name, *parts = self.key_by.split(".")
            said = values.get(name)
            for part in parts:
                said = None if said is None else getattr(said, part)
        else:
            said = None if self.key_by is None else self.key_by(request)
        return None if said is None or said == "" else str(said)

    def prepare(self, route: Any) -> None:
        """Make one route of this endpoint ready, before its first request."""
        self.second_for(route)
        note_beginnings(route, self.cache.engine)

    def second_for(self, route: Any) -> SecondRoute:
        second = self._seconds.get(id(route))
        if second is None:
            # Whether something outside compresses the response can't be known here, so that made tags are weak.
            covered = Covered(self.cache, self.rule_for(route), Settings(), weak=True)
            second = self._seconds[id(route)] = SecondRoute(covered, self._endpoint, route)
        return second

    def rule_for(self, route: Any) -> Rule:  # Any: an APIRoute, or what it is after its router was included
        """The rule for one route of this endpoint."""
        path: str = route.path_format
        keeps = not route.methods.isdisjoint(self.options.get("methods", ("GET",)))
        if not keeps:
            # It only says what a change drops; its counters are beside those of the route that reads at this path.
            return self._rule(path, name=f"{' '.join(sorted(route.methods))} {path}")
        if self.undecided and reads_credentials(route.dependant):
            raise ConfigurationError(
                f"{self.where}, the cached route {path}, reads credentials and doesn't say whose its responses are. Write "
                "key_by='user.id' for one response for each user, audience='public' if it is the same for everybody, or "
                "audience='anonymous' if only requests without credentials are cached."
            )
        return self._rule(path, dimensions=dimensions_of(route.dependant))

    def _rule(self, path: str, **found: Any) -> Rule:
        """The rule as it was said; what was *found* out counts where nothing was."""
        options: dict[str, Any] = {**found, **self.options}
        if self.key_by is not None:
            options["key_by"] = _nobody
        try:
            return Rule(path, **options)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"cached_route on {self.where}: {str(error).partition('): ')[2] or error}"
            ) from None

    def _check_options(self) -> None:
        known = [
            each.name for each in fields(Rule) if each.init and each.name not in ("path", "prefix", "skip_dependencies")
        ]
        for name in self.options:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
                raise ConfigurationError(f"cached_route on {self.where} has no option {name}; {hint}")
        if (
            isinstance(self.key_by, str)
            and self.key_by.split(".")[0] not in inspect.signature(self.function).parameters
        ):
            raise ConfigurationError(
                f"cached_route on {self.where}: key_by={self.key_by!r} begins with no parameter of the function; write "
                "one, or a part of one: 'user.id'."
            )
        # The path is not known yet; whatever fields the tags have may be its.
        tags: object = self.options.get("tags", ())
        said = [*(tags if isinstance(tags, Iterable) else ()), *self.options.get("invalidates", ())]
        names = {name for tag in said if isinstance(tag, str) for name in _FIELD.findall(tag)}
        self._rule("/" + "/".join(f"{{{name}}}" for name in sorted(names)))

    def _dressed(self, stand_in: Callable[..., Any]) -> Callable[..., Any]:
        dressed: Any = functools.update_wrapper(stand_in, self.function)
        dressed.__signature__ = _signature_with_call(self.function)
        setattr(dressed, ROUTE_MARK, self)
        # On the function itself too: if a route has it, the decorator stands above that route's.
        with suppress(AttributeError, TypeError):
            setattr(self.function, ROUTE_MARK, self)
        return stand_in


def _stand_in_for(site: _Site, function: Callable[..., Any]) -> Callable[..., Any]:
    if site.is_async:

        async def endpoint(*args: Any, **kwargs: Any) -> Any:
            call = kwargs.pop(_CALL, None)
            if call is None:
                return await function(*args, **kwargs)
            return site.answer(call, functools.partial(function, *args, **kwargs))

        return endpoint

    def plain(*args: Any, **kwargs: Any) -> Any:
        call = kwargs.pop(_CALL, None)
        if call is None:
            return function(*args, **kwargs)
        return _answered(site, call, functools.partial(function, *args, **kwargs))

    return _marked_as_coroutine_function(plain)


async def _answered(site: _Site, call: Call, run: functools.partial[Any]) -> Deferred:
    return site.answer(call, run)


def _marked_as_coroutine_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """FastAPI is to await it: a hit needs no thread. Called directly, it is as plain as what it stands for."""
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(function)
    import asyncio.coroutines

    cast("Any", function)._is_coroutine = cast("Any", asyncio.coroutines)._is_coroutine
    return function


def _is_async(function: Callable[..., Any]) -> bool:
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(type(inner).__call__)


def _refuse(function: Callable[..., Any], where: str) -> None:
    already = getattr(function, ROUTE_MARK, None)
    if isinstance(already, _Site) and already.function is not function:
        raise ConfigurationError(f"cached_route on {where}: it is cached already; leave one of the two decorators.")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(
            f"cached_route on {where}: it yields, and a stream has no end that could be stored. Return a response, or "
            "leave this route uncached."
        )


def _signature_with_call(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of *function*, its annotations resolved where they can be, and our own parameter in it."""
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError:
        signature = signature_of(function)
    ours = inspect.Parameter(_CALL, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[Call, Depends(solved)])
    given = list(signature.parameters.values())
    at = next((i for i, parameter in enumerate(given) if parameter.kind is parameter.VAR_KEYWORD), len(given))
    return signature.replace(parameters=[*given[:at], ours, *given[at:]])


def _nobody(_: object) -> None:
    """The rule's own key_by: the principal is always said."""
