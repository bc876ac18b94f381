"""What a request can be refused for: services raise these, one handler turns them into ``{"detail": …}``."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel


class Refused(Exception):
    """A request that can't be served, with the HTTP status that says why."""

    status = 400

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFound(Refused):
    """It does not exist, or the caller may not know that it does."""

    status = 404


class Forbidden(Refused):
    """It exists and the caller sees it, but may not do this to it."""

    status = 403


class Conflict(Refused):
    """It would break a rule that spans rows, such as a unique name."""

    status = 409


class Unprocessable(Refused):
    """Well-formed, but names something that does not exist."""

    status = 422


class Detail(BaseModel):
    """The body of every refusal."""

    detail: str


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses=`` of a route that may answer with *statuses*."""
    return {status: {"model": Detail} for status in statuses}


def install(app: FastAPI) -> None:
    """Answers a :class:`Refused` with its status and sentence."""

    async def answer(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refused)
        return JSONResponse({"detail": error.detail}, status_code=error.status)

    app.add_exception_handler(Refused, answer)
