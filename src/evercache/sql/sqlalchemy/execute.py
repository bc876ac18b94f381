"""How a query says that its result may come from the cache.

    await cached_execute(session, select(User), ttl="5m")
    await session.execute(select(User), execution_options={"evercache": "5m"})          # the same
    await session.scalars(select(User), execution_options={"evercache": CachedQuery(ttl="5m", tags=["front page"])})

An execution option is SQLAlchemy's own way to say how, and not what, to execute: it goes through every method of both
kinds of session, through `Session.get`, and on to the statements of `selectinload`; and where no cache listens (a script,
a migration) the very same code reads from the database.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, overload

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.asyncio.scoping import async_scoped_session

from evercache.core.duration import Duration, Forever
from evercache.core.options import Options
from evercache.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import Result
    from sqlalchemy.orm import Session, scoped_session
    from sqlalchemy.sql.base import Executable

__all__ = ["OPTION", "CachedQuery", "cached_execute", "query_of"]

OPTION = "evercache"
"""The name of the execution option."""

T = TypeVar("T", bound=tuple[Any, ...])


@dataclass(slots=True, kw_only=True)
class CachedQuery:
    """How one query is cached; the value of the execution option `evercache`.

    - `ttl`, `jitter`, `fail_safe`, `l1`, `l2`, `version`: as everywhere (`Options`); what isn't said is the QueryCache's.
    - `tags`: beside those of the statement's tables. A statement with a piece of plain SQL that reads must say them.
    - `vary`: what the rows depend on beside the statement: the tenant of row level security, a search_path. In the key.
    """

    ttl: Duration | None = None
    tags: Sequence[str] = ()
    vary: object = None
    jitter: float | None = None
    fail_safe: Duration | None = None
    l1: bool | None = None
    l2: bool | None = None
    version: str | int | None = None
    heard: bool = field(default=False, repr=False, compare=False)  # whether a QueryCache has seen it

    def options(self) -> Options:
        """The same as options of the cache."""
        return Options(
            ttl=self.ttl,
            jitter=self.jitter,
            fail_safe=self.fail_safe,
            l1=self.l1,
            l2=self.l2,
            version=self.version,
        )


def query_of(value: object) -> CachedQuery | None:
    """The option as a CachedQuery: True, a ttl, or one already. None and False: not cached."""
    if value is None or value is False:
        return None
    if isinstance(value, CachedQuery):
        tags: Any = value.tags
        if isinstance(tags, str) or not all(isinstance(tag, str) and tag for tag in tags):
            raise ConfigurationError(f"tags={value.tags!r}: the tags of a query are a list of texts that aren't empty.")
        return value
    if value is True:
        return CachedQuery()
    if isinstance(value, str | int | float | timedelta | Forever):
        return CachedQuery(ttl=value)
    raise ConfigurationError(f"{OPTION}={value!r}: write True, a ttl such as '5m', or CachedQuery(...).")


@overload
def cached_execute(
    session: AsyncSession | async_scoped_session[Any],
    statement: Executable,
    params: Any = None,
    *,
    ttl: Duration | None = None,
    tags: Sequence[str] = (),
    vary: object = None,
    **options: Any,
) -> Awaitable[Result[Any]]: ...


@overload
def cached_execute(
    session: Session | scoped_session[Any],
    statement: Executable,
    params: Any = None,
    *,
    ttl: Duration | None = None,
    tags: Sequence[str] = (),
    vary: object = None,
    **options: Any,
) -> Result[Any]: ...


def cached_execute(
    session: Any,
    statement: Executable,
    params: Any = None,
    *,
    ttl: Duration | None = None,
    tags: Sequence[str] = (),
    vary: object = None,
    **options: Any,
) -> Any:
    """`session.execute(statement)`, from the cache if it may.

    `await cached_execute(session, select(...), ttl="5m")`; with a plain Session it returns the result itself. *options* are the further fields of `CachedQuery`. Raises
    ConfigurationError if no `QueryCache` listens to this session: nothing would ever invalidate the result.
    """
    query = CachedQuery(ttl=ttl, tags=tags, vary=vary, **options)
    executed = session.execute(statement, params, execution_options={OPTION: query})
    if isinstance(session, AsyncSession | async_scoped_session):
        return _awaited(executed, query)
    return _demand_heard(executed, query)


async def _awaited(executing: Awaitable[Any], query: CachedQuery) -> Any:
    return _demand_heard(await executing, query)


def _demand_heard(result: Any, query: CachedQuery) -> Any:
    if not query.heard:
        result.close()
        raise ConfigurationError(
            "no QueryCache listens to this session; give it the sessionmaker: QueryCache(cache, Session)."
        )
    return result
