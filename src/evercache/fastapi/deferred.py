"""A response that is made while it is sent, and what FastAPI had solved for it.

Dependencies with `yield` are closed by stacks in the scope: those of the request after the response has been sent, those
of the function before. On a miss, the second route runs the endpoint and has stacks of its own; ours are poured into
them, so that a dependency is closed when it would have been, and sees the exceptions that it would have seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from starlette.background import BackgroundTask, BackgroundTasks
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations of solved
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from evercache.fastapi.second import SecondRoute

__all__ = ["CALL", "Call", "Deferred", "solved"]

CALL = "evercache.call"
"""Where the second route finds the call that it runs, in the scope."""
_REQUEST_STACK, _FUNCTION_STACK = "fastapi_inner_astack", "fastapi_function_astack"


class Call:
    """One request of a cached route after FastAPI has solved it: its own request and sub-response, with what
    dependencies have put there."""

    __slots__ = ("background", "function_stack", "request", "response", "run", "task")

    def __init__(self, request: Request, response: Response) -> None:
        self.request = request
        self.response = response
        self.run: Callable[[], Any] | None = None
        self.task = asyncio.current_task()
        self.background: BackgroundTask | None = None
        self.function_stack = AsyncExitStack()

    def begin(self, run: Callable[[], Any]) -> None:
        """*run* is the endpoint with its values."""
        self.run = run
        request_stack, function_stack = (self.request.scope.get(name) for name in (_REQUEST_STACK, _FUNCTION_STACK))
        if isinstance(request_stack, AsyncExitStack) and isinstance(function_stack, AsyncExitStack):
            # FastAPI is about to close it, as if the endpoint had run.
            self.function_stack = function_stack.pop_all()
            request_stack.push_async_exit(self.function_stack)

    def take(self) -> Callable[[], Any] | None:
        """The endpoint with its values, once, and only in the task that has solved them: what they have opened may not
        be closed in another."""
        if asyncio.current_task() is not self.task:
            return None
        run, self.run = self.run, None
        return run

    def pour(self, scope: Scope) -> None:
        """Move what closes the dependencies into the stacks of *scope*."""
        for name, outer in (
            (_REQUEST_STACK, self.request.scope.get(_REQUEST_STACK)),
            (_FUNCTION_STACK, self.function_stack),
        ):
            inner = scope.get(name)
            if isinstance(inner, AsyncExitStack) and isinstance(outer, AsyncExitStack):
                inner.push_async_exit(outer.pop_all())


async def solved(request: Request, response: Response) -> Call:
    """A dependency that depends on nothing else: whatever FastAPI has at hand for the endpoint."""
    return Call(request, response)


class Deferred(Response):
    """What the stand-in returns. Fields that are set on it, by a custom route class, are sent with the response."""

    def __init__(self, call: Call, second: SecondRoute, run: Callable[[], Any], principal: str | None) -> None:
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self.body = b""
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self._call = call
        self._second = second
        self._principal = principal
        call.begin(run)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self._call
        call.background = self.background
        if self.raw_headers:
            send = _with_fields(self.raw_headers, send)
        await self._second.answer(call, self._principal, scope, receive, send)
        # The endpoint's own tasks are among them if it has run, and then they have run, too.
        if call.background is not None:
            await call.background()


def _with_fields(fields: list[tuple[bytes, bytes]], send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            replaced = {name for name, _ in fields if name != b"set-cookie"}
            kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in replaced]
            message = {**message, "headers": [*kept, *fields]}
        await send(message)

    return sending


def joined(tasks: BackgroundTask | None, own: BackgroundTasks) -> None:
    """Let *own* run *tasks*, and what is added to them."""
    if isinstance(tasks, BackgroundTasks):
        own.tasks = tasks.tasks
    elif tasks is not None:
        own.tasks.append(tasks)
