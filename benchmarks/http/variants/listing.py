"""An endpoint as there are many: one page and the counts of a board, over a table of 50,000 tasks in SQLite."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

from benchmarks.http.variants import App, Place, Variant
from evercache import Cache
from evercache.http import CacheMiddleware, Rule

__all__ = ["PATH", "VARIANTS"]

PATH = "/boards/7/tasks"
TASKS, BOARDS = 50_000, 50
STATES = ("open", "doing", "waiting", "done")
TABLE = """
create table tasks (
    id integer primary key, board integer not null, state text not null, title text not null, due integer not null,
    estimate real not null
);
create index tasks_by_board on tasks (board);
"""
PAGE = """
select id, title, state, due, estimate from tasks where board = ? and state != 'done' order by due, id limit 20
"""
COUNTS = "select state, count(*), sum(estimate) from tasks where board = ? group by state"


def database(file: Path) -> Path:
    """The table, filled: board 7 has a thousand tasks, and an index finds them."""
    file.unlink(missing_ok=True)
    with sqlite3.connect(file) as connection:
        connection.executescript(TABLE)
        connection.executemany(
            "insert into tasks (board, state, title, due, estimate) values (?, ?, ?, ?, ?)",
            (
                (number % BOARDS, STATES[number // BOARDS % 4], f"task {number}", number * 7919 % 86_400, number % 13)
                for number in range(TASKS)
            ),
        )
    connection.close()
    return file


def listing(file: Path) -> Any:
    """The FastAPI application: a plain `def` route, which FastAPI runs in its threads, a connection for each."""
    from fastapi import FastAPI

    from benchmarks.http.variants.board import Board, Count, Task

    app, local = FastAPI(), threading.local()

    @app.get("/boards/{board}/tasks", response_model=Board)
    def tasks(board: int) -> Any:
        if not hasattr(local, "connection"):
            local.connection = sqlite3.connect(file)
        ask = local.connection.execute
        return Board(
            tasks=[
                Task(id=id, title=title, state=state, due=due, estimate=estimate)
                for id, title, state, due, estimate in ask(PAGE, (board,))
            ],
            counts=[Count(state=state, tasks=count, estimate=total) for state, count, total in ask(COUNTS, (board,))],
        )

    return app


def uncached(place: Place) -> Any:
    return listing(database(Path(place.folder) / "uncached.sqlite3"))


def cached(place: Place) -> App:
    app = listing(database(Path(place.folder) / "cached.sqlite3"))
    return CacheMiddleware(app, cache=Cache(environ={}), rules=[Rule("/boards/{board}/tasks", ttl="10m")])


VARIANTS = {
    "listing, FastAPI": Variant(uncached, ("fastapi",)),
    "listing, evercache": Variant(cached, ("fastapi",), cached="evercache;hit"),
}
