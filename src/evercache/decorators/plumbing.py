"""Which parameters of a function are part of its key.

All of them, unless they are plumbing. Plumbing is how a function does its work and not what its answer depends on: a
database session, an HTTP client, the response object of a route. Known kinds are recognised by their class, without
importing their package; others say so themselves:

    client: Annotated[PaymentClient, Skip]             not in the key
    user: Annotated[User, KeyBy(lambda u: u.id)]       this part of it is
    email: Annotated[str, Personal]                    in the key, and only as a digest that needs the secret

What is injected and neither encodable nor declared is an error at decoration: an identity that is left out of a key by
accident is how one user gets another one's data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_origin

__all__ = ["KeyBy", "Personal", "Skip", "is_injection", "is_plumbing", "is_request"]


class Skip:
    """`Annotated[T, Skip]`: this parameter is plumbing and not part of the key."""


class Personal:
    """`Annotated[T, Personal]`: guesses of this value must not be testable by who can read Redis; needs CACHE_SECRET."""


@dataclass(frozen=True, slots=True)
class KeyBy:
    """`Annotated[T, KeyBy(function)]`: what *function* returns for the argument is the part of the key."""

    function: Callable[[Any], object]


_PLUMBING = {
    "starlette": {"Response", "BackgroundTasks"},
    "fastapi": {"BackgroundTasks"},
    "sqlalchemy": {"Session", "AsyncSession", "Connection", "AsyncConnection", "Engine", "AsyncEngine", "sessionmaker",
                   "async_sessionmaker", "scoped_session", "async_scoped_session"},
    "redis": {"Redis", "RedisCluster", "Sentinel"},
    "httpx": {"Client", "AsyncClient"},
    "httpx2": {"Client", "AsyncClient"},
    "aiohttp": {"ClientSession"},
    "asyncpg": {"Connection", "Pool"},
    "psycopg": {"Connection", "AsyncConnection"},
    "psycopg_pool": {"ConnectionPool", "AsyncConnectionPool"},
    "aiosqlite": {"Connection"},
    "sqlite3": {"Connection"},
    "motor": {"AgnosticDatabase", "AgnosticClient"},
    "pymongo": {"Database", "MongoClient", "AsyncMongoClient", "AsyncDatabase"},
    "logging": {"Logger", "LoggerAdapter"},
}  # fmt: skip


def is_injection(mark: object) -> bool:
    """Whether FastAPI supplies the parameter: `Depends(...)` or `Security(...)`, as default or in Annotated."""
    kind = type(mark)
    return kind.__name__ in ("Depends", "Security") and kind.__module__.partition(".")[0] == "fastapi"


def is_request(annotation: object) -> bool:
    """Whether it is the request or the WebSocket, which are injected by their type."""
    return any(
        base.__name__ in ("Request", "WebSocket", "HTTPConnection") and base.__module__.startswith("starlette.")
        for base in _bases(annotation)
    )


def is_plumbing(annotation: object) -> bool:
    """Whether it is a class of the table above, or derived from one."""
    for base in _bases(annotation):
        package = base.__module__.partition(".")[0]
        if base.__name__ in _PLUMBING.get(package, ()):
            return True
    return False


def _bases(annotation: object) -> Iterator[type]:
    annotation = get_origin(annotation) or annotation
    return iter(annotation.__mro__) if isinstance(annotation, type) else iter(())
