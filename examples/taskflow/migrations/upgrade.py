"""Brings a database to the tables of this version; the application does so at every start.

By hand: ``alembic -c examples/taskflow/alembic.ini upgrade head``, with the environment of the application.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect

BEFORE_MIGRATIONS = "0001"
"""The step that databases have taken which were made before there were steps."""


def config(connection: Connection | None = None) -> Config:
    """What Alembic has to know, and on which connection it is to work."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def upgrade(connection: Connection) -> None:
    """Every step that has not been taken yet, within the transaction of *connection*."""
    chosen = config(connection)
    tables = inspect(connection).get_table_names()
    if "users" in tables and "alembic_version" not in tables:
        command.stamp(chosen, BEFORE_MIGRATIONS)
    command.upgrade(chosen, "head")
