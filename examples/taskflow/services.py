"""What a running TaskFlow owns, and how a request reaches it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from fastapi.requests import HTTPConnection
from sqlalchemy.ext.asyncio import AsyncSession

from examples.taskflow.auth import Passwords, Tokens
from examples.taskflow.db import Database
from examples.taskflow.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Made when the application starts, closed when it stops."""

    settings: Settings
    database: Database
    passwords: Passwords
    tokens: Tokens


def services(connection: HTTPConnection) -> Services:
    """The services of the application that serves this request."""
    return cast("Services", connection.app.state.services)


async def session(services: Annotated[Services, Depends(services)]) -> AsyncIterator[AsyncSession]:
    """A database session for this request; it takes a connection only if something is asked of it."""
    async with services.database.session() as opened:
        yield opened


ServicesDep = Annotated[Services, Depends(services)]
SessionDep = Annotated[AsyncSession, Depends(session)]
