"""The application around its domains: settings, secret, health, the start page, the seed."""

import json
import re
import socket
import stat
from dataclasses import replace

import httpx
import pytest

from examples.taskflow import seed
from examples.taskflow.auth import Passwords, Tokens
from examples.taskflow.db import Database
from examples.taskflow.health import database_health
from examples.taskflow.main import create_app
from examples.taskflow.secret import signing_secret
from examples.taskflow.settings import Settings, async_url


def test_the_environment_decides():
    """Short database URLs get their asyncio driver; everything else has a default."""
    settings = Settings.from_environment({"DATABASE_URL": "postgresql://u:p@db/tasks", "PORT": "9000"})
    assert settings.database_url == "postgresql+asyncpg://u:p@db/tasks"
    assert (settings.port, settings.redis_url, settings.demo) == (9000, None, False)
    assert Settings.from_environment({}).database_url.startswith("sqlite+aiosqlite:///")


@pytest.mark.parametrize("port", ["http", "-1", "65536"])
def test_a_port_that_is_none_is_refused_with_a_sentence(port):
    """The sentence names the variable and what it holds."""
    with pytest.raises(ValueError, match=f"PORT is '{port}'"):
        Settings.from_environment({"PORT": port})


def test_the_secret_is_made_once_and_private(tmp_path):
    """Every process of one data directory signs with the same secret, and nobody else can read it."""
    first = signing_secret(tmp_path)
    assert signing_secret(tmp_path) == first
    assert len(first) >= 48
    assert [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()] == [0o600]


async def test_tokens_outlive_a_restart(settings, ada):
    """Another process with the same data directory accepts the tokens of the first."""
    token = ada.http.headers["Authorization"].removeprefix("Bearer ")
    assert Tokens(signing_secret(settings.data_dir)).read(token) == ada.id


async def test_the_first_administrator_comes_from_the_environment(settings):
    """An empty database gets one user; one that has users is left as it is."""
    for password, status in (("from the environment", 200), ("another", 401)):
        restarted = create_app(replace(settings, admin_password=password))
        transport = httpx.ASGITransport(restarted)
        async with (
            restarted.router.lifespan_context(restarted),
            httpx.AsyncClient(transport=transport, base_url="http://taskflow.test") as http,
        ):
            reply = await http.post("/api/auth/token", data={"username": "admin", "password": password})
            assert reply.status_code == status


async def test_health_names_each_part(client):
    """The whole and its parts, never to be cached by anybody."""
    reply = await client.get("/health")
    assert reply.status_code == 200
    assert reply.json()["components"]["database"] == {"status": "healthy", "kind": "sqlite", "detail": None}
    assert reply.headers["Cache-Control"] == "no-store"


async def test_a_database_that_does_not_answer_is_down():
    """The part is named, its state is said; the reason stays in the log."""
    with socket.socket() as silent:  # bound, so nobody else gets the port, and never listening
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        async with Database().opened(async_url(f"postgresql://taskflow@127.0.0.1:{port}/tasks")) as database:
            part = await database_health(database)
    assert (part.status, part.kind, part.detail) == ("down", "postgresql", "The database did not answer.")


async def test_the_start_page_needs_nothing_from_elsewhere(client):
    """Every address on the page is on this server, and the policy lets the browser load nothing else."""
    reply = await client.get("/")
    assert reply.status_code == 200
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    links = re.findall(r'(?:src|href)="([^"]+)"', reply.text)
    for link in links:
        assert link.startswith(("/", "data:"))
        if link.startswith("/landing/"):
            assert (await client.get(link)).status_code == 200
    assert "$" not in reply.text
    assert (await client.get("/landing/router.py")).status_code == 404


async def test_the_password_is_offered_by_a_demo_only(client):
    """A real deployment's start page names no user."""
    page = (await client.get("/")).text
    assert seed.DEMO_PASSWORD not in page
    assert seed.DEMO_USERNAME not in re.findall(r'value="([^"]*)"', page)


async def test_every_route_is_described(client):
    """Each operation has a summary, a description and a name of its own; refusals are part of the contract."""
    document = (await client.get("/openapi.json")).json()
    operations = [act for path in document["paths"].values() for act in path.values()]
    assert all(act.get("description") for act in operations)
    names = [act["operationId"] for act in operations]
    assert len(names) == len(set(names))
    task = document["paths"]["/api/tasks/{task_id}"]
    assert {"401", "403", "404"} <= task["patch"]["responses"].keys()
    assert json.dumps(document)


async def test_the_seed_is_the_same_every_time_and_only_once(client, database):
    """Users and tasks are there, the demo user can sign in, and a second start changes nothing."""
    assert await seed.seed(database, Passwords(), users=5, tasks=40, projects=30)
    assert not await seed.seed(database, Passwords(), users=5, tasks=40, projects=30)
    form = {"username": seed.DEMO_USERNAME, "password": seed.DEMO_PASSWORD}
    token = (await client.post("/api/auth/token", data=form)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    page = (await client.get("/api/tasks/", headers=headers)).json()
    assert 0 < page["total"] < 40
    projects = (await client.get("/api/projects/", headers=headers)).json()
    assert 0 < projects["total"] < 30
    dashboard = await client.get(f"/api/projects/{projects['items'][0]['id']}/dashboard", headers=headers)
    assert dashboard.status_code == 200
