"""A cached route in the life of an application: who is let in, whose response it is, and what ends it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Annotated, Any

import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Cookie,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Request,
    Response,
    Security,
)
from fastapi.exceptions import ResponseValidationError
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from evercache import Cache
from evercache.errors import ConfigurationError
from evercache.fastapi import cached_route, lifespan, look_at_routes
from evercache.fastapi.route import check_routes
from evercache.testing.clock import ManualClock, settle
from tests.support.ears import until
from tests.support.http import Client, lifespan_of

bearer = HTTPBearer()
USERS = {"t1": "ann", "t2": "bob"}


async def current_user(request: Request, token: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> str:
    if token.credentials not in USERS:
        raise HTTPException(401)
    request.state.user = USERS[token.credentials]
    return request.state.user


def user_of(request: Request) -> str | None:
    return request.state.user


@pytest.fixture
def app() -> FastAPI:
    return FastAPI()


def asks(app: FastAPI) -> Client:
    """A client of *app*, whose routes are ready as its lifespan would have made them."""
    check_routes(app)
    return Client(app)


async def told(app: FastAPI, path: str, token: str | None = None, **fields: str) -> tuple[int, bytes, bool]:
    """Status, body, and whether it was a hit, of an answer to who shows *token*."""
    if token is not None:
        fields["authorization"] = f"Bearer {token}"
    answer = await asks(app).get(path, **fields)
    return answer.status, answer.body, answer.hit


# -- guards ------------------------------------------------------------------------------------------------------------


async def test_sec4_a_guard_refuses_although_a_response_is_stored(app: FastAPI, cache: Cache) -> None:
    """
    SEC4: dependencies run before the cache is looked at; without a token there is no answer, stored or not.
    """

    @app.get("/report", dependencies=[Security(current_user)])
    @cached_route(cache, ttl=60, audience="public")
    async def report() -> str:
        return "for all who may"

    assert await told(app, "/report", "t1") == (200, b'"for all who may"', False)
    assert await told(app, "/report", "t2") == (200, b'"for all who may"', True)
    status, body, _ = await told(app, "/report")
    assert (status, b"for all" in body) == (401, False)
    assert (await told(app, "/report", "stolen"))[0] == 401


@pytest.mark.row("W1")
async def test_sec3_two_users_never_share(app: FastAPI, cache: Cache) -> None:
    """
    SEC3: the verified principal is in the key, and the response is for him alone.
    """
    runs: list[str] = []

    @app.get("/me")
    @cached_route(cache, ttl=60, key_by=user_of)
    async def me(user: Annotated[str, Depends(current_user)]) -> str:
        runs.append(user)
        return user

    for _ in range(2):
        assert (await told(app, "/me", "t1"))[1] == b'"ann"'
        assert (await told(app, "/me", "t2"))[1] == b'"bob"'
    assert runs == ["ann", "bob"]
    # The short way of a hit, the long one, and the short way to a 304 say the same.
    short, long = [await asks(app).get("/me", authorization="Bearer t1", **more) for more in ({}, {"if_range": "x"})]
    assert (short.status, short.headers, short.body) == (long.status, long.headers, b'"ann"')
    assert short.field("cache-control") == "private"
    unchanged = await asks(app).get("/me", authorization="Bearer t1", if_none_match=short.field("etag") or "")
    assert (unchanged.status, unchanged.field("cache-control"), unchanged.body) == (304, "private", b"")
    assert (
        await asks(app).get("/me", authorization="Bearer t2", if_none_match=short.field("etag") or "")
    ).status == 200


async def test_sec3_without_a_principal_there_is_no_caching(app: FastAPI, cache: Cache) -> None:
    """
    SEC3: None, and an empty text, are nobody: the request goes by the cache.
    """

    @app.get("/maybe")
    @cached_route(cache, ttl=60, key_by=lambda request: request.headers.get("x-user"))
    async def maybe(x_user: Annotated[str, Header()] = "nobody") -> str:
        return x_user

    for fields in ({}, {}, {"x_user": ""}, {"x_user": ""}):
        answer = await asks(app).get("/maybe", **fields)
        assert not answer.hit
        assert answer.cache["detail"] == "no-principal"
    assert [(await told(app, "/maybe", x_user="7"))[2] for _ in range(2)] == [False, True]


class Account(BaseModel):
    """A user as an object, as most applications have it."""

    id: int
    team: str | None = None


async def account(x_number: Annotated[int | None, Header()] = None) -> Account | None:
    return None if x_number is None else Account(id=x_number, team="a" if x_number < 10 else None)


async def test_sec3_the_principal_may_be_a_part_of_a_parameter(app: FastAPI, cache: Cache) -> None:
    """
    SEC3: what the guard returned needs no detour; None anywhere on the way is nobody.
    """

    @app.get("/mine")
    @cached_route(cache, ttl=60, key_by="account.id", dimensions=[])
    async def mine(account: Annotated[Account | None, Depends(account)]) -> int | None:
        return account and account.id

    @app.get("/ours")
    @cached_route(cache, ttl=60, key_by="account.team", dimensions=[])
    async def ours(account: Annotated[Account, Depends(account)]) -> str | None:
        return account.team

    for number in ("1", "2"):
        assert [(await told(app, "/mine", x_number=number))[1:] for _ in range(2)] == [
            (number.encode(), False),
            (number.encode(), True),
        ]
    assert [(await told(app, "/mine"))[2] for _ in range(2)] == [False, False]
    assert [(await told(app, "/ours", x_number=number))[1:] for number in ("1", "2", "11", "11")] == [
        (b'"a"', False),
        (b'"a"', True),
        (b"null", False),
        (b"null", False),
    ]


async def test_sec11_the_fields_that_a_route_reads_choose_its_response(app: FastAPI, cache: Cache) -> None:
    """
    SEC11: no request can put what it says in such a field into the page of another; a list of one's own replaces them.
    """

    class Told(BaseModel):
        x_forwarded_host: str = "none"
        x_tenant: str = Field("none", alias="X-Tenant-Id")

    async def locale(x_locale: Annotated[str, Header()] = "en") -> str:
        return x_locale

    @app.get("/page")
    @cached_route(cache, ttl=60)
    async def page(told: Annotated[Told, Header()], locale: Annotated[str, Depends(locale)]) -> list[str]:
        return [told.x_forwarded_host, told.x_tenant, locale]

    @app.get("/stated")
    @cached_route(cache, ttl=60, dimensions=["x-tenant-id"])
    async def stated(told: Annotated[Told, Header()], user_agent: Annotated[str, Header()] = "") -> str:
        return told.x_tenant

    for fields in ({}, {"x_forwarded_host": "evil"}, {"x_tenant_id": "7"}, {"x_locale": "de"}):
        first, second = await told(app, "/page", **fields), await told(app, "/page", **fields)
        assert (first[2], second[2], first[1]) == (False, True, second[1])
    assert not (await told(app, "/stated", user_agent="a"))[2]
    assert (await told(app, "/stated", user_agent="b"))[2]
    assert (await told(app, "/stated", x_tenant_id="9"))[1:] == (b'"9"', False)


async def test_sec2_who_shows_credentials_has_no_part_in_an_anonymous_route(app: FastAPI, cache: Cache) -> None:
    """
    SEC2: neither answered nor stored, where the route said `audience="anonymous"`.
    """

    @app.get("/front")
    @cached_route(cache, ttl=60, audience="anonymous")
    async def front(session: Annotated[str, Cookie()] = "nobody") -> str:
        return session

    assert [(await told(app, "/front"))[1:] for _ in range(2)] == [(b'"nobody"', False), (b'"nobody"', True)]
    for name in ("ann", "bob"):
        assert (await told(app, "/front", cookie=f"session={name}"))[1:] == (f'"{name}"'.encode(), False)
    assert (await told(app, "/front"))[1:] == (b'"nobody"', True)


async def api_key(key: Annotated[str, Depends(APIKeyHeader(name="x-key"))]) -> str:
    return key


READS = {"a security class": bearer, "one below": api_key, "a guard": current_user}


@pytest.mark.parametrize("guard", READS)
async def test_a_route_that_reads_credentials_has_to_say_whose_its_responses_are(guard: str, manual_clock: ManualClock):
    """
    The start of the application fails with a sentence; without a lifespan, the first request does.
    """
    cache = Cache(clock=manual_clock, environ={})
    app, alone = FastAPI(lifespan=lifespan(cache)), FastAPI()
    router = APIRouter(dependencies=[Depends(READS[guard])])

    @router.get("/report/{id}")
    @cached_route(cache, ttl=60)
    async def report(id: int) -> int:
        return id

    app.include_router(router, prefix="/v1")
    alone.include_router(router)
    with pytest.raises(ConfigurationError, match=r"/v1/report/\{id\}, reads credentials.*key_by=.*audience="):
        async with lifespan_of(app):
            pass
    async with cache:
        with pytest.raises(ConfigurationError, match=r"/report/\{id\}, reads credentials"):
            await Client(alone).get("/report/1", authorization="Bearer t1", x_key="1")


@pytest.mark.expects_logs
async def test_a_decorator_above_the_route_is_said(
    app: FastAPI, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Such a route was registered without the cache; the right order is not mentioned.
    """

    @cached_route(cache, ttl=60)
    @app.get("/above")
    async def above() -> int:
        return 1

    @app.get("/below")
    @cached_route(cache, ttl=60)
    async def below() -> int:
        return 1

    assert [(advice.code, advice.path) for advice in look_at_routes(app, cache)] == [("route.bypassed", "/above")]
    started = FastAPI(lifespan=lifespan(Cache(environ={})))
    started.router.routes.extend(app.routes)
    with caplog.at_level(logging.WARNING, logger="evercache.fastapi"):
        async with lifespan_of(started):
            pass
    assert [record.path for record in caplog.records] == ["/above"]


def test_a_response_for_everybody_that_is_given_its_caller_is_pointed_out(app: FastAPI) -> None:
    """
    It may be right, and mostly it isn't; a guard that only guards stands where its result is nobody's.
    """
    cache = Cache(environ={})

    @app.get("/suspicious")
    @cached_route(cache, ttl=60, audience="public")
    async def suspicious(user: Annotated[str, Depends(current_user)], limit: int = 3) -> str:
        return user

    @app.get("/guarded", dependencies=[Depends(current_user)])
    @cached_route(cache, ttl=60, audience="public")
    async def guarded(limit: int = 3) -> int:
        return limit

    @app.get("/own")
    @cached_route(cache, ttl=60, key_by="user")
    async def own(user: Annotated[str, Depends(current_user)]) -> str:
        return user

    [advice] = look_at_routes(app, cache)
    assert (advice.code, advice.path) == ("route.personal", "/suspicious")
    assert "is given user by a guard" in advice.sentence


# -- what is said wrong ------------------------------------------------------------------------------------------------


def wrong(cache: Cache, function: Any, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        cached_route(cache, **options)(function)
    return str(caught.value)


async def plain() -> int:
    return 1


async def yields() -> AsyncIterator[int]:
    yield 1


def yields_plainly():
    yield 1


def test_what_is_wrong_is_said_at_decoration() -> None:
    """
    With the function, and what to write instead.
    """
    cache = Cache(environ={})
    assert "yields" in wrong(cache, yields, ttl=60)
    assert "yields_plainly: it yields" in wrong(cache, yields_plainly, ttl=60)
    assert "did you mean ttl?" not in wrong(cache, plain, ttl=60, tagz=["x"])
    assert "no option tagz; did you mean tags?" in wrong(cache, plain, ttl=60, tagz=["x"])
    assert "no option path" in wrong(cache, plain, ttl=60, path="/x")
    assert "no option skip_dependencies" in wrong(cache, plain, ttl=60, skip_dependencies=True)
    assert "it is cached already" in wrong(cache, cached_route(cache, ttl=60)(plain), ttl=5)
    assert cached_route(cache, ttl=5)(plain) is not plain
    said = wrong(cache, plain, ttl=60, audience="everybody")
    assert "cached_route on" in said
    assert "Rule(" not in said
    assert "audience='everybody'" in said
    assert "key_by='user.id' begins with no parameter" in wrong(cache, plain, ttl=60, key_by="user.id")


async def test_a_tag_with_a_field_that_the_path_has_not_is_said_at_the_start() -> None:
    """
    Only then is the path known.
    """
    cache = Cache(environ={})
    app = FastAPI(lifespan=lifespan(cache))

    @app.get("/tasks/{id}")
    @cached_route(cache, ttl=60, tags=["task:{task_id}"])
    async def task(id: int) -> int:
        return id

    with pytest.raises(ConfigurationError, match=r"\{task_id\}.*\{id\}"):
        async with lifespan_of(app):
            pass


async def test_called_directly_it_is_the_function(cache: Cache) -> None:
    """
    In a script and in a unit test there is no request, and nothing is cached.
    """

    @cached_route(cache, ttl=60)
    async def waits(limit: int = 2) -> list[int]:
        """Docs."""
        return list(range(limit))

    @cached_route(cache, ttl=60)
    def does_not(limit: int = 2) -> list[int]:
        return list(range(limit))

    assert (await waits(3), does_not(limit=1)) == ([0, 1, 2], [0])
    assert (waits.__name__, waits.__doc__) == ("waits", "Docs.")


# -- one endpoint, many requests ---------------------------------------------------------------------------------------


async def test_one_endpoint_may_be_that_of_several_routes(app: FastAPI, cache: Cache) -> None:
    """
    Each has its own model, its own tags and its own entries.
    """

    class Small(BaseModel):
        id: int

    class Large(Small):
        name: str = "chair"

    @cached_route(cache, ttl=60, tags=["item:{id}"])
    async def item(id: int) -> dict[str, int]:
        return {"id": id}

    app.add_api_route("/small/{id}", item, response_model=Small)
    app.add_api_route("/large/{id}", item, response_model=Large)
    router = APIRouter()
    router.add_api_route("/{id}", item, response_model=Small, status_code=203)
    for prefix in ("/one", "/two"):
        app.include_router(router, prefix=prefix)
    for _ in range(2):
        assert (await told(app, "/small/1"))[:2] == (200, b'{"id":1}')
        assert (await told(app, "/large/1"))[:2] == (200, b'{"id":1,"name":"chair"}')
        assert (await told(app, "/one/1"))[:2] == (await told(app, "/two/1"))[:2] == (203, b'{"id":1}')
    assert (await told(app, "/two/1"))[2]
    await cache.invalidate_tags("item:1")
    assert [(await told(app, path))[2] for path in ("/small/1", "/large/1", "/one/1", "/two/1")] == [False] * 4


async def test_many_at_once_run_the_endpoint_once_and_their_dependencies_each(app: FastAPI, cache: Cache) -> None:
    """
    A4: those who come meanwhile wait for the first one's response; everybody's own dependencies are opened and closed.
    """
    gate, opened, closed, runs = asyncio.Event(), [], [], []

    async def session() -> AsyncIterator[int]:
        opened.append(1)
        yield len(opened)
        closed.append(1)

    @app.get("/slow")
    @cached_route(cache, ttl=60)
    async def slow(number: Annotated[int, Depends(session)]) -> str:
        runs.append(number)
        assert len(closed) == 0
        await gate.wait()
        return "done"

    asking = [asks(app).start("GET", "/slow") for _ in range(5)]
    await until(lambda: len(opened) == 5 and runs)
    gate.set()
    assert {(await one).body for one in asking} == {b'"done"'}
    assert (len(runs), len(opened), len(closed)) == (1, 5, 5)


async def test_tasks_of_dependencies_run_always_those_of_the_endpoint_on_a_miss(app: FastAPI, cache: Cache) -> None:
    """
    What a dependency does for each request, it does for each request.
    """
    done: list[str] = []

    async def audit(background: BackgroundTasks) -> None:
        background.add_task(done.append, "audited")

    @app.get("/it", dependencies=[Depends(audit)])
    @cached_route(cache, ttl=60)
    async def it(background: BackgroundTasks) -> int:
        background.add_task(done.append, "mailed")
        return 1

    for _ in range(3):
        await told(app, "/it")
    assert done == ["audited", "mailed", "audited", "audited"]


async def test_a_refresh_behind_has_dependencies_of_its_own(
    app: FastAPI, cache: Cache, manual_clock: ManualClock
) -> None:
    """
    H9: the stale answer is there at once and its request is over; the session of the refresh is open while it runs.
    """
    sessions: list[list[str]] = []
    gate = asyncio.Event()

    async def session() -> AsyncIterator[list[str]]:
        own = ["open"]
        sessions.append(own)
        yield own
        own[0] = "closed"

    @app.get("/it", status_code=203)
    @cached_route(cache, ttl=60, stale_while_revalidate="10m")
    async def it(session: Annotated[list[str], Depends(session)], response: Response) -> int:
        response.headers["x-run"] = str(len(sessions))
        if len(sessions) > 1:
            await gate.wait()
        assert session == ["open"]
        return len(sessions)

    assert await told(app, "/it") == (203, b"1", False)
    manual_clock.advance(70)
    assert await told(app, "/it") == (203, b"1", True)
    await until(lambda: len(sessions) == 3)
    assert [own[0] for own in sessions] == ["closed", "closed", "open"]
    gate.set()
    await until(lambda: sessions[2] == ["closed"])
    await settle()
    answer = await asks(app).get("/it")
    assert (answer.body, answer.hit, answer.fields("x-run")) == (b"3", True, ["3"])


async def test_a_refresh_leaves_a_request_alone_that_is_still_being_answered(
    app: FastAPI, cache: Cache, manual_clock: ManualClock
) -> None:
    """
    A client that reads slowly: what belongs to its request is closed by its request, in its own context.
    """
    whose: ContextVar[str] = ContextVar("whose")
    runs: list[str] = []
    refreshed = asyncio.Event()

    async def identified(x_number: Annotated[str, Header()]) -> AsyncIterator[str]:
        token = whose.set(x_number)
        yield x_number
        whose.reset(token)  # a ValueError in any other context

    @app.get("/it")
    @cached_route(cache, ttl=60, stale_while_revalidate="10m", dimensions=[])
    async def it(number: Annotated[str, Depends(identified)]) -> str:
        runs.append(whose.get())
        if len(runs) > 1:
            refreshed.set()
        return number

    class Slow(Client):
        """Takes the head of the response only when the refresh is done."""

        def __init__(self) -> None:
            async def reading(scope: Any, receive: Any, send: Any) -> None:
                async def slowly(message: Any) -> None:
                    await refreshed.wait()
                    await send(message)

                await app(scope, receive, slowly)

            super().__init__(reading)

    assert (await asks(app).get("/it", x_number="1")).body == b'"1"'
    manual_clock.advance(70)
    assert (await Slow().get("/it", x_number="2")).body == b'"1"'
    await settle()
    assert (await asks(app).get("/it", x_number="3")).body == b'"2"'
    assert runs == ["1", "2"]


async def test_a_304_of_the_endpoint_to_its_client_confirms_nothing(
    app: FastAPI, cache: Cache, manual_clock: ManualClock
) -> None:
    """
    H8: the cache asks about what it has, the client about what it has; an endpoint that compares tags itself answers
    the one who asked.
    """
    version = 1
    asked: list[str | None] = []

    @app.get("/it")
    @cached_route(cache, ttl=60)
    async def it(request: Request) -> Response:
        tag = request.headers.get("if-none-match")
        asked.append(tag)
        if tag == f'"{version}"':
            return Response(status_code=304, headers={"etag": tag})
        return Response(f"{version}".encode(), headers={"etag": f'"{version}"'})

    client = asks(app)
    assert (await client.get("/it")).body == b"1"
    manual_clock.advance(70)
    version = 2
    answer = await client.get("/it", if_none_match='"2"')
    assert (answer.status, answer.field("etag")) == (304, '"2"')
    assert asked[-1] == '"1"'
    fresh = await client.get("/it")
    assert (fresh.body, fresh.hit) == (b"2", True)


async def test_failures_are_those_of_the_endpoint(app: FastAPI, cache: Cache, manual_clock: ManualClock) -> None:
    """
    H10: an error that nobody handles is raised as without a cache, unless something stale may stand in for it.
    """
    failing = True

    @app.get("/raises")
    @cached_route(cache, ttl=60)
    async def raises() -> None:
        raise LookupError("no such thing")

    @app.get("/invalid", response_model=list[int])
    @cached_route(cache, ttl=60)
    async def invalid():
        return ["x"]

    @app.get("/covered")
    @cached_route(cache, ttl=60, stale_if_error="1h")
    async def covered() -> str:
        if failing:
            raise HTTPException(503)
        return "fine"

    with pytest.raises(LookupError, match="no such thing"):
        await told(app, "/raises")
    with pytest.raises(ResponseValidationError):
        await told(app, "/invalid")
    assert (await told(app, "/covered"))[0] == 503
    failing = False
    assert (await told(app, "/covered"))[0] == 200
    failing = True
    manual_clock.advance(70)
    assert (await told(app, "/covered"))[:2] == (200, b'"fine"')


async def test_h11_a_change_at_the_same_address_drops_what_is_stored(app: FastAPI, cache: Cache) -> None:
    """
    H11: a successful unsafe request of the same endpoint; a failure drops nothing.
    """
    title = "old"

    @app.api_route("/doc/{id}", methods=["GET", "PUT"])
    @cached_route(cache, ttl=60, invalidates=["docs:{id}"])
    async def doc(id: int, request: Request, fail: bool = False) -> str:
        nonlocal title
        if request.method == "PUT":
            if fail:
                raise HTTPException(409)
            title = (await request.body()).decode()
        return title

    assert [(await told(app, "/doc/1"))[1:] for _ in range(2)] == [(b'"old"', False), (b'"old"', True)]
    assert (await asks(app).ask("PUT", "/doc/1?fail=1", b"new")).status == 409
    assert (await told(app, "/doc/1"))[2]
    assert (await asks(app).ask("PUT", "/doc/1", b"new")).body == b'"new"'
    assert (await told(app, "/doc/1"))[1:] == (b'"new"', False)


async def test_h11_a_change_by_another_endpoint_drops_it_if_that_is_said_there(app: FastAPI, cache: Cache) -> None:
    """
    H11: reading and writing are mostly two functions; the writing one says what it changes.
    """
    titles = {1: "old"}

    @app.get("/doc/{id}")
    @cached_route(cache, ttl=60)
    async def read(id: int) -> str:
        return titles[id]

    @app.get("/all")
    @cached_route(cache, ttl=60, tags=["docs"])
    async def all() -> list[str]:
        return [*titles.values()]

    @app.put("/doc/{id}", status_code=204, dependencies=[Depends(HTTPBearer(auto_error=False))])
    @cached_route(cache, invalidates=["docs"])
    async def write(id: int, title: Annotated[str, Body()]) -> None:
        titles[id] = title

    for path, old, new in (("/doc/1", b'"old"', b'"new"'), ("/all", b'["old"]', b'["new"]')):
        titles[1] = "old"
        await asks(app).ask("PUT", "/doc/1", b'"old"', content_type="application/json")
        assert [(await told(app, path))[1:] for _ in range(2)] == [(old, False), (old, True)]
        assert (await asks(app).ask("PUT", "/doc/1", b'"new"', content_type="application/json")).status == 204
        assert (await told(app, path))[1:] == (new, False)
    counted = cache.statistics()["http"]
    assert (counted["/doc/{id}"]["hit"], counted["PUT /doc/{id}"]["invalidated"] > 0) == (1, True)


async def test_overridden_dependencies_are_overridden(app: FastAPI, cache: Cache) -> None:
    """
    An application's tests replace its guards as they always do.
    """

    @app.get("/me")
    @cached_route(cache, ttl=60, key_by=lambda request: "test")
    async def me(user: Annotated[str, Depends(current_user)]) -> str:
        return user

    app.dependency_overrides[current_user] = lambda: "somebody"
    assert [(await told(app, "/me"))[1:] for _ in range(2)] == [(b'"somebody"', False), (b'"somebody"', True)]


async def test_a_stopped_cache_leaves_the_route_as_it_was(app: FastAPI, manual_clock: ManualClock) -> None:
    """
    A5: after its end, the endpoint answers alone.
    """
    cache = Cache(clock=manual_clock, environ={})

    @app.get("/it")
    @cached_route(cache, ttl=60)
    async def it() -> int:
        return 1

    async with cache:
        assert [(await told(app, "/it"))[2] for _ in range(2)] == [False, True]
    assert (await told(app, "/it"))[:2] == (200, b"1")
