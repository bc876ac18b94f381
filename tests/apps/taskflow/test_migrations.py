"""The tables that a database has after all steps are those of the models, and old databases get there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from evercache.testing.servers.postgres import PostgresServer
from examples.taskflow.migrations.models import METADATA
from examples.taskflow.migrations.upgrade import config, upgrade

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def postgres():
    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    """An engine on an empty database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'steps.db'}"
    else:
        url = request.getfixturevalue("postgres").url("psycopg")
    made = create_engine(url)
    yield made
    with made.begin() as connection:
        METADATA.drop_all(connection)
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
    made.dispose()


def described(connection):
    """Every table with its columns, keys and indexes, in an order that says nothing."""
    found = inspect(connection)
    tables = {}
    for table in sorted(set(found.get_table_names()) - {"alembic_version"}):
        columns = [(each["name"], str(each["type"]), each["nullable"]) for each in found.get_columns(table)]
        foreign = sorted(str(each) for each in found.get_foreign_keys(table))
        indexes = sorted(str(each) for each in found.get_indexes(table))
        unique = sorted(str(each) for each in found.get_unique_constraints(table))
        tables[table] = (columns, found.get_pk_constraint(table), foreign, indexes, unique)
    return tables


def test_all_steps_make_the_tables_of_the_models(engine):
    """Columns in their order, types, keys, indexes, names; and Alembic finds nothing left to do."""
    with engine.begin() as connection:
        upgrade(connection)
        stepped = described(connection)
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    with engine.begin() as connection:
        command.downgrade(config(connection), "base")
        assert described(connection) == {}
        METADATA.create_all(connection)
        assert described(connection) == stepped


def test_taking_all_steps_twice_changes_nothing(engine):
    """A second start finds everything in its place."""
    with engine.begin() as connection:
        upgrade(connection)
        before = described(connection)
    with engine.begin() as connection:
        upgrade(connection)
        assert described(connection) == before


def test_a_database_from_before_the_steps_keeps_its_rows_and_gets_the_rest(engine):
    """Users and tasks were there without a word about steps; they stay, and what is missing is added."""
    with engine.begin() as connection:
        command.upgrade(config(connection), "0001")
        connection.execute(text("DROP TABLE alembic_version"))
        connection.execute(
            text(
                "INSERT INTO users (username, email, hashed_password, is_active, role, created_at) "
                "VALUES ('ada', 'ada@taskflow.test', 'x', :yes, 'member', '2026-01-01 00:00:00')"
            ),
            {"yes": True},
        )
    with engine.begin() as connection:
        upgrade(connection)
        assert connection.execute(text("SELECT username FROM users")).scalars().all() == ["ada"]
        assert set(described(connection)) == set(METADATA.tables)


def test_the_steps_are_one_line():
    """Each follows one other, and one is the last."""
    steps = list(ScriptDirectory.from_config(config()).walk_revisions())
    assert [step.revision for step in steps] == [f"{number:04}" for number in range(len(steps), 0, -1)]


def test_the_command_line_does_what_the_application_does(tmp_path):
    """`alembic upgrade head`, with the environment of the application."""
    words = [sys.executable, "-m", "alembic", "-c", "examples/taskflow/alembic.ini", "upgrade", "head"]
    environ = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'cli.db'}", "PYTHONPATH": str(ROOT / "src")}
    subprocess.run(words, cwd=ROOT, env=environ, check=True, capture_output=True, timeout=60)
    made = create_engine(environ["DATABASE_URL"])
    with made.connect() as connection:
        assert set(described(connection)) == set(METADATA.tables)
    made.dispose()
