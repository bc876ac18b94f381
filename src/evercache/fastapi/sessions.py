"""The session of a request as a parameter of a route: `session: SessionDep`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection  # noqa: TC002 - FastAPI reads the annotation of get_session

from evercache.sessions.middleware import session_of
from evercache.sessions.session import Session

__all__ = ["SessionDep", "get_session"]


async def get_session(connection: HTTPConnection) -> Session:
    """The session of this request. Raises StoreUnavailable while the store is away, which becomes a 503, and NotStarted
    without `SessionMiddleware`."""
    return await session_of(connection)


SessionDep = Annotated[Session, Depends(get_session)]
"""The visitor's session."""
