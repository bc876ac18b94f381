"""The same list, asked again and again, with what each answer cost: ``python -m examples.taskflow.tour``.

It talks to a running TaskFlow as any client does, and prints medians, so one slow moment of the machine
does not decide.
"""

import http.client
import json
import os
import re
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any
from urllib.parse import urlencode

from examples.taskflow.seed import DEMO_PASSWORD, DEMO_USERNAME

LIST = "/api/tasks/?sort=due_date&limit=50"
ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply: what it said, who answered it, how long it took inside and to the client, in ms."""

    body: Any  # parsed JSON
    cached: str
    inside: float
    total: float


class Client:
    """One connection to one TaskFlow, signed in as one user."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=30)
        self._headers: dict[str, str] = {}

    def sign_in(self, username: str, password: str) -> None:
        """Every later request is theirs."""
        form = urlencode({"username": username, "password": password})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self.ask("POST", "/api/auth/token", form, kind)
        self._headers["Authorization"] = f"Bearer {answer.body['access_token']}"

    def ask(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> Answer:
        """One request.  Raises RuntimeError for a refusal, OSError if nobody answers."""
        started = perf_counter()
        self._connection.request(method, path, body, {**self._headers, **(headers or {})})
        reply = self._connection.getresponse()
        content = reply.read()
        total = (perf_counter() - started) * 1000
        if reply.status >= 400:
            raise RuntimeError(f"{method} {path} was answered with {reply.status}: {content.decode()[:200]}")
        inside = re.search(r"\bapp;dur=([\d.]+)", reply.headers.get("Server-Timing", ""))
        cached = reply.headers.get("X-Cache", "-").lower()
        return Answer(json.loads(content), cached, float(inside[1]) if inside else total, total)

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


@dataclass(frozen=True, slots=True)
class Findings:
    """What the tour measured: the answers from the database and those from the cache."""

    task_id: int
    misses: list[Answer]
    hits: list[Answer]
    seen_at_once: bool

    def lines(self) -> list[str]:
        """The figures, for people."""
        misses, hits = (median(answer.inside for answer in group) for group in (self.misses, self.hits))
        fresh = "in the very next list" if self.seen_at_once else "NOT in the next list: this is a bug"
        return [
            f"a list from the database {misses:8.2f} ms   (median of {len(self.misses)}, in the application)",
            f"the same from the cache  {hits:8.2f} ms   (median of {len(self.hits)}; {misses / hits:.1f} times faster)",
            f"after each update, the new status was {fresh}",
        ]


def measure(client: Client, rounds: int = ROUNDS) -> Findings:
    """Lists, lists again, updates a task, and so on: *rounds* times."""
    first = client.ask("GET", LIST).body["items"][0]
    task_id, status = first["id"], first["status"]
    misses: list[Answer] = []
    hits: list[Answer] = []
    seen = True
    for turn in range(rounds):
        wanted = ("in_progress", "todo")[turn % 2]
        change = json.dumps({"status": wanted})
        client.ask("PATCH", f"/api/tasks/{task_id}", change, {"Content-Type": "application/json"})
        misses.append(client.ask("GET", LIST))
        hits.append(client.ask("GET", LIST))
        seen = seen and misses[-1].body["items"][0]["status"] == wanted
    back = json.dumps({"status": status})
    client.ask("PATCH", f"/api/tasks/{task_id}", back, {"Content-Type": "application/json"})
    return Findings(task_id, misses, hits, seen)


def tour(host: str, port: int) -> Findings:
    """The findings of the demo user."""
    client = Client(host, port)
    try:
        client.sign_in(DEMO_USERNAME, DEMO_PASSWORD)
        return measure(client)
    finally:
        client.close()


if __name__ == "__main__":
    print("\n".join(tour("127.0.0.1", int(os.environ.get("PORT", "8000"))).lines()))
