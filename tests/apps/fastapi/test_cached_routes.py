"""Cached routes: injection, validation and identity are FastAPI's, the answers are the cache's."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Header, HTTPException, Request, Response, Security
from fastapi.security import OAuth2PasswordBearer, SecurityScopes
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from evercache import Cache, KeyBy, cache_response, cached
from evercache.errors import KeyEncodingError

bearer = OAuth2PasswordBearer(tokenUrl="token")
runs: list[str] = []


class User(BaseModel):
    """Who has signed in."""

    id: int
    scopes: tuple[str, ...] = ()


class Task(BaseModel):
    """What is listed."""

    owner: int
    status: str


class Account:
    """A user without a canonical form, like an object of an ORM."""

    def __init__(self, id: int) -> None:
        self.id = id


async def current_user(token: Annotated[str, Depends(bearer)]) -> User:
    if not token.isdigit():
        raise HTTPException(401)
    return User(id=int(token))


async def scoped_user(scopes: SecurityScopes, user: Annotated[User, Depends(current_user)]) -> User:
    return user.model_copy(update={"scopes": tuple(scopes.scopes)})


async def current_account(user: Annotated[User, Depends(current_user)]) -> Account:
    return Account(user.id)


async def session(request: Request) -> AsyncGenerator[AsyncSession, None]:
    async with request.app.state.sessions() as opened:
        yield opened


CurrentUser = Annotated[User, Depends(current_user)]
Db = Annotated[AsyncSession, Depends(session)]


@pytest.fixture
async def app() -> AsyncIterator[FastAPI]:
    """An application with a database and a cache."""
    engine = create_async_engine("sqlite+aiosqlite://")
    runs.clear()
    app = FastAPI(lifespan=Cache(namespace="routes").lifespan)
    app.state.sessions = async_sessionmaker(engine)
    yield app
    await engine.dispose()


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of *app*, inside its lifespan."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client,
    ):
        yield client


async def told(client: httpx.AsyncClient, path: str, user: int | str = 1) -> object:
    """The JSON of an answer, or its status."""
    answer = await client.get(path, headers={"Authorization": f"Bearer {user}"})
    return answer.json() if answer.status_code == 200 else answer.status_code


@pytest.mark.row("S0.26", "S0.28", "S0.30", "W1", "W35")
async def test_a_route_with_a_session_and_a_user_answers_each_user_from_the_cache(app: FastAPI) -> None:
    """The session is no part of the key, the user always is; validation and the response model stay FastAPI's."""

    @app.get("/tasks")
    @cache_response(key="tasks_of_users", expire=300)
    async def list_tasks(
        db: Db,
        user: CurrentUser,
        response: Response,
        background: BackgroundTasks,
        status: str = "open",
        limit: int = 50,
    ) -> list[Task]:
        """Lists."""
        runs.append(f"{user.id} {await db.scalar(text('SELECT 1'))}")
        return [Task(owner=user.id, status=status)] * min(limit, 2)

    async with running(app) as client:
        mine = [{"owner": 1, "status": "open"}] * 2
        assert await told(client, "/tasks") == await told(client, "/tasks?limit=50&status=open") == mine
        assert await told(client, "/tasks", user=2) == [{"owner": 2, "status": "open"}] * 2
        assert await told(client, "/tasks?limit=1") == mine[:1]
        assert await told(client, "/tasks?limit=x") == 422
        assert await told(client, "/tasks", user="nobody") == 401
        schema = (await client.get("/openapi.json")).json()["paths"]["/tasks"]["get"]
    assert runs == ["1 1", "2 1", "1 1"]
    assert sorted(parameter["name"] for parameter in schema["parameters"]) == ["limit", "status"]
    assert (schema["description"], schema["security"]) == ("Lists.", [{"OAuth2PasswordBearer": []}])


@pytest.mark.row("S0.19", "S1.27")
async def test_plain_routes_are_cached_in_their_threads(app: FastAPI) -> None:
    """FastAPI runs them in its thread pool; the answer is the same one."""

    @app.get("/plain")
    @cached(ttl=3600, key_prefix="routes:")
    def plain(number: int, accept: Annotated[str, Header()] = "*/*") -> dict[str, int]:
        runs.append("plain")
        return {"number": number}

    async with running(app) as client:
        assert [await told(client, f"/plain?number={number}") for number in (1, 1, 2)] == [
            {"number": 1}, {"number": 1}, {"number": 2},
        ]  # fmt: skip
    assert len(runs) == 2


@pytest.mark.row("W1")
async def test_security_scopes_are_part_of_who_asks(app: FastAPI) -> None:
    """`Security` is injection too."""

    @app.get("/scoped")
    @cache_response(key="scoped", expire=300)
    async def scoped(user: Annotated[User, Security(scoped_user, scopes=["read"])]) -> list[str]:
        runs.append("scoped")
        return [str(user.id), *user.scopes]

    async with running(app) as client:
        assert await told(client, "/scoped", 1) == await told(client, "/scoped", 1) == ["1", "read"]
        assert await told(client, "/scoped", 2) == ["2", "read"]
    assert len(runs) == 2


@pytest.mark.row("W1")
async def test_who_has_no_canonical_form_is_refused_until_the_key_says_what_counts(app: FastAPI) -> None:
    """Two ways to say it: a mark at the parameter, a field in the key."""

    async def named(account: Annotated[Account, Depends(current_account)]) -> int:
        return account.id

    async def marked(
        account: Annotated[Account, Depends(current_account), KeyBy(lambda account: account.id)],
    ) -> int:
        return account.id

    with pytest.raises(KeyEncodingError, match="'account' is injected"):
        cache_response(key="accounts", expire=300)(named)
    app.get("/named")(cache_response(key="account:{account.id}", expire=300)(named))
    app.get("/marked")(cache_response(key="marked_accounts", expire=300)(marked))

    async with running(app) as client:
        assert [await told(client, path, user) for path in ("/named", "/marked") for user in (1, 2, 1)] == [1, 2, 1] * 2


async def test_a_request_is_no_key_by_itself(app: FastAPI) -> None:
    """A whole request can't be one; the part that the answer depends on can."""

    async def whole(request: Request) -> str:
        return request.url.path

    async def part(request: Annotated[Request, KeyBy(lambda request: request.query_params["q"])]) -> str:
        runs.append("part")
        return request.query_params["q"]

    with pytest.raises(KeyEncodingError, match="'request' is injected"):
        cache_response(key="whole", expire=300)(whole)
    app.get("/part")(cache_response(key="part", expire=300)(part))
    async with running(app) as client:
        assert [await told(client, f"/part?q={q}") for q in "aab"] == ["a", "a", "b"]
    assert len(runs) == 2


async def test_errors_of_a_route_are_not_cached(app: FastAPI) -> None:
    """The next request runs it again."""

    @app.get("/failing")
    @cache_response(key="failing_route", expire=300)
    async def failing() -> int:
        runs.append("failing")
        if len(runs) == 1:
            raise HTTPException(503)
        return 1

    async with running(app) as client:
        assert [await told(client, "/failing") for _ in range(3)] == [503, 1, 1]
    assert len(runs) == 2
