"""The messages of one HTTP request in ASGI, as far as the cache makes or repeats them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from evercache.http.fields import Fields, has, values

__all__ = [
    "Message",
    "Receive",
    "Send",
    "body_of",
    "copied",
    "has_content",
    "nowhere",
    "raw_path",
    "replayed",
    "send_whole",
]

Message = MutableMapping[str, Any]  # Any: as ASGI has it
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_SENDS_FILES = frozenset({"http.response.pathsend", "http.response.zerocopysend"})


async def send_whole(send: Send, status: int, fields: Fields, body: bytes) -> None:
    """Send a response that is there as a whole."""
    await send({"type": "http.response.start", "status": status, "headers": list(fields)})
    await send({"type": "http.response.body", "body": body})


async def nowhere(_: Message) -> None:
    """Where the response to nobody's request goes."""


def raw_path(scope: Message) -> bytes:
    """The path as it came, without the query that some servers leave on it."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        return quote(scope["path"], safe="/:@!$&'()*+,;=-._~%").encode("latin-1", "replace")
    return raw.partition(b"?")[0]


def copied(scope: Message, fields: Fields | None = None) -> dict[str, Any]:
    """A scope for the application: with other *fields*, and without the extensions by which a server sends files that
    the cache would not see."""
    copy = dict(scope)
    if fields is not None:
        copy["headers"] = list(fields)
    extensions = copy.get("extensions")
    if extensions and not _SENDS_FILES.isdisjoint(extensions):
        copy["extensions"] = {name: value for name, value in extensions.items() if name not in _SENDS_FILES}
    return copy


def has_content(request: Fields) -> bool:
    """Whether a request says that it has a body (RFC 9112 §6). To GET and HEAD none means anything (RFC 9110 §9.3.1); an
    application that reads it all the same answers by what is no part of the key."""
    return has(request, b"transfer-encoding") or any(length != "0" for length in values(request, b"content-length"))


async def body_of(receive: Receive, limit: int) -> tuple[bytes | None, Receive]:
    """The body of a request, or None if it is longer than *limit* or doesn't come; and a `receive` that has it still."""
    parts: list[Message] = []
    size = 0
    while True:
        message = await receive()
        parts.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or size > limit:
            return None, _again(parts, receive)
        if not message.get("more_body", False):
            body = b"".join([part.get("body", b"") for part in parts])
            return body, replayed(body, receive)


def replayed(body: bytes, rest: Receive | None = None) -> Receive:
    """A `receive` that gives *body* once more, as a whole. What comes then is *rest*'s to say; without one, nothing: a
    client that doesn't exist doesn't leave either."""
    return _again([{"type": "http.request", "body": body, "more_body": False}], rest or _never)


def _again(messages: list[Message], rest: Receive) -> Receive:
    left = iter(messages)

    async def receive() -> Message:
        for message in left:
            return message
        return await rest()

    return receive


async def _never() -> Message:
    coming: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    return await coming
