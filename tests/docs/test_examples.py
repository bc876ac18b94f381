"""Every example runs, says what its name says, and fits on a screen."""

import importlib
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SAYS = {
    "01_first_cache": ["1,001 calls, 1 load", "hit in l1"],
    "02_invalidate_by_tag": ["before the change, gets: Ada", "later gets: Grace"],
    "03_stale_while_revalidate": [
        "first: rates, version 1",
        "at once: rates, version 1",
        "behind it: rates, version 2",
        "half an hour later: rates, version 2",
    ],
    "04_shared_between_processes": ["one loads: 3", "two finds: 3", "one sold one: confirmed", "two reads: 2"],
    "06_without_asyncio": ["100 calls from 8 threads, 1 load", "after the invalidation: 2 loads"],
    "07_redis_goes_away": [
        "'status': 'healthy'",
        "down: down",
        "from the source",
        "meanwhile: pending",
        "back, nothing",
    ],
    "10_warming": [
        "by hand: 3 warmed in 0.05 s, first 3, then [1, 2]",
        "an hour: 60 reads, all from the cache",
        "before anybody asked: dashboard of Artemis",
    ],
    "11_domain_events": [
        "ProjectClassified: dashboard (1 keys, confirmed)",
        "ProjectUpdated: detail, dashboard (2 keys, confirmed)",
        "ProjectUpdated: detail, dashboard, projects (3 keys, confirmed)",
    ],
    "12_rate_limits": ["attempt 5: let in; left: login 0", "attempt 6: refused", "come back in 15 minutes"],
    "13_sessions": ["a new cookie: True", "ada has [7]", "after the end: None"],
    "09_values_made_of_others": [
        "loads title 8",
        "again: <ul><li>Paint the door<li>Oil the hinge\n",
        "  loads the page\n  loads the board\n  loads title 7\nafter the change: <ul><li>Paint the gate<li>Oil",
    ],
    "14_sql": [
        "first: [('Ada', 1)], 1 books, 3 queries",
        "again: [('Ada', 1)], 1 books, 0 queries",
        "after a commit: [('Ada', 2)], 2 books, 2 queries",
    ],
    "08_http_route": [
        "/prices/2026 ada 200",
        "stored",
        '/prices/2026 grace 200 {"year":2026,"made":1} evercache;hit',
        "/prices/2026 nobody 401",
        '/me ada 200 "page of ada" evercache;fwd=uri-miss',
        '/me grace 200 "page of grace" evercache;fwd=uri-miss',
        '/me ada 200 "page of ada" evercache;hit',
        '/prices/2026 ada 200 {"year":2026,"made":2}',
    ],
}


def test_no_example_is_left_out_or_longer_than_a_screen() -> None:
    """
    Each example is tested below and has at most 60 lines.
    """
    found = {path.stem: len(path.read_text().splitlines()) for path in EXAMPLES.glob("[0-9]*.py")}
    assert set(found) == {*SAYS, "05_fastapi"}
    assert max(found.values()) <= 60


@pytest.mark.row("S0.27")
@pytest.mark.parametrize("name", SAYS)
def test_an_example_says_what_it_is_about(name: str) -> None:
    """
    The output has these parts, in this order.
    """
    command = [sys.executable, str(EXAMPLES / f"{name}.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    at = 0
    for part in SAYS[name]:
        at = done.stdout.find(part, at)
        assert at >= 0, f"{part!r} is missing in:\n{done.stdout}"


async def test_the_fastapi_example_keeps_users_apart() -> None:
    """
    Two users, one route, two lists; an added task shows at once.
    """
    app = importlib.import_module("examples.05_fastapi").app
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://app") as client,
    ):
        assert (await client.get("/tasks", headers={"X-User": "ada"})).json() == ["write"]
        assert (await client.get("/tasks", headers={"X-User": "grace"})).json() == ["compile"]
        assert (await client.post("/tasks/test", headers={"X-User": "ada"})).json() == ["write", "test"]
        assert (await client.get("/tasks", headers={"X-User": "grace"})).json() == ["compile"]
