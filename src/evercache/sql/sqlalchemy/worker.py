"""`OutboxWorker`: carries out what stands in the outbox and nobody has carried out yet.

Run one beside the cache, in each process or in one of them: workers share the rows between them (SKIP LOCKED on
PostgreSQL; on SQLite one after the other). A round

    deletes the rows of commits that this process has confirmed
    takes rows without a writer, and those whose writer has been silent for the grace time
    invalidates their tags, and deletes them when that is confirmed; else they stay for the next round

Rounds come every half second, and at once when PostgreSQL notifies (`triggers`, or `NOTIFY evercache_outbox` by hand). A
notification is only a bell: what is to be done stands in the table, and a bell that nobody hears loses nothing.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import delete, func, literal_column, or_, select
from sqlalchemy.exc import SQLAlchemyError

from evercache.core.duration import Duration, parse_seconds
from evercache.errors import ConfigurationError, InvalidationPending
from evercache.sql.names import OUTBOX_NAME
from evercache.sql.sqlalchemy.outbox import Outbox

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from evercache.sql.sqlalchemy.queries import QueryCache

__all__ = ["OutboxWorker"]

_log = logging.getLogger("evercache.sql")
_BATCH = 500


class OutboxWorker:
    """Follows the outbox of one database: `async with OutboxWorker(queries, engine): ...`.

    - *every*: seconds between two looks at the table. *grace*: how long the writer of a row has to do it by itself.
    - *listen*: also wait for notifications, on PostgreSQL; it holds one connection of the engine.

    The cache must be shared (a Redis): the worker is one process, and what it drops must be dropped for all.
    """

    def __init__(
        self,
        queries: QueryCache,
        engine: AsyncEngine,
        *,
        every: Duration = 0.5,
        grace: Duration = 5.0,
        listen: bool = True,
    ) -> None:
        self._queries = queries
        self._engine = engine
        self._every = parse_seconds(every, "OutboxWorker: every")
        self._grace = parse_seconds(grace, "OutboxWorker: grace")
        if engine.dialect.name not in ("postgresql", "sqlite"):
            raise ConfigurationError(f"the outbox is made for PostgreSQL and SQLite; not for {engine.dialect.name}.")
        self._listens = listen and engine.dialect.name == "postgresql"
        self._outbox = queries.outbox or Outbox()
        self._table = self._outbox.table
        self._bell = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._ails = ""

    async def __aenter__(self) -> Self:
        self._tasks.append(asyncio.create_task(self._work(), name="evercache outbox"))
        if self._listens:
            self._tasks.append(asyncio.create_task(self._listen(), name="evercache outbox bell"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if kind is None:
            with suppress(SQLAlchemyError, OSError):
                await self._forget()

    def ring(self) -> None:
        """Look at the table now, not only at the next half second."""
        self._bell.set()

    async def round(self) -> int:
        """One round, until there is nothing more to do; how many rows were carried out. Raises what the database does."""
        await self._forget()
        done = 0
        while (some := await self._carry_out()) > 0:
            done += some
        return done

    # -- a round -------------------------------------------------------------------------------------------------

    async def _forget(self) -> None:
        confirmed = self._outbox.confirmed
        while confirmed:
            writers = [confirmed.popleft() for _ in range(min(len(confirmed), _BATCH))]
            try:
                async with self._engine.begin() as connection:
                    await connection.execute(delete(self._table).where(self._table.c.writer.in_(writers)))
            except BaseException:
                confirmed.extend(writers)
                raise

    async def _carry_out(self) -> int:
        table = self._table
        due = or_(table.c.writer.is_(None), table.c.written_at < self._past())
        taking = select(table.c.id, table.c.tag).where(due).order_by(table.c.id).limit(_BATCH)
        async with self._engine.begin() as connection:
            rows = (await connection.execute(taking.with_for_update(skip_locked=True))).all()
            if not rows:
                return 0
            try:
                done = await self._queries.send(list(dict.fromkeys(row.tag for row in rows)))
            except InvalidationPending:
                return 0
            if not done:
                return 0
            await connection.execute(delete(table).where(table.c.id.in_([row.id for row in rows])))
        return len(rows)

    def _past(self) -> Any:
        """The moment before which a writer has had its time, by the clock of the database."""
        if self._engine.dialect.name == "sqlite":
            return func.datetime("now", f"-{self._grace:.3f} seconds")
        return func.now() - literal_column(f"interval '{self._grace * 1000:.0f} milliseconds'")

    # -- tasks ---------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            self._bell.clear()
            try:
                await self.round()
                self._well()
            except (SQLAlchemyError, OSError) as error:
                self._ill(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._bell.wait()

    async def _listen(self) -> None:
        while True:
            with suppress(SQLAlchemyError, OSError):
                async with AsyncExitStack() as stack:
                    connection = await stack.enter_async_context(self._engine.connect())
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                    driver: Any = (await connection.get_raw_connection()).driver_connection
                    await _hear(driver, self.ring)
            await asyncio.sleep(self._every)

    def _ill(self, error: BaseException) -> None:
        ails = type(error).__name__
        if ails != self._ails:
            self._ails = ails
            _log.warning(
                "the outbox can't be read (%s); invalidations of other writers wait until it can.",
                ails,
                extra={"event": "sql.outbox"},
            )

    def _well(self) -> None:
        if self._ails:
            self._ails = ""
            _log.info("the outbox is read again", extra={"event": "sql.outbox"})


async def _hear(driver: Any, ring: Any) -> None:
    """Ring at each notification, until the connection ends."""
    if hasattr(driver, "add_listener"):  # asyncpg
        ended = asyncio.Event()

        def heard(*_: object) -> None:
            ring()

        def terminated(_: object) -> None:
            ended.set()

        driver.add_termination_listener(terminated)
        await driver.add_listener(OUTBOX_NAME, heard)
        ring()  # what came before we listened
        try:
            await ended.wait()
        finally:
            driver.remove_termination_listener(terminated)
            if not driver.is_closed():
                await driver.remove_listener(OUTBOX_NAME, heard)
    else:  # psycopg
        await driver.execute(f"LISTEN {OUTBOX_NAME}")
        ring()
        async for _ in driver.notifies():
            ring()
