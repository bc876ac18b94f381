"""A TaskFlow of one's own for each test: a fresh database, three users, and a client for each of them."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from sqlalchemy import event

from examples.taskflow.cache import cache
from examples.taskflow.db import Database
from examples.taskflow.lifespan import lifespan
from examples.taskflow.main import create_app
from examples.taskflow.projects.config import CacheWarmingConfig
from examples.taskflow.services import Services
from examples.taskflow.settings import Settings, async_url
from examples.taskflow.users.models import Role, User

ROOT = Path(__file__).parents[3]
PASSWORD = "correct horse"
BASE = "http://taskflow.test"


@dataclass
class Person:
    """Somebody who is signed in, and the requests they make."""

    id: int
    username: str
    http: httpx.AsyncClient

    async def create(self, title: str, **fields: Any) -> dict[str, Any]:
        reply = await self.http.post("/api/tasks/", json={"title": title, **fields})
        assert reply.status_code == 201, reply.text
        return reply.json()

    async def titles(self, **query: Any) -> list[str]:
        reply = await self.http.get("/api/tasks/", params=query)
        assert reply.status_code == 200, reply.text
        return [task["title"] for task in reply.json()["items"]]


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
        return number


@dataclass
class Server:
    """TaskFlow as a process of its own, and what it has said."""

    process: subprocess.Popen[bytes]
    base: str
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text()

    def answers(self) -> bool:
        assert self.process.poll() is None, self.said
        try:
            return httpx.get(f"{self.base}/health", timeout=30).status_code == 200
        except httpx.TransportError:
            return False

    def cache_health(self) -> dict[str, Any]:
        return httpx.get(f"{self.base}/health", timeout=30).json()["components"]["cache"]

    def signed_in(self) -> httpx.Client:
        """A client of the administrator; each request is a connection of its own, so any worker may get it."""
        form = {"username": "admin", "password": PASSWORD}
        token = httpx.post(f"{self.base}/api/auth/token", data=form, timeout=30).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
        return httpx.Client(base_url=self.base, headers=headers, timeout=30)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@pytest.fixture
def launch(tmp_path: Path, port: int) -> Iterator[Callable[..., Server]]:
    """Starts `uvicorn examples.taskflow.main:app` with these words and variables; gone after the test."""
    started: list[Server] = []

    def launch(*words: str, **environ: str) -> Server:
        variables = {
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT))),
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": "",
            "TASKFLOW_DATA_DIR": str(tmp_path / "data"),
            "TASKFLOW_ADMIN_PASSWORD": PASSWORD,
        }
        log = tmp_path / "log"
        command = [sys.executable, "-m", "uvicorn", "examples.taskflow.main:app", "--port", str(port), *words]
        with log.open("wb") as output:
            environ = {**os.environ, **variables, **environ}
            process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=output, stderr=output)
        started.append(Server(process, f"http://127.0.0.1:{port}", log))
        return started[-1]

    yield launch
    for server in started:
        server.process.terminate()  # not kill: a supervisor of workers takes them with it
        server.process.wait(60)


@pytest.fixture(scope="session")
def hashed() -> str:
    """The password of everybody, in a hash that is cheap to check; its parameters stand in the hash."""
    return PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    # Without warming in the background: a test says itself what is warm.
    quiet = CacheWarmingConfig(ENABLE_BACKGROUND_WARMING=False)
    return Settings(data_dir=tmp_path, database_url=async_url(f"sqlite:///{tmp_path / 'test.db'}"), warming=quiet)


@pytest.fixture(scope="session")
def routes(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The application before it starts: its routes are the same for every test, and take longest to make."""
    folder = tmp_path_factory.mktemp("unused")
    return create_app(Settings(data_dir=folder, database_url=async_url("sqlite://")))


@pytest.fixture
async def app(routes: FastAPI, settings: Settings) -> AsyncIterator[FastAPI]:
    """A started application with a database of its own, whose cache knows nothing of the test before."""
    async with lifespan(settings)(routes):
        await cache.invalidate_all()
        yield routes


@pytest.fixture
def database(app: FastAPI) -> Database:
    services: Services = app.state.services
    return services.database


@pytest.fixture
def statements(database: Database) -> list[str]:
    """Every SQL statement from here on."""
    seen: list[str] = []
    event.listen(database.engine.sync_engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    return seen


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who is not signed in."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http:
        yield http


@pytest.fixture
async def sign_in(
    app: FastAPI, database: Database, client: httpx.AsyncClient, hashed: str
) -> AsyncIterator[Callable[..., Awaitable[Person]]]:
    """Makes a user and signs them in, through the sign-in route."""
    async with AsyncExitStack() as stack:

        async def sign_in(username: str, role: Role = Role.MEMBER) -> Person:
            user = User(username=username, email=f"{username}@taskflow.test", hashed_password=hashed, role=role)
            async with database.session() as db:
                db.add(user)
                await db.commit()
            reply = await client.post("/api/auth/token", data={"username": username, "password": PASSWORD})
            headers = {"Authorization": f"Bearer {reply.json()['access_token']}"}
            http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE, headers=headers)
            return Person(user.id, username, await stack.enter_async_context(http))

        yield sign_in


@pytest.fixture
async def ada(sign_in: Callable[..., Awaitable[Person]]) -> Person:
    return await sign_in("ada")


@pytest.fixture
async def ben(sign_in: Callable[..., Awaitable[Person]]) -> Person:
    return await sign_in("ben")


@pytest.fixture
async def admin(sign_in: Callable[..., Awaitable[Person]]) -> Person:
    return await sign_in("root", Role.ADMIN)
