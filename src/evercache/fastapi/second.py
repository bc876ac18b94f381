"""The second route: FastAPI's own code makes the response of an endpoint whose dependencies the first one has solved."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, cast

from fastapi import BackgroundTasks, Depends
from fastapi.routing import APIRoute
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from starlette.responses import Response  # noqa: TC002 - as above

from evercache.fastapi.begun import SINCE, note_beginnings
from evercache.fastapi.deferred import CALL, Call, joined
from evercache.http.covered import Covered
from evercache.http.exchange import Exchange
from evercache.http.fast import Fast
from evercache.http.fields import values
from evercache.http.messages import replayed
from evercache.http.since import Since

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["SecondRoute", "endpoint_for"]

_AGAIN = "evercache.again"
_WITHOUT_BODY = ("GET", "HEAD")
_CONDITIONS = (b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since")
# Whatever of a route decides how the response is made.
_MAKING = (
    "response_model", "status_code", "response_class", "response_model_include", "response_model_exclude",
    "response_model_by_alias", "response_model_exclude_unset", "response_model_exclude_defaults",
    "response_model_exclude_none",
)  # fmt: skip


class SecondRoute:
    """What stands behind one route of a cached endpoint: its rule on the cache, and the way to a new response."""

    def __init__(self, covered: Covered, endpoint: Callable[..., Any], route: Any) -> None:
        self._covered = covered
        self._fast = Fast(covered)
        self._first = route  # Any: an APIRoute, or what it is after its router was included
        self._app: ASGIApp = APIRoute(
            route.path,
            endpoint,
            dependencies=[Depends(_take_over)],
            name=route.name,
            operation_id=route.unique_id,
            methods=route.methods,
            **{name: getattr(route, name) for name in _MAKING},
        ).app

    async def answer(self, call: Call, principal: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stored response, or run the endpoint of *call* and send what it returns."""
        app = functools.partial(self._run, call)
        if _AGAIN in scope:
            await app(scope, receive, send)
            return
        since: Since | None = scope.get(SINCE)
        if since is not None:
            since.close()
        if await self._fast.hit(scope, send, self._covered.person(principal)):
            return
        params = {name: str(value) for name, value in scope.get("path_params", {}).items()}
        if since is None:
            # The first request of a route of an application that was started without our lifespan.
            note_beginnings(self._first, self._covered.engine)
            await Exchange(self._covered, app, scope, receive, send, params, principal).bypass("first-request")
            return
        if scope["method"] in self._covered.rule.methods and scope["method"] not in _WITHOUT_BODY:
            try:
                receive = replayed(await call.request.body(), receive)
            except RuntimeError:
                # A form was read while it came, and the key would need all of it.
                await app(scope, receive, send)
                return
        await self._covered.answer(app, scope, receive, send, params=params, principal=principal, since=since)

    async def _run(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        """The application of the exchange: the endpoint with what was solved for it, while that lasts."""
        run = call.take()
        if run is None:
            await self._run_again(scope, receive, send)
            return
        # The endpoint sees the client's own conditions. If it says 304 to them, that is no answer to the exchange's.
        refused = _Confirmations(send) if _conditions(scope) != _conditions(call.request.scope) else None
        await self._app({**scope, CALL: (call, run)}, receive, refused or send)
        if refused is not None and refused.swallowed:
            await self._run_again(scope, receive, send)

    async def _run_again(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the whole first route: what was solved for the request isn't, or is no more, of use."""
        async with AsyncExitStack() as files:
            again = {**scope, _AGAIN: True, "fastapi_middleware_astack": files}
            await self._first.app(again, receive, send)


class _Confirmations:
    """A `send` that keeps answers of 304 back."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.swallowed = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 304:
            self.swallowed = True
        if not self.swallowed:
            await self._send(message)


def _conditions(scope: Scope) -> list[list[str]]:
    return [values(scope["headers"], name) for name in _CONDITIONS]


async def _take_over(request: Request, background: BackgroundTasks) -> None:
    """Before the endpoint runs: what closes its dependencies, and the tasks that they have added, are the second
    route's business now."""
    call, _ = request.scope[CALL]
    call.pour(request.scope)
    joined(call.background, background)
    call.background = None


def endpoint_for(function: Callable[..., Any], *, is_async: bool) -> Callable[..., Any]:
    """An endpoint that runs *function* as FastAPI would, in a thread if it is a plain one, with the values of the call
    that it finds in the scope."""

    async def run(request: Request, response: Response) -> Any:
        call, with_values = request.scope[CALL]
        returned = await with_values()
        _hand_on(call.response, response)
        return returned

    def run_plain(request: Request, response: Response) -> Any:
        call, with_values = request.scope[CALL]
        returned = with_values()
        _hand_on(call.response, response)
        return returned

    own: Any = run if is_async else run_plain
    signature = inspect.signature(own, eval_str=True)
    functools.update_wrapper(own, function)
    own.__signature__ = signature
    return cast("Callable[..., Any]", own)


def _hand_on(given: Response, own: Response) -> None:
    """Fields and status that dependencies and the endpoint have set on the response that FastAPI gave them."""
    own.headers.raw.extend(given.headers.raw)
    if given.status_code:
        own.status_code = given.status_code
