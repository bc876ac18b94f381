"""A route that is cached behind its guards: strangers are refused although there is a response, users have their own."""

import asyncio
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, Header, HTTPException

from evercache import Cache
from evercache.fastapi import cached_route, lifespan

cache = Cache(namespace="examples")
app = FastAPI(lifespan=lifespan(cache))
made = 0


def signed_in(x_token: Annotated[str, Header()] = "") -> str:
    """Stands for a real sign-in; runs for every request, also for a hit."""
    if not x_token:
        raise HTTPException(401, "Sign in first.")
    return x_token


@app.get("/prices/{year}", dependencies=[Depends(signed_in)])
@cached_route(cache, ttl="5m", tags=["prices:{year}"], audience="public", dimensions=[])
async def prices(year: int) -> dict[str, int]:
    global made
    made += 1
    return {"year": year, "made": made}


@app.get("/me")
@cached_route(cache, ttl="5m", key_by="user")
async def me(user: Annotated[str, Depends(signed_in)]) -> str:
    return f"page of {user}"


async def show(client: httpx.AsyncClient, path: str, user: str = "") -> None:
    answer = await client.get(path, headers={"X-Token": user} if user else {})
    print(path, user or "nobody", answer.status_code, answer.text, answer.headers.get("Cache-Status", "-"))


async def main() -> None:
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://app") as client,
    ):
        for user in ("ada", "grace", ""):
            await show(client, "/prices/2026", user)
        for user in ("ada", "grace", "ada"):
            await show(client, "/me", user)
        await cache.invalidate_tags("prices:2026")
        await show(client, "/prices/2026", "ada")


if __name__ == "__main__":
    asyncio.run(main())
