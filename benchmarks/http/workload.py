"""Two hours of an API's traffic, on a clock that only moves when told: how much of it a cache with a ttl answers.

10,000 resources, read by Zipf's law (exponent 1.0) by 1,000 users, 200 requests a second; 2 of 100 requests are writes,
to resources drawn by the same law, and a write drops what is cached of its resource. A user's browser remembers the 50
resources that it saw last and asks whether they have changed; a 304 then spares the body.

Every answer is compared with what the resource is at that moment: a stale one is a failure, not a hit.
"""

from __future__ import annotations

import itertools
import random
from collections import OrderedDict
from typing import Any, NamedTuple

from benchmarks.http.payload import BODY, HEADERS
from benchmarks.http.variants import App, Message
from evercache import Cache
from evercache.http import CacheMiddleware, Rule
from evercache.testing.clock import ManualClock

__all__ = ["Outcome", "play"]

RESOURCES, USERS, REMEMBERED = 10_000, 1_000, 50
RATE, WRITES = 200, 0.02


class Outcome(NamedTuple):
    """Of the reads of one run."""

    reads: int
    hits: int
    """Answered without the application."""
    stale: int
    """Answered with something that is no longer so."""
    not_modified: int
    sent: int
    """Bytes of bodies."""
    whole: int
    """Bytes of bodies, had every answer had one."""


class Resources:
    """The application: each resource has a version that a PUT advances, and an answer of as many bytes as any."""

    def __init__(self) -> None:
        self.versions = [0] * RESOURCES
        self.asked = 0

    def body(self, number: int) -> bytes:
        return b'{"id":%06d,"version":%09d,' % (number, self.versions[number]) + BODY[34:]

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        number = int(scope["path"].rpartition("/")[2])
        if scope["method"] == "PUT":
            self.versions[number] += 1
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        self.asked += 1
        body = self.body(number)
        head = [(b"content-length", str(len(body)).encode()), *HEADERS[1:]]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})


class User:
    """Somebody with a browser: the bodies and entity tags that it saw last."""

    def __init__(self) -> None:
        self._seen: OrderedDict[int, tuple[bytes, bytes]] = OrderedDict()

    def condition(self, number: int) -> list[tuple[bytes, bytes]]:
        return [(b"if-none-match", self._seen[number][0])] if number in self._seen else []

    def see(self, number: int, etag: bytes | None, body: bytes) -> None:
        if etag is not None:
            self._seen[number] = (etag, body)
            self._seen.move_to_end(number)
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)

    def recall(self, number: int) -> bytes:
        self._seen.move_to_end(number)
        return self._seen[number][1]


async def _ask(app: App, method: str, number: int, headers: list[tuple[bytes, bytes]]) -> tuple[int, Any, bytes]:
    """Status, headers and body."""
    path = f"/resources/{number}"
    scope: Message = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"api.example"), *headers],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }
    start: Message = {}
    body = b""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal start, body
        if message["type"] == "http.response.start":
            start = message
        else:
            body += message.get("body", b"")

    await app(scope, receive, send)
    return start["status"], dict(start["headers"]), body


async def play(seconds: int, ttl: str, *, seed: int = 1) -> Outcome:
    """Let *seconds* of traffic go by."""
    clock, dice, resources = ManualClock(), random.Random(seed), Resources()
    users = [User() for _ in range(USERS)]
    law = list(itertools.accumulate(1 / rank for rank in range(1, RESOURCES + 1)))
    stale = not_modified = sent = reads = 0
    async with Cache(clock=clock, environ={}) as cache:
        rule = Rule("/resources/{id}", ttl=ttl)
        app: App = CacheMiddleware(resources, cache=cache, rules=[rule])
        for _ in range(seconds * RATE):
            clock.advance(dice.expovariate(RATE))
            (number,) = dice.choices(range(RESOURCES), cum_weights=law)
            if dice.random() < WRITES:
                await _ask(app, "PUT", number, [])
                continue
            user = dice.choice(users)
            status, headers, body = await _ask(app, "GET", number, user.condition(number))
            reads, sent = reads + 1, sent + len(body)
            if status == 304:
                not_modified, body = not_modified + 1, user.recall(number)
            else:
                user.see(number, headers.get(b"etag"), body)
            stale += body != resources.body(number)
    whole = reads * len(resources.body(0))
    return Outcome(reads, reads - resources.asked, stale, not_modified, sent, whole)
