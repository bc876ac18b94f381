"""The application: ``uvicorn examples.taskflow.main:app --workers 2``."""

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from evercache.http import CacheMiddleware
from examples.taskflow import errors, health, public
from examples.taskflow.boardrooms import router as boardrooms
from examples.taskflow.cache import cache
from examples.taskflow.landing import router as landing
from examples.taskflow.lifespan import lifespan
from examples.taskflow.projects import router as projects
from examples.taskflow.settings import Settings
from examples.taskflow.tasks import router as tasks
from examples.taskflow.timing import ServerTiming
from examples.taskflow.users import router as users

DESCRIPTION = """
A task manager, and the reference application of *evercache*.

Sign in with **Authorize**, then ask for the same list twice and watch `Server-Timing`.
"""


def operation_id(route: APIRoute) -> str:
    """The function's own name, so that generated clients read well."""
    return route.name


def create_app(settings: Settings) -> FastAPI:
    """TaskFlow with *settings*; opens nothing until it is started."""
    app = FastAPI(
        title="TaskFlow",
        version="1.0.0",
        description=DESCRIPTION,
        lifespan=lifespan(settings),
        generate_unique_id_function=operation_id,
    )
    api = APIRouter(prefix="/api")
    for router in (users.auth, users.router, tasks.router, projects.router, boardrooms.router):
        api.include_router(router)
    for router in (api, health.router, landing.router):
        app.include_router(router)
    app.add_middleware(CacheMiddleware, cache=cache, rules=public.RULES, harmless_cookies=["*"])
    app.add_middleware(ServerTiming)
    errors.install(app)
    return app


app = create_app(Settings.from_environment())
