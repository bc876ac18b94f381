"""`SessionMiddleware`: a session for each request that asks for one. Pure ASGI.

    app.add_middleware(SessionMiddleware, sessions=sessions)

    async def page(request):
        session = await session_of(request)

Nothing is read before somebody asks, and nothing is written that wasn't changed. What was changed is put away before the
head of the response leaves, because that head carries the cookie.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from evercache.errors import NotStarted, StoreUnavailable
from evercache.sessions.backend import SessionGone
from evercache.sessions.cookies import Cookie
from evercache.sessions.session import Session
from evercache.sessions.sessions import Opened, Sessions

__all__ = ["SessionMiddleware", "session_of"]

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

_log = logging.getLogger("evercache.sessions")
_KEY = "evercache.session"
_RETRY_AFTER = b"5"


async def session_of(request: Any, *, required: bool = True) -> Session:
    """The session of a request (or of its scope, or a WebSocket), read when it is first asked for.

    While the store is away: StoreUnavailable, which becomes a 503; with *required* false an empty session that can only
    be read, for pages that anybody may see. Nobody is signed out by an outage. Raises NotStarted without the middleware.
    """
    scope = request if isinstance(request, dict) else request.scope
    handle = scope.get(_KEY)
    if not isinstance(handle, _Handle):
        raise NotStarted("there are no sessions here; add SessionMiddleware to the application.")
    try:
        return await handle.session()
    except StoreUnavailable:
        if required:
            raise
        return Session(read_only=True)


class _Handle:
    """The session of one request, if anybody wants it."""

    def __init__(self, sessions: Sessions, cookie: Cookie, scope: Message) -> None:
        self._sessions = sessions
        self._cookie = cookie
        self._scope = scope
        self._opened: Opened | None = None

    async def session(self) -> Session:
        if self._opened is None:
            headers = self._scope.get("headers", ())
            device = next((value for name, value in headers if name.lower() == b"user-agent"), b"")
            client = self._scope.get("client")
            self._opened = await self._sessions.open(
                self._cookie.read(headers),
                device=device.decode("latin-1"),
                address=client[0] if client else "",
            )
        return self._opened.session

    async def fields(self) -> list[tuple[bytes, bytes]]:
        """Put away what was changed; the fields that the response gets."""
        opened = self._opened
        if opened is None:
            return []
        try:
            kept = await opened.close()
        except SessionGone:
            _log.info("a session ended while a request was running; what it changed is not kept")
            kept = ""
        opened.session.read_only = True  # what is changed from here on would be lost without a word
        fields = [(b"cache-control", b"no-store"), (b"vary", b"Cookie")]
        if kept:
            fields.append((b"set-cookie", self._cookie.kept(kept, self._sessions.max_age)))
        elif kept is not None:
            fields.append((b"set-cookie", self._cookie.dropped()))
        return fields


class SessionMiddleware:
    """Gives each request a session, on demand.

    - *cookie*: how the cookie is called and sent.
    - While the store is away, a request that needs its session gets 503 with `Retry-After`; no cookie is changed.
    """

    def __init__(self, app: Any, *, sessions: Sessions, cookie: Cookie | None = None) -> None:
        self.app = app
        self.sessions = sessions
        self.cookie = cookie or Cookie()

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        scope[_KEY] = handle = _Handle(self.sessions, self.cookie, scope)
        response = _Response(handle, send)
        try:
            await self.app(scope, receive, response)
        except StoreUnavailable as error:
            if response.begun or scope["type"] != "http":
                raise
            await response.unavailable(error)


class _Response:
    """The way of a response, with the session put away in front of it."""

    def __init__(self, handle: _Handle, send: Send) -> None:
        self._handle = handle
        self._send = send
        self.begun = False
        self._silent = False

    async def __call__(self, message: Message) -> None:
        if self._silent:
            return
        if message["type"] in ("http.response.start", "websocket.accept") and not self.begun:
            try:
                fields = await self._handle.fields()
            except StoreUnavailable as error:
                if message["type"] != "http.response.start":
                    raise
                await self.unavailable(error)
                return
            self.begun = True
            if fields:
                message = {**message, "headers": _merged(message.get("headers", ()), fields)}
        await self._send(message)

    async def unavailable(self, error: StoreUnavailable) -> None:
        """503: without its session, this request can't be answered, and what it did is not kept."""
        _log.warning(
            "sessions don't answer (%s)", error.reason, extra={"event": "sessions.away", "reason": error.reason}
        )
        self.begun = self._silent = True
        fields = [(b"content-length", b"0"), (b"retry-after", _RETRY_AFTER), (b"cache-control", b"no-store")]
        await self._send({"type": "http.response.start", "status": 503, "headers": fields})
        await self._send({"type": "http.response.body", "body": b""})


def _merged(given: Any, ours: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """A response that belongs to a session is nobody else's, whatever it says of itself."""
    kept = [(name, value) for name, value in given if name.lower() != b"cache-control"]
    return [*kept, *ours]
