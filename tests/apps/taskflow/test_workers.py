"""Two worker processes, one Redis, one database: what one of them changes, the other one answers."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from evercache.testing.servers import RedisServer, wait_until

ROOT = Path(__file__).parents[3]
PASSWORD = "only for this test"


def answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def base(tmp_path: Path, port: int) -> Iterator[str]:
    """The address of a TaskFlow with two workers."""
    address = f"http://127.0.0.1:{port}"
    with RedisServer() as redis, (tmp_path / "log").open("wb") as log:
        variables = {
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT))),
            "REDIS_URL": redis.url,
            "DATABASE_URL": "",
            "TASKFLOW_DATA_DIR": str(tmp_path / "data"),
            "TASKFLOW_ADMIN_PASSWORD": PASSWORD,
        }
        command = [sys.executable, "-m", "uvicorn", "examples.taskflow.main:app", "--port", str(port), "--workers", "2"]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **variables}, stdout=log, stderr=log)
        try:
            wait_until(lambda: answers(address), "two workers answer", seconds=90)
            yield address
        finally:
            process.terminate()
            process.wait(30)


def test_what_one_worker_changes_every_worker_answers(base):
    """Each update is in the lists that follow it, whichever process serves them."""
    form = {"username": "admin", "password": PASSWORD}
    token = httpx.post(f"{base}/api/auth/token", data=form).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    task = httpx.post(f"{base}/api/tasks/", json={"title": "Shared"}, headers=headers).json()
    for turn in range(10):
        status = ("in_progress", "todo")[turn % 2]
        changed = httpx.patch(f"{base}/api/tasks/{task['id']}", json={"status": status}, headers=headers)
        assert changed.status_code == 200
        # Each request on a connection of its own: the kernel gives it to either process.
        for _ in range(6):
            items = httpx.get(f"{base}/api/tasks/", headers=headers).json()["items"]
            assert [item["status"] for item in items] == [status]
