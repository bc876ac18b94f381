"""The beginning of a request of a cached route, before FastAPI solves what the endpoint depends on (`http.since`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evercache.engine.engine import Engine
from evercache.http.since import Since

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["SINCE", "note_beginnings"]

SINCE = "evercache.since"
"""Where the moment is, in the scope."""


class _Begun:
    """What a route runs, with the moment noted before."""

    def __init__(self, app: ASGIApp, engine: Engine) -> None:
        self._app = app
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[SINCE] = since = Since(self._engine)
        try:
            await self._app(scope, receive, send)
        finally:
            since.close()


def note_beginnings(
    route: Any, engine: Engine
) -> None:  # Any: an APIRoute, or what it is after its router was included
    """From the next request of *route* on, the moment of its beginning is noted."""
    if not isinstance(route.app, _Begun):
        route.app = _Begun(route.app, engine)
