"""What Alembic runs: on the connection that the application gives it, or on one of its own for the command line."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from examples.taskflow.db import Database
from examples.taskflow.migrations import models
from examples.taskflow.settings import Settings


def migrate(connection: Connection) -> None:
    """Runs what was asked for on *connection*."""
    # Batches: SQLite can change little about a table that exists; Alembic makes a new one and copies.
    context.configure(connection=connection, target_metadata=models.METADATA, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_migrate() -> None:
    """The same on the database of the environment's settings."""
    async with (
        Database().opened(Settings.from_environment().database_url) as database,
        database.engine.begin() as connection,
    ):
        await connection.run_sync(migrate)


given: Connection | None = context.config.attributes.get("connection")
if given is None:
    asyncio.run(connect_and_migrate())
else:
    migrate(given)
