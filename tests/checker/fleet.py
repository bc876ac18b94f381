"""A fleet: three readers and a writer, each a process with a cache of its own, and the truth.

The conductor talks to the processes in JSON lines and reads what they have noted from their history files.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Self

from evercache.testing.servers import RedisServer, wait_until
from tests.checker.sites import Site

__all__ = ["READERS", "WRITER", "Child", "Fleet"]

ROOT = Path(__file__).resolve().parent.parent.parent
READERS = ("reader-1", "reader-2", "reader-3")
WRITER = "writer"
PATIENCE = 60.0


class Child:
    """One process; `ask` gives an order and returns its answer."""

    def __init__(self, name: str, wish: dict[str, Any]) -> None:
        self.name, self.history = name, Path(wish["history"])
        path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
        self._errors = self.history.with_suffix(".err").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.checker.child", json.dumps(wish)],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip
        self._turn = threading.Lock()
        self._answers: queue.Queue[str] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def answer(self) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"{self.name} has not answered for {PATIENCE:g} s") from None
        if not line:
            said = self.history.with_suffix(".err").read_text()[-2000:]
            raise AssertionError(f"{self.name} has ended; it said:\n{said}")
        found: dict[str, Any] = json.loads(line)
        return found

    def tell(self, do: str, **more: Any) -> None:
        """Give an order; its answer must be fetched."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.process.stdin.flush()

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        with self._turn:
            self.tell(do, **more)
            return self.answer()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stopped(self) -> bool:
        """Whether it stands still (SIGSTOP)."""
        return os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None

    def mebibytes(self) -> int:
        """The memory that it really uses (Linux; elsewhere 0)."""
        path = Path(f"/proc/{self.process.pid}/statm")
        return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20 if path.exists() else 0

    def kill(self) -> None:
        """`kill -9`, and take care of what is left of it."""
        self.process.kill()
        self.process.wait()
        self._listener.join()
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            if stream is not None:
                stream.close()


class Fleet:
    """*site* with its truth and its processes; use `with`. *sabotage* names a class of `sabotage`."""

    def __init__(self, site: Site, *, delta: float = 0.5, sabotage: str = "", **settings: Any) -> None:
        self.site, self.delta, self.sabotage = site, delta, sabotage
        self.settings = {"namespace": f"checker-{secrets.token_hex(4)}", "delta": delta, **settings}
        self.truth = RedisServer()
        self.folder = tempfile.TemporaryDirectory(prefix="evercache-checker-")
        self.children: dict[str, Child] = {}
        self.in_round = False
        self._wishes: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        try:
            self.truth.start()
            for name in (*READERS, WRITER):
                self._wishes[name] = self._wish(name)
                self.launch(name)
            for child in self.children.values():
                child.answer()
            wait_until(self.is_well, "every process of the fleet has found its server")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for child in self.children.values():
            child.kill()
        self.site.close()
        self.truth.close()
        self.folder.cleanup()

    def _wish(self, name: str) -> dict[str, Any]:
        address = self.site.address(name)
        return {
            "role": "writer" if name == WRITER else "reader",
            "url": address.pop("url"),
            "settings": self.settings | address,
            "sabotage": self.sabotage,
            "truth": self.truth.port,
            "history": str(Path(self.folder.name) / f"{name}.jsonl"),
        }

    def launch(self, name: str) -> Child:
        """Start the process *name*; its first answer says that it is ready."""
        child = self.children[name] = Child(name, self._wishes[name])
        return child

    @property
    def namespace(self) -> str:
        return str(self.settings["namespace"])

    @property
    def readers(self) -> list[Child]:
        return [self.children[name] for name in READERS]

    @property
    def writer(self) -> Child:
        return self.children[WRITER]

    def ask(self, do: str) -> dict[str, dict[str, Any]]:
        """Ask everybody at once."""
        for child in self.children.values():
            child.tell(do)
        return {name: child.answer() for name, child in self.children.items()}

    def is_well(self) -> bool:
        """Every process trusts every partition and owes nothing."""
        return all(state["status"] == "healthy" and not state["owed"] for state in self.ask("state").values())

    def begin(self) -> None:
        """Begin a round: new histories."""
        self.in_round = True
        for child in self.children.values():
            os.truncate(child.history, 0)

    def end(self) -> dict[str, list[list[Any]]]:
        """End a round; what was noted in it. The last line of a killed process may be half of one."""
        self.in_round = False
        return {name: _events(child.history) for name, child in self.children.items()}


def _events(path: Path) -> list[list[Any]]:
    events = []
    for line in path.read_text().splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events
