"""Believable data, the same every time: 200 people, 20,000 tasks, 5,000 projects and all that belongs to them, in bulk."""

import logging
import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from time import perf_counter
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from examples.taskflow.auth import Passwords
from examples.taskflow.db import Base, Database, utc_now
from examples.taskflow.projects.models import Project
from examples.taskflow.projects.rows import PARTS, part_rows, project_rows
from examples.taskflow.tasks.models import Task, TaskAssignment, TaskStatus
from examples.taskflow.users.models import Role, User

DEMO_USERNAME = "ada"
ADMIN_USERNAME = "admin"
DEMO_PASSWORD = "taskflow-demo"

logger = logging.getLogger(__name__)

USERS = 200
TASKS = 20_000
PROJECTS = 5_000
CHUNK = 2_000


def listed(text: str) -> list[str]:
    """The parts of *text* between commas."""
    return [part.strip() for part in text.split(",")]


FIRST = listed(
    "ada, ben, chloe, dan, eva, finn, grace, hugo, iris, jon, kate, leo, maya, noah, olga, paul, rosa, sam, tess, uma"
)
LAST = listed("adams, brandt, cruz, diaz, evans, frank, green, hansen, ito, jones")
ACTS = listed("Review, Draft, Fix, Update, Test, Plan, Deploy, Measure, Document, Remove, Translate, Migrate")
THINGS = listed(
    "the billing export, the sign-in page, the weekly report, the search index, the onboarding mail, the mobile menu, "
    "the backup job, the price list, the audit log, the help centre, the release notes, the data model"
)
PLACES = listed(
    "for the spring release, for customer support, for the Berlin office, before the audit, with the new design"
)
DETAILS = (
    "Agreed in Monday's meeting.",
    "Customers ask for it about twice a week.",
    "The old version stays until the end of the quarter.",
    "Numbers first: measure before and after.",
    "Ask the data team before anything is deleted.",
    "Small steps, each with its own test.",
)
WEIGHTS = {TaskStatus.TODO: 40, TaskStatus.IN_PROGRESS: 20, TaskStatus.DONE: 35, TaskStatus.CANCELLED: 5}

Row = dict[str, Any]  # Any: a column holds what its type says


async def seed(
    database: Database, passwords: Passwords, *, users: int = USERS, tasks: int = TASKS, projects: int = PROJECTS
) -> bool:
    """Fills an empty database and says True; leaves one that has users as it is, and says False."""
    started = perf_counter()
    hashed = await passwords.hashed(DEMO_PASSWORD)
    async with database.engine.begin() as connection:
        if await connection.scalar(select(User.id).limit(1)) is not None:
            return False
        dice, now = random.Random(2024), utc_now().replace(microsecond=0)
        user_ids = await _store(connection, User, user_rows(users, hashed, now))
        task_ids = await _store(connection, Task, task_rows(dice, user_ids, tasks, now))
        await _insert(connection, TaskAssignment, assignment_rows(dice, user_ids, task_ids, now))
        project_ids = await _store(connection, Project, project_rows(dice, user_ids, projects, now))
        for kind in PARTS:
            await _insert(connection, kind, part_rows(dice, kind, project_ids, now))
    spent = perf_counter() - started
    logger.info("Made %d users, %d tasks and %d projects in %.1f s.", users, tasks, projects, spent)
    return True


async def _insert(connection: AsyncConnection, model: type[Base], rows: Iterator[Row]) -> None:
    for chunk in chunks(rows):
        await connection.execute(insert(model), chunk)


async def _store(connection: AsyncConnection, model: type[User | Task | Project], rows: Iterator[Row]) -> Sequence[int]:
    await _insert(connection, model, rows)
    # Asked for, not assumed: PostgreSQL does not count from 1 again after a seed that was interrupted.
    return (await connection.scalars(select(model.id).order_by(model.id))).all()


def chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """*rows* in lists that one statement takes."""
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def user_rows(number: int, hashed: str, now: datetime) -> Iterator[Row]:
    """The demo user, the administrator, and people with made-up names; all with one password."""
    # One hash for everybody: 200 honest ones would take longer than everything else together.
    people = [f"{first}.{last}" for last in LAST for first in FIRST]
    for index, username in enumerate([DEMO_USERNAME, ADMIN_USERNAME, *people][:number]):
        yield {
            "username": username,
            "email": f"{username}@taskflow.example",
            "hashed_password": hashed,
            "is_active": True,
            "role": Role.ADMIN if username == ADMIN_USERNAME else Role.MEMBER,
            "created_at": now - timedelta(days=400 - index),
        }


def task_rows(dice: random.Random, user_ids: Sequence[int], number: int, now: datetime) -> Iterator[Row]:
    """Tasks of the last half year, due around now."""
    for _ in range(number):
        created = now - timedelta(minutes=dice.randrange(180 * 24 * 60))
        due = created + timedelta(days=dice.randrange(3, 200)) if dice.random() < 0.8 else None
        yield {
            "owner_id": dice.choice(user_ids),
            "title": f"{dice.choice(ACTS)} {dice.choice(THINGS)} {dice.choice(PLACES)}",
            "description": " ".join(dice.sample(DETAILS, 3)),
            "status": dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0],
            "due_date": due,
            "created_at": created,
            "updated_at": created,
        }


def assignment_rows(
    dice: random.Random, user_ids: Sequence[int], task_ids: Sequence[int], now: datetime
) -> Iterator[Row]:
    """No, one, two or three people for each task."""
    for task_id in task_ids:
        for user_id in dice.sample(user_ids, dice.randrange(4)):
            yield {"task_id": task_id, "user_id": user_id, "assigned_at": now - timedelta(hours=dice.randrange(2000))}
