"""Without a cache: the bare callable that everything is compared with, and what frameworks make of the same answer."""

from __future__ import annotations

from typing import Any

from benchmarks.http.payload import BODY, HEADERS
from benchmarks.http.variants import App, Message, Place, Variant

__all__ = ["VARIANTS", "fastapi_model", "raw"]


def raw(*headers: tuple[bytes, bytes]) -> App:
    """The least that an ASGI application can do, with *headers* besides its own."""
    start = {"type": "http.response.start", "status": 200, "headers": [*HEADERS, *headers]}
    body = {"type": "http.response.body", "body": BODY}

    async def app(scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send(start)
            await send(body)

    return app


def starlette_prebuilt(_place: Place) -> Any:
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    async def items(_request: Any) -> Response:
        return Response(BODY, media_type="application/json")

    return Starlette(routes=[Route("/items", items)])


def fastapi_prebuilt(_place: Place) -> Any:
    from fastapi import FastAPI, Response

    app = FastAPI()

    @app.get("/items", response_class=Response)
    async def items() -> Response:
        return Response(BODY, media_type="application/json")

    return app


def fastapi_model(*decorators: Any, **options: Any) -> Any:
    """A FastAPI application with one route that returns a model, decorated from the inside out."""
    from fastapi import FastAPI

    from benchmarks.http.variants.model import LISTING, Listing

    app = FastAPI(**options)

    async def items() -> Any:
        return LISTING

    items.__annotations__["return"] = Listing
    for decorate in decorators:
        items = decorate(items)
    app.get("/items", response_model=Listing)(items)
    return app


def redis_py(place: Place) -> App:
    """The floor of whatever asks Redis once per request through redis-py: GET, then send, and nothing else."""
    from redis.asyncio import Redis

    client = Redis.from_url(place.redis)
    start = {"type": "http.response.start", "status": 200, "headers": HEADERS}

    async def app(scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = await client.get("plain")
        if body is None:
            await client.set("plain", BODY)
        await send(start)
        await send({"type": "http.response.body", "body": body or BODY})

    return app


VARIANTS = {
    "raw ASGI callable": Variant(lambda _: raw()),
    "Starlette route, prebuilt response": Variant(starlette_prebuilt, ("starlette",)),
    "FastAPI route, prebuilt response": Variant(fastapi_prebuilt, ("fastapi",)),
    "FastAPI route, Pydantic model": Variant(lambda _: fastapi_model(), ("fastapi",)),
    "FastAPI route, Pydantic model (older)": Variant(lambda _: fastapi_model(), older=True),
    "redis-py GET and send": Variant(redis_py, ("redis",)),
}
