"""A caching reverse proxy for any HTTP server: `python examples/reverse_proxy.py --origin http://127.0.0.1:8000`.

It streams both ways, and keeps what RFC 9111 lets a shared cache keep. With `--redis`, several proxies share one store.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpcore
import uvicorn

from evercache import Cache
from evercache.http import CacheMiddleware
from evercache.http.dates import format_date
from evercache.http.fields import end_to_end, has, values, without
from evercache.http.messages import Message, Receive, Send


class Origin:
    """Passes each request on and streams back what comes, except for 1xx; answers 502 or 504 if nothing comes."""

    def __init__(self, url: str, timeout: float = 60.0) -> None:
        self.url = httpcore.URL(url)
        self.extensions = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout)}
        # No connection is used twice: what an origin sends beyond its Content-Length would be the next client's response.
        self.pool = httpcore.AsyncConnectionPool(max_connections=512, max_keepalive_connections=0)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        first, uploaded = await receive(), asyncio.Event()

        async def upload(message: Message) -> AsyncIterator[bytes]:
            while message["type"] == "http.request":
                yield message.get("body", b"")
                if not message.get("more_body", False):
                    uploaded.set()
                    return
                message = await receive()
            raise ConnectionAbortedError

        async def watch() -> None:
            await uploaded.wait()
            while (await receive())["type"] != "http.disconnect":
                pass
            raise ConnectionAbortedError

        if not first.get("more_body", False):
            uploaded.set()
        content = (first.get("body") or None) if uploaded.is_set() else upload(first)
        try:
            async with asyncio.TaskGroup() as group:
                watcher = group.create_task(watch())
                await self.exchange(scope, content, send)
                watcher.cancel()
        except* ConnectionAbortedError:
            pass  # the client has left, and with it this request's connection to the origin

    async def exchange(self, scope: Message, content: AsyncIterator[bytes] | bytes | None, send: Send) -> None:
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        url = httpcore.URL(scheme=self.url.scheme, host=self.url.host, port=self.url.port, target=target)
        fields, last, started = [*scope["headers"], (b"via", b"1.1 evercache")], b"", False
        ask = self.pool.stream(scope["method"], url, headers=fields, content=content, extensions=self.extensions)
        try:
            async with ask as answer:
                fields = without(end_to_end(answer.headers), {b"content-length"} if answer.status in (204, 304) else ())
                if not has(fields, b"date"):
                    fields.append((b"date", format_date(time.time()).encode()))
                await send({"type": "http.response.start", "status": answer.status, "headers": fields})
                started, left = True, int([*values(fields, b"content-length"), "-1"][0])
                async for piece in answer.aiter_stream():
                    left -= len(piece)
                    if left:
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                    else:
                        last = piece  # it is known to be the end, and sent as such when the connection is done with
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            if started:
                raise  # the server cuts the client's connection, so that nobody takes a half for the whole
            status = 504 if isinstance(error, httpcore.TimeoutException) else 502
            await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": last})


def for_one_hop(app: Any) -> Any:
    """Before the cache looks: else `Connection: x-tenant` would leave in the key what the origin never sees."""

    async def front(scope: Message, receive: Receive, send: Send) -> None:
        chunked, hosts = has(scope["headers"], b"transfer-encoding"), (p for p in scope["headers"] if p[0] == b"host")
        dropped = {b"host", b"expect", *([b"content-length"] if chunked else [])}
        await app({**scope, "headers": [*hosts, *without(end_to_end(scope["headers"]), dropped)]}, receive, send)

    return front


async def main() -> None:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--origin", required=True, help="where the responses come from: http://127.0.0.1:8000")
    parser.add_argument("--port", type=int, default=8080, help="where this proxy listens")
    parser.add_argument("--redis", help="the store that proxies share: redis://localhost")
    parser.add_argument("--heuristic", type=float, default=0.0, help="part of the time since Last-Modified: 0.1")
    parser.add_argument("--errors", type=int, nargs="*", default=(), help="statuses that may be guessed about: 404 410")
    parser.add_argument("--harmless-cookies", nargs="*", default=(), help="names that identify nobody: _ga*")
    parser.add_argument("--cache-post", action="store_true", help="keep answers to POST that say how long they live")
    parser.add_argument("--serve-stale", help="for how long to stand in for an origin that is gone: 1h")
    parser.add_argument("--validations", type=float, default=100.0, help="how often a second clients may force one")
    given = parser.parse_args()
    strict: dict[str, Any] = {"respect_origin": True, "honor_request_cache_control": True, "server_adds_date": False}
    chosen = {"heuristic": given.heuristic, "negative": given.errors, "harmless_cookies": given.harmless_cookies}
    chosen |= {"cache_post": given.cache_post, "validations_per_second": given.validations}
    async with Cache(given.redis, namespace="proxy") as cache:
        origin = Origin(given.origin)
        app = CacheMiddleware(origin, cache=cache, serve_stale_when_unreachable=given.serve_stale, **strict, **chosen)
        bare: dict[str, Any] = {"lifespan": "off", "ws": "none", "date_header": False, "server_header": False}
        await uvicorn.Server(uvicorn.Config(for_one_hop(app), port=given.port, access_log=False, **bare)).serve()
        await origin.pool.aclose()


if __name__ == "__main__":
    asyncio.run(main())
