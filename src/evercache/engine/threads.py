"""Running plain functions beside the loop, each in a thread of its own.

Not `asyncio.to_thread`: its pool has few threads (six on two cores), and a cached function that calls another cached
function holds one while it waits for the next. Six such calls at once would wait for each other for ever. A thread costs
some 50 µs, which no load notices, and there are never more of them than callers who wait and refreshes behind them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

__all__ = ["in_thread"]

R = TypeVar("R")


async def in_thread(function: Callable[..., R], *arguments: Any) -> R:
    """What *function* returns or raises, called in a new thread with the context of the caller.

    Cancelling the wait leaves the thread alone; what it returns then is nobody's.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[R] = loop.create_future()
    context = copy_context()

    def run() -> None:
        try:
            result = context.run(function, *arguments)
        except StopIteration as error:  # a future refuses it, and its waiter would wait for ever
            wrapped = RuntimeError("a cached function raised StopIteration")
            wrapped.__cause__ = error
            report(future.set_exception, wrapped)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to who waits
            report(future.set_exception, error)
        else:
            report(future.set_result, result)

    def report(tell: Callable[[Any], None], what: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, tell, what)

    def settle(tell: Callable[[Any], None], what: object) -> None:
        if not future.done():
            tell(what)

    threading.Thread(target=run, name="evercache-load").start()
    return await future
