"""A cached route against the same route undecorated: on a miss and on a hit, nothing is different but what the cache adds.

Each `kind` declares a route of one sort twice, in two applications: bare, and under `cached_route`. Status, fields in
their order, body, what dependencies and tasks did, OpenAPI and signature are compared.
"""

import enum
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Depends,
    FastAPI,
    Form,
    Header,
    HTTPException,
    Query,
    Request,
    Response,
)
from fastapi.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from evercache import Cache
from evercache.fastapi import cached_route
from evercache.fastapi.route import check_routes
from tests.support.http import Answer, Client

T = TypeVar("T")
Wrap = Callable[..., Callable[[Any], Any]]
Declare = Callable[[FastAPI, Wrap, list[str]], None]
ADDED = {"age", "cache-status"}


@dataclass
class Kind:
    """One sort of route, and the request that it is asked with. *hits*: whether the second answer is a stored one."""

    declare: Declare
    target: str
    method: str = "GET"
    body: bytes = b""
    hits: bool = True
    asked: dict[str, str] = field(default_factory=dict)


KINDS: dict[str, Kind] = {}


def kind(target: str = "/it", **rest: Any) -> Callable[[Declare], Declare]:
    """Register a sort of route."""

    def add(declare: Declare) -> Declare:
        KINDS[declare.__name__] = Kind(declare, target, **rest)
        return declare

    return add


class Item(BaseModel):
    """What most routes answer."""

    id: int
    name: str = Field("chair", alias="called")
    note: str | None = None
    secret: str = "hidden"


class Page(BaseModel, Generic[T]):
    """Some of something."""

    items: list[T]
    total: int


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Loud(JSONResponse):
    """A response class of the application's own."""

    media_type = "application/vnd.loud+json"

    def render(self, content: Any) -> bytes:
        return super().render(content).upper()


class Refused(Exception):
    """An error that the application has a handler for."""


class Stamped(APIRoute):
    """A route class that adds a field to every response."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            response = await inner(request)
            response.headers["x-stamp"] = "stamped"
            return response

        return handler


# -- the kinds ---------------------------------------------------------------------------------------------------------


@kind()
def a_response_model(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it", response_model=Item)
    @wrap()
    async def it():
        """Docs."""
        log.append("run")
        return {"id": 1, "called": "table", "unknown": True}


@kind()
def a_response_model_from_the_annotation(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it")
    @wrap()
    async def it() -> list[Item]:
        log.append("run")
        return [Item(id=1, called="x"), Item(id=2)]


@kind()
def fields_left_out(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get(
        "/it",
        response_model=Item,
        response_model_exclude={"secret"},
        response_model_exclude_unset=True,
        response_model_by_alias=False,
    )
    @wrap()
    async def it():
        log.append("run")
        return Item(id=1, called="table", secret="told")


@kind()
def fields_chosen(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get(
        "/it",
        response_model=Item,
        response_model_include={"id", "note", "name"},
        response_model_exclude_none=True,
        response_model_exclude_defaults=True,
    )
    @wrap()
    async def it():
        log.append("run")
        return Item(id=1, called="table", note=None)


@kind()
def a_status_of_the_route(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it", status_code=203)
    @wrap()
    async def it() -> dict[str, int]:
        log.append("run")
        return {"a": 1}


@kind(hits=False)
def a_status_that_nobody_may_store_by_a_rule(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it", status_code=201)
    @wrap()
    async def it() -> dict[str, int]:
        log.append("run")
        return {"a": 1}


@kind()
def a_response_class_of_its_own(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it", response_class=Loud)
    @wrap()
    async def it() -> dict[str, str]:
        log.append("run")
        return {"a": "ü"}


@kind()
def a_page_of_html(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it", response_class=HTMLResponse)
    @wrap()
    async def it() -> str:
        log.append("run")
        return "<p>ü</p>"


@kind()
def bytes_in_a_response(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it")
    @wrap()
    async def it() -> Response:
        log.append("run")
        return Response(b"\x00\xff", media_type="application/octet-stream", headers={"X-Own": "1"})


@kind()
def repeated_fields_through_the_sub_response(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    async def first(response: Response) -> None:
        response.headers.append("Link", "</style>; rel=preload")
        response.headers["X-Dependency"] = "1"

    @app.get("/it", dependencies=[Depends(first)])
    @wrap()
    async def it(response: Response) -> dict[str, int]:
        log.append("run")
        response.headers.append("Link", "</next>; rel=next")
        response.headers["Vary"] = "Accept"
        response.headers["Cache-Control"] = "max-age=60"
        response.status_code = 203
        return {"a": 1}


@kind(hits=False)
def cookies_through_the_sub_response(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it")
    @wrap()
    async def it(response: Response) -> dict[str, int]:
        log.append("run")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2", httponly=True)
        return {"a": 1}


@kind()
def a_json_response_that_ignores_the_model(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it", response_model=Item)
    @wrap()
    async def it(response: Response):
        log.append("run")
        response.headers["X-Lost"] = "1"
        return JSONResponse({"a": [1, 2]}, status_code=203, headers={"X-Own": "1", "ETag": '"own"'})


@kind()
def nothing_at_all(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it", status_code=204)
    @wrap()
    async def it() -> None:
        log.append("run")


@kind()
def null(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it")
    @wrap()
    async def it() -> Item | None:
        log.append("run")
        return None


@kind(hits=False)
def an_error(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it")
    @wrap()
    async def it(response: Response, background: BackgroundTasks) -> None:
        response.headers["X-Lost"] = "1"
        background.add_task(log.append, "never")
        log.append("run")
        raise HTTPException(404, {"reason": "away"}, headers={"X-Error": "1"})


@kind()
def an_error_that_may_be_stored(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it")
    @wrap(negative=[404])
    async def it() -> None:
        log.append("run")
        raise HTTPException(404, "away")


@kind(hits=False)
def an_error_of_the_applications_own(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.exception_handler(Refused)
    async def handle(request: Request, error: Refused) -> Response:
        log.append(f"handled {request.url.path}")
        return PlainTextResponse("refused", 418)

    @app.get("/it")
    @wrap()
    async def it() -> None:
        log.append("run")
        raise Refused


@kind("/it/7?tag=a&tag=b&limit=3", asked={"x_tenant": "acme", "accept": "text/plain"})
def parameters_of_every_sort(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it/{id}")
    @wrap(tags=["it:{id}"])
    async def it(
        id: int,
        tag: Annotated[list[str], Query()],
        x_tenant: Annotated[str, Header()],
        limit: Annotated[int, Query(ge=1, le=5)] = 2,
        accept: str = Header("none"),  # noqa: FAST002 - the older way of saying it, on purpose
    ) -> dict[str, Any]:
        log.append("run")
        return {"id": id, "tag": tag, "limit": limit, "tenant": x_tenant, "accept": accept}


@kind("/it/x?limit=99", hits=False)
def parameters_that_are_wrong(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it/{id}")
    @wrap()
    async def it(id: int, limit: Annotated[int, Query(le=5)]) -> None:
        log.append("run")


@kind(method="POST", body=b'{"item": {"id": 3}, "more": 5}', asked={"content_type": "application/json"})
def a_body(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.post("/it")
    @wrap(methods=["POST"])
    async def it(item: Item, more: Annotated[int, Body()], response: Response) -> Item:
        log.append("run")
        response.headers["Cache-Control"] = "max-age=60"
        response.headers["Content-Location"] = "/it"
        return item.model_copy(update={"id": item.id + more})


@kind(method="POST", body=b"a=1", hits=False, asked={"content_type": "application/x-www-form-urlencoded"})
def a_form(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.post("/it")
    @wrap(methods=["POST"])
    async def it(a: Annotated[int, Form()]) -> int:
        log.append("run")
        return a


@kind()
def dependencies_that_are_closed(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    async def outer() -> AsyncIterator[str]:
        log.append("outer opens")
        yield "outer"
        log.append("outer closes")

    def inner(outer: Annotated[str, Depends(outer)]) -> Iterator[str]:
        log.append("inner opens")
        yield f"{outer} inner"
        log.append("inner closes")

    @app.get("/it")
    @wrap()
    async def it(value: Annotated[str, Depends(inner)], again: Annotated[str, Depends(outer)]) -> str:
        log.append("run")
        return f"{value} {again}"


@kind()
def dependencies_of_the_function(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    async def session() -> AsyncIterator[int]:
        yield 1
        log.append("closed before the tasks")

    @app.get("/it")
    @wrap()
    async def it(value: Annotated[int, Depends(session, scope="function")], background: BackgroundTasks) -> int:
        background.add_task(log.append, "run: task")
        return value


@kind(hits=False)
def dependencies_that_see_the_error(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    async def session() -> AsyncIterator[int]:
        try:
            yield 1
        except HTTPException as error:
            log.append(f"rolled back {error.status_code}")
            raise HTTPException(409, "turned into another") from error

    @app.get("/it")
    @wrap()
    async def it(value: Annotated[int, Depends(session)]) -> int:
        log.append("run")
        raise HTTPException(400)


@kind()
def tasks_in_the_background(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it")
    @wrap()
    async def it(background: BackgroundTasks) -> int:
        log.append("run")
        background.add_task(log.append, "run: first")
        background.add_task(log.append, "run: second")
        return 1


@kind()
def a_plain_function(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it")
    @wrap()
    def it(request: Request, response: Response, limit: int = 3) -> list[int]:
        log.append("run")
        response.headers["X-Path"] = request.url.path
        return list(range(limit))


@kind("/it/blue")
def a_choice_in_the_path(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it/{colour}")
    @wrap(tags=["colour:{colour}"])
    async def it(colour: Colour) -> Colour:
        log.append("run")
        return colour


@kind("/it/a/b/c.txt")
def the_rest_of_the_path(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it/{rest:path}")
    @wrap(tags=["rest:{rest}"])
    async def it(rest: str) -> str:
        log.append("run")
        return rest


@kind()
def a_generic_model(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it", response_model=Page[Item])
    @wrap()
    async def it():
        log.append("run")
        return {"items": [{"id": 1}], "total": 1}


@kind()
def a_stream(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it")
    @wrap()
    async def it():
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(3):
                log.append(f"run {number}")
                yield b"%d" % number

        return StreamingResponse(pieces(), media_type="text/plain", headers={"X-Own": "1"})


@kind()
def a_file(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it", response_class=FileResponse)
    @wrap()
    async def it():
        log.append("run")
        return Path(__file__)


@kind()
def a_redirect_that_lasts(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    @app.get("/it", response_class=RedirectResponse, status_code=308)
    @wrap()
    async def it() -> str:
        log.append("run")
        return "/there?x=ü"


@kind()
def a_route_class(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    router = APIRouter(route_class=Stamped)

    @router.get("/it")
    @wrap()
    async def it() -> int:
        log.append("run")
        return 1

    app.include_router(router)


@kind("/api/v1/it")
def an_included_router(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    async def asked() -> AsyncIterator[None]:
        yield None

    router = APIRouter(prefix="/v1", default_response_class=Loud, dependencies=[Depends(asked)], tags=["it"])

    @router.get("/it")
    @wrap()
    async def it() -> dict[str, str]:
        log.append("run")
        return {"a": "b"}

    app.include_router(router, prefix="/api", responses={404: {"description": "away"}})


@kind("/sub/it/3")
def a_mounted_application(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    sub = FastAPI()

    @sub.get("/it/{id}")
    @wrap(tags=["sub:{id}"])
    async def it(id: int, request: Request) -> str:
        log.append("run")
        return f"{id} {request.url}"

    app.mount("/sub", sub)


@kind()
def a_method(app: FastAPI, wrap: Wrap, log: list[str]) -> None:
    class Service:
        """A class whose methods are endpoints."""

        name = "service"

        @wrap()
        async def it(self, limit: int = 1) -> str:
            log.append("run")
            return f"{self.name} {limit}"

    app.add_api_route("/it", Service().it, methods=["GET"])


# -- what is compared --------------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """An answer without what the cache adds to it, and what was done for it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    done: list[str]


async def ask(app: FastAPI, kind: Kind, log: list[str], known: set[bytes] | None = None) -> tuple[Seen, Answer]:
    """Ask once. *known*: the names of the fields of the bare answer, so that a tag that was made is left out."""
    log.clear()
    answer = await Client(app).ask(kind.method, kind.target, kind.body, **kind.asked)
    added = {name.encode() for name in ADDED}
    if known is not None and b"etag" not in known:
        added.add(b"etag")
    kept = [(name, value) for name, value in answer.headers if name.lower() not in added]
    return Seen(answer.status, kept, answer.body, list(log)), answer


def bare(**_: Any) -> Callable[[Any], Any]:
    """Leaves a function as it is."""
    return lambda function: function


def pair(kind: Kind, cache: Cache) -> tuple[tuple[FastAPI, list[str]], tuple[FastAPI, list[str]]]:
    """The application with the bare route and the one with the cached route, each with its log."""
    applications: list[tuple[FastAPI, list[str]]] = []
    for wrap in (bare, lambda **options: cached_route(cache, ttl=60, **options)):
        app, log = FastAPI(), []
        kind.declare(app, wrap, log)
        check_routes(app)
        applications.append((app, log))
    return applications[0], applications[1]


@pytest.mark.row("S1.4")
@pytest.mark.parametrize("name", KINDS)
async def test_a_cached_route_answers_as_the_bare_one(name: str, cache: Cache) -> None:
    """A7: status, fields and their order, body, and what was done, in its order; on a hit, the endpoint did nothing."""
    kind = KINDS[name]
    (plain, plain_log), (cached, cached_log) = pair(kind, cache)
    expected, answer = await ask(plain, kind, plain_log)
    known = {name.lower() for name, _ in answer.headers}
    miss, _ = await ask(cached, kind, cached_log, known)
    assert miss == expected
    again, second = await ask(cached, kind, cached_log, known)
    assert second.hit == kind.hits, second.field("cache-status")
    assert (again.status, again.headers, again.body) == (expected.status, expected.headers, expected.body)
    assert again.done == [line for line in expected.done if not (kind.hits and line.startswith("run"))]


@pytest.mark.parametrize("name", KINDS)
def test_a_cached_route_is_documented_as_the_bare_one(name: str, cache_at_rest: Cache) -> None:
    """A7: OpenAPI knows nothing of the cache; name, doc and parameters are those of the function."""
    (plain, _), (cached, _) = pair(KINDS[name], cache_at_rest)
    assert cached.openapi() == plain.openapi()


@pytest.fixture
def cache_at_rest() -> Cache:
    """A cache that nobody has started."""
    return Cache(namespace="at-rest")
