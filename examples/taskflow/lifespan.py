"""Start and stop: what the application owns is opened here, and closed here."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI

from evercache.fastapi import lifespan as cached_lifespan
from examples.taskflow import seed
from examples.taskflow.auth import Passwords, Tokens
from examples.taskflow.cache import cache
from examples.taskflow.db import database
from examples.taskflow.migrations.upgrade import upgrade
from examples.taskflow.projects.warming import CacheWarmingService
from examples.taskflow.secret import prepare, signing_secret
from examples.taskflow.services import Services
from examples.taskflow.settings import Settings
from examples.taskflow.users import service as users

logger = logging.getLogger(__name__)


def lifespan(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What FastAPI runs around the life of an application with *settings*, the cache included."""

    @asynccontextmanager
    async def serve(app: FastAPI) -> AsyncIterator[None]:
        prepare(settings.data_dir)
        async with database.opened(settings.database_url):
            await database.prepare(upgrade)
            tokens = Tokens(signing_secret(settings.data_dir), timedelta(minutes=settings.token_minutes))
            app.state.services = services = Services(settings, database, Passwords(), tokens)
            await _fill(services)
            async with CacheWarmingService(settings.warming) as app.state.warming:
                logger.info("TaskFlow serves from %s; its cache is %s.", database.kind, cache.health().status)
                yield

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        # Where nobody has configured logging (uvicorn configures only its own), start and stop are said all the same.
        logging.basicConfig(level=logging.INFO, format="%(levelname)s:     %(message)s")
        logging.getLogger("alembic").setLevel(logging.WARNING)  # at every start it says which database it found
        async with cached_lifespan(cache, serve)(app):
            yield

    return run


async def _fill(services: Services) -> None:
    settings = services.settings
    filled = settings.demo and await seed.seed(services.database, services.passwords)
    if settings.admin_password:
        async with services.database.session() as db:
            filled |= await users.ensure_admin(db, services.passwords, settings.admin_password)
    if filled:
        # A new database behind an old Redis: whatever is cached there is about another one.
        await cache.invalidate_all()
