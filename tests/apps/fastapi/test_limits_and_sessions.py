"""Limits and sessions in a FastAPI application."""

import httpx
import pytest
from fastapi import APIRouter, FastAPI, WebSocket

from evercache.fastapi.limits import TooManyRequests, limited, too_many_requests
from evercache.fastapi.sessions import SessionDep
from evercache.ratelimit import Limit, Limiter, by_client, everybody
from evercache.sessions import Cookie, SessionMiddleware, Sessions
from evercache.testing.clock import ManualClock


@pytest.fixture
def limiter():
    return Limiter(clock=ManualClock())


def client_of(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example")


async def test_a_route_is_limited_behind_its_router(limiter):
    """Two limits, one from the router and one of the route; the fields say both."""
    router = APIRouter(dependencies=[limited(limiter, Limit("all", 10, "1m", key=everybody))])

    @router.get("/search", dependencies=[limited(limiter, Limit("search", 2, "1m", key=by_client()), headers="legacy")])
    async def search() -> list[str]:
        return ["found"]

    app = FastAPI()
    app.include_router(router)
    async with client_of(app) as client:
        first = await client.get("/search")
        assert first.json() == ["found"]
        assert first.headers["RateLimit"].startswith('"all";r=9')
        assert first.headers["X-RateLimit-Remaining"] == "1"
        await client.get("/search")
        refused = await client.get("/search")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "30")
    assert refused.headers["Cache-Control"] == "no-store"
    assert "30 s" in refused.json()["detail"]


async def test_the_refusal_can_be_a_problem_document(limiter):
    """RFC 9457, for those who register it."""
    app = FastAPI()
    app.add_exception_handler(TooManyRequests, too_many_requests)

    @app.get("/", dependencies=[limited(limiter, Limit("all", 1, "1m", key=everybody))])
    async def page() -> None:
        return None

    async with client_of(app) as client:
        await client.get("/")
        refused = await client.get("/")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["violated-policies"] == ["all"]


async def test_a_place_is_left_when_the_response_is_sent(limiter):
    """One job at a time, again and again."""
    app = FastAPI()

    @app.get("/", dependencies=[limited(limiter, Limit("jobs", 1, "1m", algorithm="concurrency", key=everybody))])
    async def job() -> str:
        return "done"

    async with client_of(app) as client:
        assert [(await client.get("/")).status_code for _ in range(4)] == [200] * 4


async def test_a_websocket_is_closed(limiter):
    """With the code for a policy."""
    app = FastAPI()

    @app.websocket("/ws", dependencies=[limited(limiter, Limit("ws", 1, "1m", key=everybody))])
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    async def told() -> list[dict]:
        sent = []

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message)

        scope = {"type": "websocket", "path": "/ws", "raw_path": b"/ws", "query_string": b"", "headers": []}
        await app({**scope, "scheme": "wss", "root_path": "", "subprotocols": [], "state": {}}, receive, send)
        return sent

    assert [message["type"] for message in await told()] == ["websocket.accept", "websocket.close"]
    (refused,) = await told()
    assert (refused["type"], refused["code"]) == ("websocket.close", 1008)


async def test_a_session_is_a_parameter():
    """Sign in, be known, sign out."""
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=Sessions(secret=b"0123456789abcdef"), cookie=Cookie(same_site="Lax"))

    @app.post("/login")
    async def login(session: SessionDep) -> None:
        session.sign_in("ada")

    @app.get("/me")
    async def me(session: SessionDep) -> str | None:
        return session.user

    @app.post("/logout")
    async def logout(session: SessionDep) -> None:
        session.end()

    async with client_of(app) as client:
        assert (await client.get("/me")).json() is None
        assert not client.cookies
        await client.post("/login")
        assert (await client.get("/me")).json() == "ada"
        stolen = dict(client.cookies)
        await client.post("/logout")
        assert not client.cookies
        client.cookies.update(stolen)
        assert (await client.get("/me")).json() is None
