"""Both ends of an HTTP cache under test: an application that answers what it is told, and a client that speaks bare ASGI.

    backend = Backend(cache_control="max-age=60")
    client = Client(CacheMiddleware(backend, cache=cache, rules=[Rule("/a")]))
    first, second = await client.get("/a"), await client.get("/a", accept="text/plain")
    assert backend.runs == 1 and second.hit and second.age == 0

Keyword arguments are header fields, with `_` for `-`; `headers=` takes pairs where a name repeats or must be odd. The
client gives the body once and then blocks until it leaves, as a server does, and keeps every message in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from evercache import Cache
from evercache.http import CacheMiddleware, Rule
from tests.support.ears import until

__all__ = ["Answer", "Asked", "Backend", "Client", "Exchange", "Reply", "client_of", "lifespan_of"]

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
Pairs = Iterable[tuple[str, str]]


def pairs(given: Pairs, named: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Header pairs as ASGI has them."""
    together = [*given, *((name.replace("_", "-"), value) for name, value in named.items())]
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in together]


class Fields:
    """Whatever has `headers`."""

    headers: list[tuple[bytes, bytes]]

    def fields(self, name: str) -> list[str]:
        """The value of each line called *name*."""
        return [value.decode("latin-1") for other, value in self.headers if other.lower() == name.encode()]

    def field(self, name: str) -> str | None:
        """The lines called *name* as one value, or None."""
        found = self.fields(name)
        return ", ".join(found) if found else None


# -- the application ---------------------------------------------------------------------------------------------------


@dataclass
class Asked(Fields):
    """One request as the application saw it."""

    scope: Scope
    body: bytes
    number: int

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:  # type: ignore[override]
        return list(self.scope["headers"])


class Reply(Fields):
    """What the application answers; `body=None` says which run it was. A list of chunks is sent in as many messages."""

    def __init__(
        self, body: bytes | list[bytes] | None = None, *, status: int = 200, headers: Pairs = (), **named: str
    ) -> None:
        self.body, self.status, self.headers = body, status, pairs(headers, named)

    def chunks(self, asked: Asked) -> list[bytes]:
        if self.body is None:
            return [b"run %d" % asked.number]
        return self.body if isinstance(self.body, list) else [self.body]


class Backend:
    """An application that counts. What it answers is a `Reply`, an error to raise, or a function of what was asked."""

    def __init__(self, answer: Reply | BaseException | Callable[[Asked], Any] | None = None, **headers: str) -> None:
        self.answer: Reply | BaseException | Callable[[Asked], Any] = answer or Reply(**headers)
        self.asked: list[Asked] = []
        self.running = 0
        self.gate: asyncio.Event | None = None

    @property
    def runs(self) -> int:
        """How often it was asked."""
        return len(self.asked)

    @property
    def last(self) -> Asked:
        return self.asked[-1]

    def shut(self) -> asyncio.Event:
        """From now on every run waits; for the event that lets them go."""
        self.gate = asyncio.Event()
        return self.gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        asked = Asked(scope, await read_body(receive), len(self.asked) + 1)
        self.asked.append(asked)
        self.running += 1
        try:
            if self.gate is not None:
                await self.gate.wait()
            answer = self.answer(asked) if callable(self.answer) else self.answer
            if isinstance(answer, BaseException):
                raise answer
            await send_reply(send, answer, answer.chunks(asked))
        finally:
            self.running -= 1


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body


async def send_reply(send: Send, answer: Reply, chunks: list[bytes]) -> None:
    """The messages of *answer*: its head, and one message for each chunk."""
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    for number, chunk in enumerate(chunks, 1):
        await send({"type": "http.response.body", "body": chunk, "more_body": number < len(chunks)})


# -- the client --------------------------------------------------------------------------------------------------------


@dataclass
class Answer(Fields):
    """A response as the client got it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    messages: list[Message] = field(repr=False)

    @property
    def cache(self) -> dict[str, str]:
        """The parameters of our member of `Cache-Status`, the last one; empty without it. A flag's value is empty."""
        said = [line for line in self.fields("cache-status") if line.partition(";")[0].strip() == "evercache"]
        parameters = [part.strip().partition("=") for part in said[-1].split(";")[1:]] if said else []
        return {name: value.strip('"') for name, _, value in parameters}

    @property
    def hit(self) -> bool:
        return "hit" in self.cache

    @property
    def stored(self) -> bool:
        return "stored" in self.cache

    @property
    def age(self) -> int | None:
        found = self.field("age")
        return None if found is None else int(found)


class Exchange:
    """A request on its way: the messages so far, and the client's side of the connection."""

    def __init__(self, app: App, scope: Scope, body: Iterable[bytes], on_message: Callable[[Message], None]) -> None:
        self.messages: list[Message] = []
        self._on_message = on_message
        self._parts = list(body)
        self._gone = asyncio.Event()
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    def __await__(self):
        return self._finish().__await__()

    async def _finish(self) -> Answer:
        await self.task
        return self.answer()

    def leave(self) -> None:
        """The client closes the connection."""
        self._gone.set()

    def cancel(self) -> None:
        """The server gives the request up, as some do when the client has left."""
        self.leave()
        self.task.cancel()

    @property
    def status(self) -> int | None:
        heads = [message["status"] for message in self.messages if message["type"] == "http.response.start"]
        return heads[0] if heads else None

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages if m["type"] == "http.response.body")

    @property
    def complete(self) -> bool:
        """Whether the last byte has left."""
        bodies = [message for message in self.messages if message["type"] == "http.response.body"]
        return bool(bodies) and not bodies[-1].get("more_body", False)

    def answer(self) -> Answer:
        """What the client has, once it has all of it."""
        [head] = [message for message in self.messages if message["type"] == "http.response.start"]
        assert self.complete, f"the last message is missing: {self.messages}"
        headers = [(bytes(name), bytes(value)) for name, value in head.get("headers", ())]
        return Answer(head["status"], headers, self.body, self.messages)

    async def _receive(self) -> Message:
        if self._parts:
            part = self._parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(self._parts)}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._gone.is_set():
            raise OSError("the client is gone")
        self._on_message(message)
        self.messages.append(message)


class Client:
    """Asks *app*; *host* and *scheme* are those of its requests, *headers* are on each of them."""

    def __init__(self, app: App, *, host: str = "app", scheme: str = "http", **headers: str) -> None:
        self.app, self.host, self.scheme, self.named = app, host, scheme, headers

    async def get(self, target: str = "/", **headers: str) -> Answer:
        return await self.ask("GET", target, **headers)

    async def head(self, target: str = "/", **headers: str) -> Answer:
        return await self.ask("HEAD", target, **headers)

    async def post(self, target: str = "/", body: bytes = b"", **headers: str) -> Answer:
        return await self.ask("POST", target, body, **headers)

    async def ask(self, method: str, target: str = "/", body: bytes = b"", **given: Any) -> Answer:
        """The answer to a request; *given* as for `start`."""
        return await self.start(method, target, body, **given)

    def start(
        self,
        method: str = "GET",
        target: str = "/",
        body: bytes | list[bytes] = b"",
        *,
        headers: Pairs | None = None,
        scope: Mapping[str, Any] | None = None,
        on_message: Callable[[Message], None] = lambda message: None,
        **named: str,
    ) -> Exchange:
        """A request that is on its way. *headers*: instead of `Host`. *scope*: what the server knows besides.
        *on_message*: called with each message before it leaves, to see what is so at that moment."""
        raw, _, query = target.partition("?")
        parts = body if isinstance(body, list) else [body]
        length = {"content_length": str(len(b"".join(parts)))} if any(parts) else {}
        made = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": self.scheme,
            "path": unquote_to_bytes(raw).decode("utf-8", "replace"),
            "raw_path": raw.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": pairs([("host", self.host)] if headers is None else headers, self.named | length | named),
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 80),
            "extensions": {},
            "state": {},
        }
        return Exchange(self.app, made | dict(scope or {}), parts, on_message)


def client_of(cache: Cache, app: Any, *rules: Rule, **given: Any) -> Client:
    """A client of *app* behind *cache* under *rules*; *given* is the middleware's."""
    return Client(CacheMiddleware(app, cache=cache, rules=rules, **given))


@asynccontextmanager
async def lifespan_of(app: App) -> AsyncIterator[Scope]:
    """The life of *app*, as a server leads it; raises what the start-up raises, or RuntimeError with what it said."""
    scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    orders: asyncio.Queue[Message] = asyncio.Queue()
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    await orders.put({"type": "lifespan.startup"})
    life = asyncio.ensure_future(app(scope, orders.get, send))
    await until(lambda: said or life.done())
    if life.done():
        await life
    if said and said[0]["type"] == "lifespan.startup.failed":
        await asyncio.wait([life])
        life.exception()
        raise RuntimeError(said[0].get("message", ""))
    try:
        yield scope
    finally:
        await orders.put({"type": "lifespan.shutdown"})
        await life
