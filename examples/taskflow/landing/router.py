"""``/``: one page, one style sheet, one script; nothing from elsewhere."""

from html import escape
from pathlib import Path
from string import Template

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from evercache.fastapi import CacheDep
from examples.taskflow import seed
from examples.taskflow.services import ServicesDep

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
FILES = {"landing.css": "text/css", "landing.js": "text/javascript"}

CACHES = {
    "memory": "this process's memory",
    "healthy": "Redis",
    "degraded": "Redis (in part)",
    "down": "no Redis (it is away)",
}
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}

router = APIRouter(include_in_schema=False)


@router.get("/", response_class=HTMLResponse)
async def show_page(services: ServicesDep, cache: CacheDep) -> HTMLResponse:
    """What this is, where to go, and a place to try it."""
    known = services.settings.demo
    page = Template((HERE / "index.html").read_text()).substitute(
        username=escape(seed.DEMO_USERNAME if known else ""),
        password=escape(seed.DEMO_PASSWORD if known else ""),
        database=DATABASES[services.database.kind],
        cache=CACHES[cache.health().status],
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"})


@router.get("/landing/{name}")
async def read_file(name: str) -> Response:
    """The style sheet or the script of the page."""
    if name not in FILES:
        return Response(status_code=404)
    content = (HERE / name).read_text()
    return Response(content, media_type=FILES[name], headers={"X-Content-Type-Options": "nosniff"})
