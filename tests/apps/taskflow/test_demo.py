"""The demo as a process of its own: what a first visitor does, over real HTTP."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from evercache.testing.servers import wait_until
from examples.taskflow.tour import Client, measure

ROOT = Path(__file__).parents[3]
BASH = shutil.which("bash") or "bash"


@dataclass
class Demo:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text()

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.said
        return "TaskFlow is ready" in self.said


def start(folder: Path, port: int, **environ: str) -> Demo:
    log = folder / "log"
    inherited = {name: value for name, value in os.environ.items() if name not in {"REDIS_URL", "DATABASE_URL"}}
    variables = {"PORT": str(port), "TASKFLOW_DATA_DIR": str(folder / "data"), "PYTHONUNBUFFERED": "1"}
    path = os.pathsep.join(map(str, (ROOT / "src", ROOT)))
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "examples.taskflow.demo"],
            cwd=ROOT,
            env={**inherited, **variables, "PYTHONPATH": path, **environ},
            stdout=output,
            stderr=output,
        )
    return Demo(process, port, log)


@pytest.fixture
def demo(tmp_path: Path, port: int) -> Iterator[Demo]:
    """A demo that is ready to be used, and gone after the test."""
    started = start(tmp_path, port)
    try:
        wait_until(started.is_ready, "the demo says that it is ready", seconds=90)
        yield started
    finally:
        started.process.kill()
        started.process.wait()


@pytest.mark.row("S0.31")
def test_what_a_miss_and_a_hit_cost_is_measured_and_printed(demo):
    """The figures of this machine, at every start."""
    assert re.search(r"a list from the database +[\d.]+ ms ", demo.said)
    assert re.search(r"the same from the cache +[\d.]+ ms .* times faster\)", demo.said)


def test_a_visitor_signs_in_lists_updates_and_lists_again(demo):
    """The update is in the very next list, and Ctrl-C ends everything without a trace."""
    base = f"http://127.0.0.1:{demo.port}"
    health = httpx.get(f"{base}/health").json()
    assert health["status"] == "healthy"

    client = Client("127.0.0.1", demo.port)
    client.sign_in("ada", "taskflow-demo")
    findings = measure(client, rounds=2)
    client.close()
    assert findings.seen_at_once
    assert [answer.cached for answer in findings.misses] == ["miss", "miss"]
    assert [answer.cached for answer in findings.hits] == ["hit", "hit"]
    assert findings.misses[0].body["total"] > 100

    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(30) == 0
    assert demo.said.rstrip().endswith("TaskFlow has stopped.")
    assert "Traceback" not in demo.said


def test_the_printed_commands_work_as_they_are_printed(demo):
    """What the demo tells a visitor to type does what it says."""
    lines = [line.strip() for line in demo.said.splitlines()]
    commands = [line for line in lines if line.startswith(("curl ", "TOKEN="))]
    assert len(commands) == 5
    done = subprocess.run([BASH, "-euc", "\n".join(commands)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert '"status":"done"' in done.stdout
    assert re.findall(r"x-cache: (\w+)", done.stdout) == ["miss", "hit", "miss"]
    assert done.stdout.lower().count("server-timing: ") == 3


def test_a_taken_port_is_said_in_one_sentence(tmp_path):
    """Nothing is started, nothing is left, and the sentence says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        demo = start(tmp_path, other.getsockname()[1])
        assert demo.process.wait(60) == 1
    assert "make demo" in demo.said
    assert "Traceback" not in demo.said
    assert not (tmp_path / "data").exists()


def test_without_a_redis_server_the_demo_says_so_and_works(tmp_path, port):
    """Entries live in the process: said in the log, in the summary and in health; lists are hits all the same."""
    demo = start(tmp_path, port, EVERCACHE_REDIS_SERVER="/nowhere/redis-server")
    try:
        wait_until(demo.is_ready, "the demo says that it is ready", seconds=90)
        assert "Without Redis: entries live in this process only" in demo.said
        assert "Cache  this process only (no Redis found)" in demo.said
        cache = httpx.get(f"http://127.0.0.1:{port}/health").json()["components"]["cache"]
        assert (cache["status"], cache["kind"]) == ("healthy", "memory")
        assert "in the very next list" in demo.said
    finally:
        demo.process.kill()
        demo.process.wait()
