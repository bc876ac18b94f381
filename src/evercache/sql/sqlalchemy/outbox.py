"""The outbox: what is to be invalidated, written in the transaction that makes it so.

Between a COMMIT and the invalidation that follows it a process can die, and then nobody knows. With the outbox, the tags
are rows of a table, committed together with the change. When the invalidation is confirmed they are deleted; those of a
process that died are found by any worker (`OutboxWorker`), which carries them out.

Anybody may write into it, in any language: a row is one tag, `INSERT INTO evercache_outbox (tag) VALUES ('users:7')`,
in the transaction of the change. Rows with a `writer` belong to a process that is expected to do it by itself; they are
left alone for the grace time. Carrying a row out twice does no harm.
"""

from __future__ import annotations

import itertools
import secrets
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, DateTime, Identity, Integer, MetaData, Text, func
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql.schema import Table

from evercache.sql.names import OUTBOX_NAME

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Dialect

__all__ = ["Outbox", "outbox_ddl", "outbox_table"]

_REMEMBERED = 10_000


def outbox_table(metadata: MetaData) -> Table:
    """The table, as part of *metadata*: `create_all` makes it, and a migration tool sees it.

    - `id`: rows in the order in which they were written. `tag`: what is to be invalidated.
    - `writer`: the commit that will do it by itself; NULL in rows of writers that don't.
    - `written_at`: by the clock of the database.
    """
    known = metadata.tables.get(OUTBOX_NAME)
    if known is not None:
        return known
    return Table(
        OUTBOX_NAME,
        metadata,
        Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
        Column("tag", Text, nullable=False),
        Column("writer", Text, index=True),
        Column("written_at", DateTime(timezone=True), nullable=False, server_default=func.current_timestamp()),
    )


def outbox_ddl(dialect: Dialect) -> str:
    """The statements that make the table, for who doesn't let SQLAlchemy make tables."""
    from sqlalchemy.schema import CreateIndex

    table = outbox_table(MetaData())
    made: list[Any] = [CreateTable(table), *map(CreateIndex, table.indexes)]
    return ";\n".join(str(element.compile(dialect=dialect)).strip() for element in made) + ";\n"


class Outbox:
    """The writing side: rows before a commit, and the names of commits that are confirmed."""

    def __init__(self) -> None:
        self.table = outbox_table(MetaData())
        self.confirmed: deque[str] = deque(maxlen=_REMEMBERED)
        self._process = secrets.token_hex(8)
        self._commits = itertools.count(1)  # sessions in threads count too

    def write(self, connection: Connection, names: Sequence[str]) -> str:
        """Write these tags in the transaction that is open on *connection*; the name of this commit."""
        writer = f"{self._process}:{next(self._commits)}"
        connection.execute(self.table.insert(), [{"tag": name, "writer": writer} for name in names])
        return writer

    def confirm(self, writer: str) -> None:
        """The tags of this commit are invalidated; its rows may go. Were they forgotten, they would be carried out again."""
        self.confirmed.append(writer)
