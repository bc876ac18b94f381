"""`RateLimitMiddleware`: limits in front of an ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from evercache.ratelimit.admission import admit, refused, release
from evercache.ratelimit.headers import DRAFT, check_kind, fields_of, problem_of
from evercache.ratelimit.limiter import Limiter
from evercache.ratelimit.limits import Limit
from evercache.ratelimit.verdict import Verdict

__all__ = ["RateLimitMiddleware"]

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

_POLICY_VIOLATION = 1008  # RFC 6455 §7.4.1


class RateLimitMiddleware:
    """Counts each request against *limits*, by the `key` of each. Pure ASGI.

    - A refused request gets 429 with `Retry-After` and a problem document (RFC 6585, RFC 9457), never cached; 503 where
      the store doesn't answer and a limit is closed then. A refused WebSocket is closed with 1008.
    - *headers*: which fields responses get: "draft-11" (RateLimit, RateLimit-Policy), "legacy" (X-RateLimit-*), "both",
      "none". *paths*: prefixes that are limited; all by default.
    """

    def __init__(
        self,
        app: Any,  # Any: an ASGI application
        *,
        limiter: Limiter,
        limits: Sequence[Limit],
        paths: Sequence[str] = ("/",),
        headers: str = DRAFT,
    ) -> None:
        check_kind(headers)
        self.app = app
        self.limiter = limiter
        self.limits = tuple(limits)
        self.paths = tuple(paths)
        self.headers = headers

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not scope["path"].startswith(self.paths):
            await self.app(scope, receive, send)
            return
        verdicts = await admit(self.limiter, scope, self.limits)
        denial = refused(verdicts)
        if denial is not None:
            await self._refuse(scope, denial, send)
            return
        fields = [field for verdict in verdicts for field in fields_of(verdict, self.headers)]

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *fields]}
            await send(message)

        try:
            await self.app(scope, receive, sent if fields and scope["type"] == "http" else send)
        finally:
            await release(self.limiter, verdicts)

    async def _refuse(self, scope: Message, denial: Verdict, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": "Too many requests"})
            return
        closed = denial.source == "closed"
        body = b"" if closed else problem_of(denial)
        fields = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            *fields_of(denial, self.headers),
        ]
        await send({"type": "http.response.start", "status": 503 if closed else 429, "headers": fields})
        await send({"type": "http.response.body", "body": body})
