"""Start and stop: everything the application owns is made here, and closed here."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI

from examples.taskflow.auth import Passwords, Tokens
from examples.taskflow.db import Database
from examples.taskflow.secret import prepare, signing_secret
from examples.taskflow.services import Services
from examples.taskflow.settings import Settings
from examples.taskflow.users import service as users

logger = logging.getLogger(__name__)


def lifespan(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What FastAPI runs around the life of an application with *settings*."""

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        prepare(settings.data_dir)
        database = Database(settings.database_url)
        try:
            await database.create_tables()
            tokens = Tokens(signing_secret(settings.data_dir), timedelta(minutes=settings.token_minutes))
            app.state.services = Services(settings, database, Passwords(), tokens)
            await _make_first_user(app.state.services)
            logger.info("TaskFlow serves from %s.", database.kind)
            yield
        finally:
            await database.close()

    return run


async def _make_first_user(services: Services) -> None:
    if services.settings.admin_password:
        async with services.database.session() as db:
            await users.ensure_admin(db, services.passwords, services.settings.admin_password)
