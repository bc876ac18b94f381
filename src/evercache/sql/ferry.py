"""A read that runs in the cache's loop, with a load that runs where its caller stands.

A session belongs to one thread, one task, one greenlet, and the load of a query needs it. So the read goes over to the
loop and, if it has to be loaded, calls back: the caller's own code runs the statement, on the caller's own connection,
and sends the rows over. Whoever only joins a load, or finds an answer, never touches its session at all.

*wait* is how the caller waits for the loop: `await_only` inside SQLAlchemy's greenlet, a portal from a plain thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["carry"]

T = TypeVar("T")
Load = Callable[[], Coroutine[Any, Any, Any]]
Wait = Callable[[Coroutine[Any, Any, Any]], Any]

_ASKED = object()


class _Trip:
    """One read on its way. All methods run in the loop of the cache."""

    def __init__(self, read: Callable[[Load], Coroutine[Any, Any, Any]]) -> None:
        self._read = read
        self._task: asyncio.Task[Any] | None = None
        self._asks: asyncio.Queue[asyncio.Future[Any]] = asyncio.Queue()
        self._open: asyncio.Future[Any] | None = None

    async def begin(self) -> Any:
        """What was read, or _ASKED if it has to be loaded."""
        self._task = asyncio.create_task(self._read(self._load))
        return await self._next(self._task)

    async def answer(self, value: Any) -> Any:
        """What was loaded goes in; the rest as `begin`."""
        self._settle(lambda future: future.set_result(value))
        assert self._task is not None  # noqa: S101 - begun
        return await self._next(self._task)

    async def fail(self, error: BaseException) -> None:
        """The load failed, or its caller was cancelled; the error is the caller's to raise, others load for themselves."""
        task = self._task
        if isinstance(error, Exception):
            self._settle(lambda future: future.set_exception(error))
        elif task is not None:
            task.cancel()
        if task is not None:
            await asyncio.wait((task,))
            if not task.cancelled():
                task.exception()  # the same error; nobody else is to hear of it
        self._drop()

    async def _load(self) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asks.put_nowait(future)
        return await future

    async def _next(self, task: asyncio.Task[Any]) -> Any:
        asked = asyncio.create_task(self._asks.get())
        try:
            await asyncio.wait((task, asked), return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            task.cancel()
            raise
        finally:
            if not asked.done():
                asked.cancel()
        if task.done():
            if asked.done() and not asked.cancelled():
                asked.result().cancel()
            self._drop()
            return task.result()
        self._open = asked.result()
        return _ASKED

    def _settle(self, tell: Callable[[asyncio.Future[Any]], object]) -> None:
        future, self._open = self._open, None
        if future is not None and not future.done():
            tell(future)

    def _drop(self) -> None:
        """A load that nobody will run any more: who waits for it must not wait for ever."""
        self._settle(lambda future: future.cancel())
        while not self._asks.empty():
            self._asks.get_nowait().cancel()


def carry(read: Callable[[Load], Coroutine[Any, Any, T]], work: Callable[[], Any], wait: Wait) -> T:
    """What `read(load)` returns, where each `load()` is answered by *work*, called here."""
    trip: list[_Trip] = []

    async def begin() -> Any:
        trip.append(_Trip(read))
        return await trip[0].begin()

    step = wait(begin())
    while step is _ASKED:
        try:
            value = work()
        except BaseException as error:
            wait(trip[0].fail(error))
            raise
        step = wait(trip[0].answer(value))
    result: T = step
    return result
