"""`QueryCache`: cached results of queries, on the sessions and engines that it was given.

The life of a cached query:

    session.execute ──▶ the option `evercache` is there? ──no──▶ the database
      ▼
    has this transaction written, does it want a snapshot, does the statement lock? ──▶ the database
      ▼
    compiled and bound by SQLAlchemy over a driver of ours (`replay`): SQL and parameters are the key
      ▼
    the cache, with the tags of the statement (`statement`): found, or loaded by the caller's own connection (`ferry`)
      ▼
    the rows go back into SQLAlchemy: entities, scalars, mappings as from the database
"""

from __future__ import annotations

import dataclasses
import logging
import os
import secrets
from collections.abc import Coroutine, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import ORMExecuteState, Session, sessionmaker
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.sql.schema import Table
from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from evercache.core.duration import Duration
from evercache.core.entry import Entry
from evercache.core.keys import encode
from evercache.core.options import Options
from evercache.core.patterns import prefix
from evercache.engine.invalidation import Confirmation
from evercache.engine.loading import current
from evercache.engine.site import Site
from evercache.errors import ConfigurationError, InvalidationPending, KeyEncodingError
from evercache.sql.ferry import Load, carry
from evercache.sql.names import EVERYTHING, rows_tag
from evercache.sql.rawsql import written_tables
from evercache.sql.rows import columns_of, description_of, pack, rows_of
from evercache.sql.sqlalchemy.commits import Commits
from evercache.sql.sqlalchemy.execute import OPTION, CachedQuery, query_of
from evercache.sql.sqlalchemy.outbox import Outbox
from evercache.sql.sqlalchemy.replay import Replay
from evercache.sql.sqlalchemy.snapshot import asks_for_one_snapshot, sees_the_present
from evercache.sql.sqlalchemy.statement import Reading, reading_of, spelled

if TYPE_CHECKING:
    from evercache.cache import Cache

__all__ = ["QueryCache"]

_log = logging.getLogger("evercache.sql")
_MAX_SITES = 1_000


@dataclass(slots=True)
class _Watched:
    """An engine that is listened to."""

    commits: Commits
    replay: Replay
    database: str


class QueryCache:
    """Cached results of queries on these sessions, invalidated by every commit on their engines.

    - *targets*: `sessionmaker`, `async_sessionmaker`, Session classes, sessions: their queries may be cached, and what
      is committed on their engines invalidates. An `Engine` or `AsyncEngine`: only the latter.
    - *ttl*: of queries that don't say theirs; else the cache's.
    - *row_tags*: a result of at most so many rows also carries the tags of its rows (`users:7`), for who invalidates
      by hand. Nothing depends on them.
    - *database*: a name for the database in keys; by itself its URL without the password. Give one where several
      processes reach one database by different URLs, or different databases by the same one.
    - *outbox*: write what is to be invalidated into the table `evercache_outbox`, in the same transaction
      (`OutboxWorker`): then not even the death of this process between commit and invalidation loses it.
    - *name*: what keys begin with.

    Bind it where the sessionmaker is made, before the first session. `close()` takes every listener away again.
    """

    def __init__(
        self,
        cache: Cache,
        *targets: object,
        ttl: Duration | None = None,
        row_tags: int = 16,
        database: str | None = None,
        outbox: bool = False,
        name: str = "sql",
    ) -> None:
        self.cache = cache
        self.engine = cache.engine
        self.name = cache.named(name, ttl=ttl).name
        self.row_tags = row_tags
        self._options = Options(ttl=ttl)
        self._database = database
        self._tables: dict[str, Table] = {}
        self._engines: dict[Engine, _Watched] = {}
        self._enlisted: WeakKeyDictionary[Session, dict[Engine, Connection]] = WeakKeyDictionary()
        self._sites: dict[Hashable, Site] = {}
        self._places: dict[str, dict[Hashable, Entry]] = {}
        self._unbind: list[tuple[Any, str, Any]] = []
        self._warned: set[str] = set()
        self.outbox = Outbox() if outbox else None
        self.bind(*targets)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- binding -------------------------------------------------------------------------------------------------

    def bind(self, *targets: object) -> None:
        """Listen to these sessions and engines too; see the class."""
        for target in targets:
            if isinstance(target, Engine | AsyncEngine):
                self._watch(_engine_of(target))
                continue
            binds, listened = _session_of(target)
            for bind in binds:
                self._watch(_engine_of(bind))
            self._listen(listened, "do_orm_execute", self._execute)
            self._listen(listened, "after_begin", self._enlist)
            self._listen(listened, "after_transaction_end", self._ended)

    def close(self) -> None:
        """Take every listener away: queries go to the database again, commits invalidate nothing."""
        for target, name, listener in self._unbind:
            if event.contains(target, name, listener):
                event.remove(target, name, listener)
        self._unbind.clear()
        for watched in self._engines.values():
            watched.commits.close()
        self._engines.clear()

    def _listen(self, target: Any, name: str, listener: Any) -> None:
        event.listen(target, name, listener)
        self._unbind.append((target, name, listener))

    def _watch(self, engine: Engine) -> _Watched:
        found = self._engines.get(engine)
        if found is None:
            before = self._before if self.outbox is None else self.outbox.write
            commits = Commits(engine, before=before, after=self._committed, tables=self._tables)
            found = self._engines[engine] = _Watched(commits, Replay(engine), self._database or _identity(engine))
        return found

    def _enlist(self, session: Session, _: object, connection: Connection) -> None:
        self._enlisted.setdefault(session, {})[connection.engine] = connection

    def _ended(self, session: Session, transaction: Any) -> None:
        if transaction.parent is None:
            self._enlisted.pop(session, None)

    # -- invalidation --------------------------------------------------------------------------------------------

    async def invalidate(self, *tables: object) -> Confirmation:
        """Drop every result that was made from these tables, lookups by key included; all results, if none is named.

        Tables are mapped classes, Table objects or names. For what no commit here has told: a foreign writer, a view
        that was refreshed.
        """
        names = [name for table in tables for name in _both(_table_name(table))]
        return await self.send(names or [EVERYTHING])

    async def send(self, names: Sequence[str]) -> Confirmation:
        """Invalidate these tags; EVERYTHING among them means all results of queries."""
        engine = self.engine
        done = Confirmation.CONFIRMED
        if EVERYTHING in names:
            done = await engine.invalidator.pattern(prefix(f"{self.name}:"))
        tags = [engine.tag_id(name) for name in names if name != EVERYTHING]
        if tags and not await engine.invalidator.tags(tags):
            done = Confirmation.PENDING
        return done

    def _before(self, _: Connection, __: Sequence[str]) -> None:
        """Without an outbox there is nothing to write."""

    def _committed(self, names: Sequence[str], written: Any) -> None:
        self._wait(self._tell(names, written))

    async def _tell(self, names: Sequence[str], written: Any) -> None:
        """After a commit: whatever happens here, it is done, and nobody is to believe that it wasn't."""
        with suppress(InvalidationPending):  # on_pending="raise": it is in the journal all the same
            if await self.send(names) and written and self.outbox is not None:
                self.outbox.confirm(written)

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run *work* in the loop of the cache, and wait as this caller can wait."""
        if in_greenlet():
            return await_only(work)
        if not self.engine.on_its_loop():
            return self.engine.portal().run(work)
        # A blocking session on the loop's own thread: waiting here would stop what it waits for.
        self.engine.airfield().spawn(work, "follows a commit")
        return None

    # -- reading -------------------------------------------------------------------------------------------------

    def _execute(self, state: ORMExecuteState) -> Any:
        """The event of a session that is about to execute: a result, or None to go on as ever."""
        query = query_of(state.execution_options.get(OPTION))
        if query is None or not _only_reads(state):
            return None
        query.heard = True
        session = state.session
        bind = session.get_bind(**state.bind_arguments)
        watched = self._watch(bind.engine)
        if not self._may_answer(state, bind, watched):
            return None
        if session.autobegin and not session.in_transaction():
            session.begin()  # executing begins the session's transaction, as it always does
        answer = _Reading(self, watched, state, query, bind)
        try:
            with watched.replay.connect(answer.rows) as connection:
                return _result(state, connection, answer.options())
        except _Unkeyed:
            return None

    def _may_answer(self, state: ORMExecuteState, bind: Engine | Connection, watched: _Watched) -> bool:
        """Whether this read may come from the cache and go into it; else the database answers as ever."""
        session, options = state.session, state.execution_options
        if getattr(state.statement, "_for_update_arg", None) is not None:
            return False
        if options.get("stream_results") or options.get("yield_per"):
            return False
        if not in_greenlet() and self.engine.on_its_loop():
            self._warn("a blocking session on the event loop can't wait for the cache: its queries aren't cached")
            return False
        if _autoflushes(state) and _pending(session):
            session.flush()  # SQLAlchemy would do so after this event; it decides whether this transaction has written
        if asks_for_one_snapshot(bind):
            return False
        if getattr(bind.dialect, "default_isolation_level", None) is None:
            session.connection(bind_arguments=state.bind_arguments)  # the first one tells the dialect what it talks to
        connection = bind if isinstance(bind, Connection) else self._enlisted.get(session, {}).get(bind)
        if connection is None:
            return True
        ledger = watched.commits.ledger(connection)
        return not (ledger.wrote or ledger.repeats or asks_for_one_snapshot(connection)) and sees_the_present(
            connection
        )

    def site(self, title: str, query: CachedQuery) -> Site:
        """Where results of statements on these tables are kept, with these options."""
        options = self._options | query.options()
        place = title, options.ttl, options.jitter, options.fail_safe, options.l1, options.l2, options.version
        known = self._sites.get(place)
        if known is None:
            if len(self._sites) >= _MAX_SITES:
                self._sites.clear()
            workshop = self.cache._workshop
            said = dataclasses.replace(workshop.defaults, stale_for=None, early=None, soft_timeout=None)
            known = self._sites[place] = workshop.site(
                title,
                options=said | options | Options(share=True),
                annotation=None,
                load=_load,
                parts=lambda arguments: (arguments[0],),
                tags=lambda arguments: arguments[1],
                borrowed=True,
                indexed=True,
                table=self._places.setdefault(title, {}),
            )
        return known

    def _warn(self, what: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            _log.warning("%s", what, extra={"event": "sql.uncached"})


class _Unkeyed(Exception):
    """The parameters have no place in a key: the database answers."""


class _Reading:
    """One execution of one cached query."""

    def __init__(
        self,
        queries: QueryCache,
        watched: _Watched,
        state: ORMExecuteState,
        query: CachedQuery,
        bind: Engine | Connection,
    ) -> None:
        self.queries = queries
        self.watched = watched
        self.state = state
        self.query = query
        self.bind = bind

    def options(self) -> dict[str, Any]:
        """The execution options: those of the connection that would have executed it are part of what it means."""
        enlisted = self.queries._enlisted.get(self.state.session, {})
        source = self.bind if isinstance(self.bind, Connection) else enlisted.get(self.bind, self.bind)
        given = {**source.get_execution_options(), **self.state.execution_options}
        return {name: value for name, value in given.items() if name != "isolation_level"}

    def rows(self, sql: str, parameters: Any, context: Any) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """The answer of the driver of ours: from the cache, or by the real one."""
        queries, dialect = self.queries, self.bind.dialect
        reading = reading_of(context.compiled)
        if reading.opaque and not self.query.tags:
            raise ConfigurationError(
                "a cached query holds a piece of plain SQL that reads from tables; say which with tags=[...], or write "
                "it with SQLAlchemy's constructs."
            )
        for table in reading.tables:
            if isinstance(table, Table):
                queries._tables[table.fullname] = table
        try:
            key = encode((dialect.name, dialect.driver, self.watched.database, self.query.vary, sql, parameters))
        except KeyEncodingError as error:
            queries._warn(f"a query isn't cached: {error}")
            raise _Unkeyed from None
        title = f"{queries.name}:{'+'.join(sorted(table.fullname for table in reading.tables)) or 'nothing'}"
        site = queries.site(title, self.query)
        tags = (*_tags(reading, context), *self.query.tags)

        async def read(load: Load) -> Any:
            async def loaded() -> Any:
                return self._with_row_tags(await load(), reading, tags)

            return await queries.engine.reader.read(site, (bytes, key), (key, tags, loaded))

        packed = carry(read, lambda: self._from_database(sql, parameters), queries._wait)
        return description_of(packed), rows_of(packed)

    def _from_database(self, sql: str, parameters: Any) -> list[Any]:
        connection = self.state.session.connection(bind_arguments=self.state.bind_arguments)
        result: Any = connection.exec_driver_sql(sql, parameters)
        return pack(result.cursor.description, result.fetchall())

    def _with_row_tags(self, packed: Any, reading: Reading, tags: Sequence[str]) -> Any:
        """The rows, which also carry the tags of the rows they hold, if those are few."""
        rows = packed[2]
        if len(rows) > self.queries.row_tags:
            return packed
        known, width = set(tags), columns_of(packed)
        for table, places in reading.held:
            for row in rows:
                if isinstance(table, Table) and max(places) < width and None not in (cells := [row[i] for i in places]):
                    text = spelled(table, self.bind.dialect, cells)
                    if text is not None:
                        known.add(f"{table.fullname}:{text}")
        current().tags(*sorted(known.difference(tags)))
        return packed


async def _load(_: object, __: object, load: Load) -> Any:
    return await load()


def _only_reads(state: ORMExecuteState) -> bool:
    statement: Any = state.statement
    return state.is_select or (isinstance(statement, TextClause) and not written_tables(statement.text))


def _result(state: ORMExecuteState, connection: Connection, options: dict[str, Any]) -> Any:
    """What the session would have made of this statement, on this connection."""
    compiler: Any = state._compile_state_cls
    if compiler is None:
        return connection.execute(state.statement, state.parameters or {}, execution_options=options)
    return compiler.orm_execute_statement(
        state.session, state.statement, state.parameters or {}, options, state.bind_arguments, connection
    )


def _tags(reading: Reading, context: Any) -> list[str]:
    """The tags of a statement with the parameters of this execution."""
    keyed: dict[Any, list[str]] = {}
    for keys in reading.keyed:
        texts = keys.texts(context.compiled_parameters[0], context._expanded_parameters)
        if texts is not None:
            keyed[keys.table] = texts
    names: list[str] = []
    for table in reading.tables:
        texts = keyed.get(table)
        names += (
            [table.fullname] if texts is None else [f"{table.fullname}:{t}" for t in texts] + [rows_tag(table.fullname)]
        )
    return list(dict.fromkeys(names))


# -- what can be bound -------------------------------------------------------------------------------------------


def _engine_of(bind: Any) -> Engine:
    if isinstance(bind, AsyncEngine):
        return bind.sync_engine
    if isinstance(bind, AsyncConnection):
        return bind.sync_connection.engine if bind.sync_connection is not None else bind.engine.sync_engine
    if isinstance(bind, Connection):
        return bind.engine
    if isinstance(bind, Engine):
        return bind
    raise ConfigurationError(f"{type(bind).__name__} is nothing that a QueryCache can listen to.")


def _session_of(target: Any) -> tuple[list[Any], Any]:
    """The engines behind something that makes sessions, and what to listen to."""
    if isinstance(target, async_sessionmaker):
        base = target.kw.get("sync_session_class") or target.class_.sync_session_class
        own = type(base.__name__, (base,), {})  # events of sessions are heard by class: this maker's alone
        target.configure(sync_session_class=own)
        return _binds(target.kw), own
    if isinstance(target, sessionmaker):
        return _binds(target.kw), target
    if isinstance(target, AsyncSession):
        return _binds({"bind": target.bind, "binds": target.binds}), target.sync_session
    if isinstance(target, Session):
        return _binds({"bind": target.bind}), target
    if isinstance(target, type) and issubclass(target, Session):
        return [], target
    raise ConfigurationError(
        f"QueryCache can't bind {target!r}; give it a sessionmaker, an async_sessionmaker, a session, or an engine."
    )


def _binds(arguments: dict[str, Any]) -> list[Any]:
    binds = [arguments.get("bind"), *(arguments.get("binds") or {}).values()]
    return [bind for bind in binds if bind is not None]


def _identity(engine: Engine) -> str:
    """What tells one database from another in keys: the URL without its password; who logs in may see other rows."""
    url = engine.url
    if engine.dialect.name == "sqlite" and url.database in (None, "", ":memory:"):
        return f"memory:{secrets.token_hex(8)}"
    if engine.dialect.name == "sqlite" and url.database is not None:
        return f"sqlite:{os.path.realpath(url.database)}"
    return url.set(drivername=url.get_backend_name(), password=None).render_as_string()


def _autoflushes(state: ORMExecuteState) -> bool:
    options: Any = state.load_options if state.is_select and state.is_orm_statement else None
    return state.session.autoflush and (options is None or options._autoflush)


def _pending(session: Session) -> bool:
    return bool(session.new or session.deleted or session.dirty)


def _table_name(table: object) -> str:
    if isinstance(table, str):
        return table
    found: Any = getattr(table, "__table__", table)
    if not isinstance(found, Table):
        raise ConfigurationError(f"{table!r} is no table; give a mapped class, a Table or its name.")
    return found.fullname


def _both(name: str) -> tuple[str, str]:
    return name, rows_tag(name)
