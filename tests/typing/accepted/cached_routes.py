"""A cached route keeps the type of its function, async or not."""

from __future__ import annotations

from typing import assert_type

from fastapi import FastAPI, Request

from evercache import Cache
from evercache.fastapi import cached_route
from evercache.http.views import Request as Seen
from evercache.http.views import Response

cache = Cache(namespace="typing")
app = FastAPI()


def whose(request: Request) -> int | None:
    """The user, as some dependency has left him."""
    found: int | None = request.state.user
    return found


def tags(request: Seen, response: Response) -> list[str]:
    return [f"{request.method} {response.status}"]


@app.get("/one/{id}")
@cached_route(cache, ttl="5m", tags=["one:{id}"], key_by=whose, stale_while_revalidate=30)
async def one(id: int, *, lang: str = "en") -> list[str]:
    return [f"{id}{lang}"]


@app.get("/plain")
@cached_route(cache, ttl=60, tags=tags, audience="public", negative=[404], max_body="2MiB")
def plain(limit: int = 3) -> dict[str, int]:
    return {"limit": limit}


async def calls() -> None:
    """Called as they are written."""
    assert_type(await one(1, lang="de"), list[str])
    assert_type(plain(limit=1), dict[str, int])
