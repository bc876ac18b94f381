"""``/health``: whether this process serves, and how well each thing it stands on does."""

import logging
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from evercache import Cache
from evercache.fastapi import CacheDep
from examples.taskflow.db import Database
from examples.taskflow.services import ServicesDep

logger = logging.getLogger(__name__)
router = APIRouter(tags=["health"])

Status = Literal["healthy", "degraded", "down"]


class Component(BaseModel):
    """One thing the application stands on."""

    status: Status
    kind: str
    detail: str | None = None


class Health(BaseModel):
    """The application is down when its database is; without its cache it is degraded, and serves."""

    status: Status
    components: dict[str, Component]


@router.get("/health", responses={503: {"model": Health}})
async def read_health(services: ServicesDep, cache: CacheDep, response: Response) -> Health:
    """200 while requests can be served, 503 if not."""
    components = {"database": await database_health(services.database), "cache": cache_health(cache)}
    statuses = {part.status for part in components.values()}
    status: Status = "healthy" if statuses == {"healthy"} else "degraded"
    if components["database"].status == "down":
        status = "down"
    response.status_code = 503 if status == "down" else 200
    response.headers["Cache-Control"] = "no-store"
    return Health(status=status, components=components)


async def database_health(database: Database) -> Component:
    """Whether the database answers now."""
    try:
        await database.ping()
    except (SQLAlchemyError, OSError) as error:
        logger.warning("The database did not answer: %r", error)
        return Component(status="down", kind=database.kind, detail="The database did not answer.")
    return Component(status="healthy", kind=database.kind)


def cache_health(cache: Cache) -> Component:
    """How the cache is; asks nobody.  Without its Redis the application is degraded, not down."""
    health = cache.health()
    if health.status == "memory":
        return Component(status="healthy", kind="memory", detail="No REDIS_URL: entries live in this process only.")
    return Component(status=health.status, kind="redis", detail=health.reason or None)
