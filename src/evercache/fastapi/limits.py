"""`limited`: rate limits of a route or a router, as a dependency.

@app.post("/login", dependencies=[limited(limiter, Limit("login", 5, "15m", algorithm="log", key=by_client()))])
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import Depends, HTTPException, Response, WebSocketException
from starlette.requests import HTTPConnection, Request  # noqa: TC002 - FastAPI reads the annotations

from evercache.ratelimit.admission import admit, refused, release
from evercache.ratelimit.headers import DRAFT, check_kind, fields_of, problem_of
from evercache.ratelimit.limiter import Limiter
from evercache.ratelimit.limits import Limit
from evercache.ratelimit.verdict import Verdict

__all__ = ["TooManyRequests", "limited", "too_many_requests"]

_POLICY_VIOLATION = 1008  # RFC 6455 §7.4.1


class TooManyRequests(HTTPException):
    """A limit says no: 429, or 503 where nobody could be asked and the limit is closed then. *verdict* says which one."""

    def __init__(self, verdict: Verdict, fields: dict[str, str]) -> None:
        closed = verdict.source == "closed"
        detail = "Requests can't be counted now." if closed else json.loads(problem_of(verdict))["detail"]
        super().__init__(503 if closed else 429, detail, {**fields, "cache-control": "no-store"})
        self.verdict = verdict


async def too_many_requests(_: Request, error: Exception) -> Response:
    """The exception's response as a problem document (RFC 9457), for those who want that:
    `app.add_exception_handler(TooManyRequests, too_many_requests)`. Without it, FastAPI answers as for any HTTPException.
    """
    assert isinstance(error, TooManyRequests)  # noqa: S101 - what it is registered for
    return Response(problem_of(error.verdict), error.status_code, error.headers, media_type="application/problem+json")


def limited(limiter: Limiter, *limits: Limit, cost: int | None = None, headers: str = DRAFT) -> Any:
    """A dependency that counts each request against *limits*, by the `key` of each; for routes, routers, applications and
    WebSockets. Places in limits of concurrency are left when the response is sent.

    *headers*: "draft-11", "legacy", "both" or "none". Raises TooManyRequests; a WebSocket is closed with 1008.
    """
    check_kind(headers)

    async def counted(connection: HTTPConnection, response: Response) -> AsyncGenerator[None]:
        verdicts = await admit(limiter, connection.scope, limits, cost=cost)
        denial = refused(verdicts)
        if denial is not None:
            if connection.scope["type"] == "websocket":
                raise WebSocketException(_POLICY_VIOLATION, "Too many requests")
            raise TooManyRequests(denial, _told([denial], headers))
        response.headers.update(_told(verdicts, headers))
        try:
            yield
        finally:
            await release(limiter, verdicts)

    return Depends(counted)


def _told(verdicts: list[Verdict], kind: str) -> dict[str, str]:
    """The fields as a dictionary; lists of several verdicts become one."""
    told: dict[str, str] = {}
    for verdict in verdicts:
        for name, value in fields_of(verdict, kind):
            key, text = name.decode("latin-1"), value.decode("latin-1")
            told[key] = f"{told[key]}, {text}" if key in told and key.startswith("ratelimit") else text
    return told
