"""Rules against the application that they are about: what its start refuses, and which route a request was given to."""

import functools
import logging
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Security
from fastapi.security import APIKeyHeader, APIKeyQuery, HTTPBasic, HTTPBearer, OAuth2PasswordBearer
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.endpoints import HTTPEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute

from evercache import Cache
from evercache.errors import ConfigurationError
from evercache.fastapi import cached_route, get_cache
from evercache.http.guards import guard_of
from evercache.http.routes import check_application, routed
from evercache.http.rules import Rule
from evercache.http.walk import routes_of
from tests.support.http import Client


class Outermost:
    """What stands for the middleware: only its place counts here."""

    def __init__(self, app: Any, security_names: tuple[str, ...] = ()) -> None:
        self.app = app
        self.security_names = security_names

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def check(app: Any, *rules: Rule, names: tuple[str, ...] = ()) -> None:
    check_application(app, rules, Outermost(app, names))


def refused(app: Any, *rules: Rule, names: tuple[str, ...] = ()) -> str:
    with pytest.raises(ConfigurationError) as caught:
        check(app, *rules, names=names)
    return str(caught.value)


async def page() -> str:
    return "page"


async def answer(request: Any) -> PlainTextResponse:
    return PlainTextResponse("answer")


async def raw(scope: Any, receive: Any, send: Any) -> None:
    """An application without routes."""


# -- a rule covers a route ---------------------------------------------------------------------------------------------


def test_a_rule_that_covers_no_route_is_a_typing_error() -> None:
    """
    The sentence has the route that was probably meant; the prefix of a router is part of its routes' templates.
    """
    app = FastAPI()
    router = APIRouter(prefix="/v1")
    router.add_api_route("/boardrooms/{id}", page)
    app.include_router(router, prefix="/api")
    check(app, Rule("/api/v1/boardrooms/{id}", ttl=60), Rule("/docs", ttl=60))
    assert "'/api/v1/boardroom/{id}') covers no route" in refused(app, Rule("/api/v1/boardroom/{id}", ttl=60))
    assert "did you mean '/api/v1/boardrooms/{id}'?" in refused(app, Rule("/api/v1/boardroom/{id}", ttl=60))
    assert "prefix of its router" in refused(app, Rule("/x", ttl=60))


def test_a_rule_for_a_prefix_covers_whatever_begins_so() -> None:
    """
    A prefix that nothing begins with is an error too.
    """
    app = FastAPI()
    app.add_api_route("/standards/{id}", page)
    check(app, Rule("/standards", ttl=60, prefix=True))
    assert "covers no route" in refused(app, Rule("/standarts", ttl=60, prefix=True))


def test_what_is_mounted_is_looked_into() -> None:
    """
    Applications within applications, within a host or a router; what can't be looked into may have any route.
    """
    inner = FastAPI()
    inner.add_api_route("/tasks/{id}", page)
    app = Starlette(
        routes=[
            Mount("/sub", app=Outermost(inner)),
            Mount("/files", app=raw),
            Host("api.example.com", app=Router([Route("/hosted", answer)])),
            WebSocketRoute("/live", raw),
            Route("/class", type("Page", (HTTPEndpoint,), {"get": answer})),
        ]
    )
    check(app, *(Rule(path, ttl=60) for path in ("/sub/tasks/{id}", "/files/{name}", "/files", "/hosted", "/class")))
    for path in ("/tasks/{id}", "/sub/tasks", "/filesystem", "/live"):
        assert "covers no route" in refused(app, Rule(path, ttl=60))
    check(app, Rule("/", ttl=60, prefix=True))


def test_an_application_without_routes_may_have_any() -> None:
    """
    A bare ASGI application says nothing about itself.
    """
    check(raw, Rule("/anything", ttl=60))
    check(Outermost(raw), Rule("/anything", ttl=60))


# -- guards ------------------------------------------------------------------------------------------------------------


def get_current_user(token: Annotated[str, Header()] = "") -> str:
    return token


def require_role(role: str) -> Any:
    def checks(x_role: Annotated[str, Header()] = "") -> bool:
        return x_role == role

    return checks


class VerifyTenant:
    """A guard that is an object, by a name of the application's own."""

    def __call__(self, x_tenant: Annotated[str, Header()] = "") -> str:
        return x_tenant


def database() -> str:
    return "database"


def nested(user: Annotated[str, Depends(get_current_user)]) -> str:
    return user


GUARDED = {
    "HTTPBearer": Depends(HTTPBearer()),
    "HTTPBasic": Depends(HTTPBasic(auto_error=False)),
    "APIKeyHeader": Depends(APIKeyHeader(name="x-key")),
    "APIKeyQuery": Depends(APIKeyQuery(name="key")),
    "OAuth2PasswordBearer": Depends(OAuth2PasswordBearer(tokenUrl="token")),
    "Security": Security(database),
    "database": Security(database, scopes=["read"]),
    "get_current_user": Depends(get_current_user),
    "require_role": Depends(require_role("admin")),
    "partial": Depends(functools.partial(get_current_user, token="x")),
    "nested": Depends(nested),
}


@pytest.mark.row("S2.75")
@pytest.mark.parametrize("place", ["parameter", "route", "router", "included", "application", "mounted"])
@pytest.mark.parametrize("guard", GUARDED)
def test_sec4_a_rule_covers_a_guarded_route_only_when_it_says_so(guard: str, place: str) -> None:
    """
    SEC4: wherever the guard stands, and however deep; the sentence names the rule, the guard, and the ways out.
    """
    depends = GUARDED[guard]
    app = FastAPI(dependencies=[depends] if place in ("application", "mounted") else [])
    router = APIRouter(dependencies=[depends] if place == "router" else [])

    async def guarded(user: Annotated[Any, depends]) -> str:
        return "secret"

    router.add_api_route(
        "/it", guarded if place == "parameter" else page, dependencies=[depends] if place == "route" else []
    )
    target = app
    if place == "mounted":
        target = FastAPI()
        target.mount("/below", app)
    app.include_router(router, dependencies=[depends] if place == "included" else [])
    path = "/below/it" if place == "mounted" else "/it"
    said = refused(target, Rule(path, ttl=60))
    assert f"Rule('{path}') covers {path}" in said
    assert "cached_route" in said
    assert "skip_dependencies=True" in said
    assert "guards" in said
    check(target, Rule(path, ttl=60, skip_dependencies=True))
    assert "guards" in refused(target, Rule("/", ttl=60, prefix=True))


def test_sec4_dependencies_that_guard_nothing_are_none_of_its_business() -> None:
    """
    SEC4: a session, a page size, a tenant by an unknown name; the application's own names are added to the known ones.
    """
    app = FastAPI(dependencies=[Depends(database)])
    app.add_api_route("/it", page, dependencies=[Depends(VerifyTenant())])
    check(app, Rule("/it", ttl=60))
    assert "VerifyTenant guards" in refused(app, Rule("/it", ttl=60), names=("VerifyTenant",))


def test_sec4_a_guarded_method_that_is_not_cached_may_share_the_path() -> None:
    """
    SEC4: reading is open, writing isn't; the rule is about reading.
    """
    app = FastAPI()
    app.add_api_route("/it", page)
    app.add_api_route("/it", page, methods=["PUT"], dependencies=[Depends(get_current_user)])
    check(app, Rule("/it", ttl=60))
    app.add_api_route("/it", page, methods=["POST"], dependencies=[Depends(get_current_user)])
    assert "guards" in refused(app, Rule("/it", ttl=60, methods=["GET", "POST"]))


def test_sec4_a_decorator_may_guard_an_endpoint() -> None:
    """
    SEC4: Starlette's own, and any that keeps the wrapped function; other decorators are nobody's business.
    """

    def timed(function: Any) -> Any:
        @functools.wraps(function)
        async def wrapper(request: Any) -> Any:
            return await function(request)

        return wrapper

    app = Starlette(routes=[Route("/guarded", timed(requires("authenticated")(answer))), Route("/open", timed(answer))])
    found = {route.path: guard_of(route) for route in routes_of(app)}
    assert found["/open"] is None
    assert found["/guarded"] is not None
    assert "/guarded" in refused(app, Rule("/guarded", ttl=60))


def test_sec14_a_route_of_the_cache_itself_is_never_covered() -> None:
    """
    SEC14: not even with `skip_dependencies`.
    """
    app = FastAPI()
    app.add_api_route("/cache/health", get_cache, response_model=None)
    assert "a route of the cache itself" in refused(app, Rule("/cache/health", ttl=60, skip_dependencies=True))
    assert "a route of the cache itself" in refused(app, Rule("/cache", ttl=60, prefix=True))


def test_a_route_that_is_cached_by_itself_is_not_covered_as_well() -> None:
    """
    SEC4: outside, its responses would be answered without its guards, and one user's to another.
    """
    app = FastAPI()
    app.add_api_route("/mine", cached_route(Cache(environ={}), ttl=60, key_by=lambda request: "ann")(page))
    assert "'/mine') covers /mine, which cached_route caches" in refused(
        app, Rule("/mine", ttl=60, skip_dependencies=True)
    )


# -- the order of middleware -------------------------------------------------------------------------------------------


def built(*classes: Any, outside: bool = False) -> tuple[Any, Any]:
    """An application with these middlewares, outermost first, and the one that stands for the cache."""
    app: Any = Starlette(routes=[Route("/it", answer)])
    for cls in reversed(classes):
        app.add_middleware(cls)
    if outside:
        return app, Outermost(app)
    app.middleware_stack = stack = app.build_middleware_stack()
    while not isinstance(stack, Outermost):
        stack = stack.app
    return app, stack


@pytest.mark.row("S2.75")
@pytest.mark.parametrize("way", ["added", "around", "around, and started", "by hand"])
def test_a6_a_cache_outside_of_cors_is_refused(way: str) -> None:
    """
    A6: what it stores for a request without Origin would be sent to browsers without CORS fields.
    """
    if way == "by hand":
        app: Any = CORSMiddleware(FastAPI())
        middleware: Any = Outermost(app)
    elif way == "added":
        app, middleware = built(Outermost, CORSMiddleware)
    else:
        app, middleware = built(CORSMiddleware, outside=True)
        if way != "around":
            app.middleware_stack = app.build_middleware_stack()
    with pytest.raises(ConfigurationError, match=r"outside of CORSMiddleware.*last one added is the outermost"):
        check_application(app, [Rule("/it", ttl=60)], middleware)


@pytest.mark.expects_logs
def test_a6_the_right_order_is_silent_and_compression_outside_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """
    A6: CORS, cache, compression, application; compression outside works, and costs.
    """
    for good in (
        built(CORSMiddleware, Outermost, GZipMiddleware),
        built(GZipMiddleware, outside=True),
        built(Outermost),
    ):
        check_application(good[0], [Rule("/it", ttl=60)], good[1])
    assert caplog.records == []
    with caplog.at_level(logging.WARNING, logger="evercache.http"):
        app, middleware = built(GZipMiddleware, CORSMiddleware, Outermost)
        check_application(app, [Rule("/it", ttl=60)], middleware)
    assert [record.event for record in caplog.records] == ["http.compressed_outside"]


# -- the route of a request --------------------------------------------------------------------------------------------


def everything() -> FastAPI:
    """An application with routes of every sort."""
    app = FastAPI()
    app.add_api_route("/tasks/{id}", page)
    app.add_api_route("/files/{rest:path}", page)
    app.add_route("/plain/{name}", answer)
    inner_router = APIRouter(prefix="/deep")
    inner_router.add_api_route("/{id}", page)
    router = APIRouter(prefix="/v1")
    router.add_api_route("/boardrooms/{id}", page)
    router.include_router(inner_router, prefix="/more")
    app.include_router(router, prefix="/api")
    sub = FastAPI()
    sub.add_api_route("/it/{id}", page)
    subrouter = APIRouter()
    subrouter.add_api_route("/routed/{id}", page)
    sub.include_router(subrouter, prefix="/inc")
    app.mount("/sub", sub)
    app.mount("/starlette", Starlette(routes=[Route("/it", answer)]))
    return app


CHOSEN = {
    "/tasks/7": "/tasks/{id}",
    "/files/a/b%2fc.css": "/files/{rest:path}",
    "/plain/x": "/plain/{name}",
    "/api/v1/boardrooms/3": "/api/v1/boardrooms/{id}",
    "/api/v1/more/deep/3": "/api/v1/more/deep/{id}",
    "/sub/it/3": "/sub/it/{id}",
    "/sub/inc/routed/3": "/sub/inc/routed/{id}",
    "/starlette/it": "/starlette/it",
    "/nowhere": "",
    "/sub/nowhere": "",
    "/tasks/7/": "",
}


@pytest.mark.parametrize("root", ["", "/behind"])
@pytest.mark.parametrize("target", CHOSEN)
async def test_sec10_the_chosen_route_is_known_by_its_whole_template(target: str, root: str) -> None:
    """
    SEC10: with the prefixes of routers and mounts, without that of the proxy in front; "" if none was chosen.
    """
    seen: list[Any] = []

    async def remembering(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await everything()(scope, receive, send)

    await Client(remembering).ask("GET", root + target, scope={"root_path": root})
    assert routed(seen[0]) == CHOSEN[target]


def test_sec10_an_older_framework_says_only_which_endpoint_it_chose() -> None:
    """
    SEC10: then the route is the one with that endpoint, of several the one of that path; without a router nobody chose anything.
    """

    async def other(request: Any) -> PlainTextResponse:
        return PlainTextResponse("other")

    router = Router([Route("/one/{id}", answer), Route("/two", other), Route("/three", other)])
    assert routed({"router": router, "endpoint": answer}) == "/one/{id}"
    assert routed({"router": router, "endpoint": other, "path": "/four"}) == ""
    assert routed({"router": router, "endpoint": other, "path": "/three"}) == "/three"
    assert routed({"router": router, "endpoint": other, "path": "/in/front/two", "root_path": "/in/front"}) == "/two"
    assert routed({"router": router}) == ""
    assert routed({"path": "/one/1"}) is None
