"""One connection that carries everybody's commands: written in bunches, answered in order, watched by one timer.

redis-py resolves, connects, encrypts and authenticates; then its transport is handed to `Wire`, a `asyncio.Protocol`.
A connection per command in flight (the usual pool) costs 35 µs of this process a command; this costs 2-4 and needs no
pool that can be exhausted.

- *Bunches.* What is submitted in one turn of the loop leaves in one write. A command that comes alone to an idle wire
  leaves at once: waiting for company would cost it a turn.
- *One timer.* Replies come in order, so the oldest unanswered command is the only one that can be overdue. If it is, the
  reply stream is worthless for all behind it: everything in flight fails and the wire closes, once.
- *A late timer proves nothing.* If this process stood still, the replies may lie in the socket; the timer then gives the
  reader a turn before it decides.
- *A cancelled caller* keeps its place in the queue; its reply is read and dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, cast

import hiredis
from redis.asyncio.connection import AbstractConnection, DefaultParser
from redis.exceptions import InvalidResponse

from evercache.errors import StoreOverloaded, StoreUnavailable
from evercache.stores.redis.scripts import Part

__all__ = ["BOUND", "Single", "Submitted", "Wire"]

BOUND = 16_384
"""Commands waiting on one wire; more are refused with StoreOverloaded."""
_LATE = 0.02
_PATIENCE = 10


class Submitted(Protocol):
    """Something that waits for one reply. `parts` is asked at the moment of writing, so that it may grow until then."""

    sent: float
    size: int  # how many callers it answers

    def parts(self) -> tuple[Part, ...]: ...

    def answered(self, reply: Any) -> None:  # Any: whatever the server replies, errors included
        ...

    def failed(self, error: StoreUnavailable) -> None: ...


class Single:
    """One command with one waiter: a future with the undecoded reply. An error reply is its exception."""

    __slots__ = ("_parts", "future", "sent", "size")

    def __init__(self, parts: tuple[Part, ...], future: asyncio.Future[Any]) -> None:
        self._parts = parts
        self.future = future
        self.sent = 0.0
        self.size = 1

    def parts(self) -> tuple[Part, ...]:
        return self._parts

    def answered(self, reply: Any) -> None:
        if self.future.done():
            return
        if isinstance(reply, Exception):
            self.future.set_exception(reply)
        else:
            self.future.set_result(reply)

    def failed(self, error: StoreUnavailable) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Wire(asyncio.Protocol):
    """An open connection.

    - `submit()` never blocks; raises StoreOverloaded beyond `BOUND`, StoreUnavailable once the wire is closed.
    - *budget*: seconds until an unanswered command closes the wire.
    - *lost* is called once, with the reason; *timed* with the seconds that the first reply of each bunch took.
    """

    def __init__(
        self,
        connection: AbstractConnection,
        *,
        budget: float,
        lost: Callable[[str], None],
        timed: Callable[[float], None] | None = None,
        pushed: Callable[[Any], None] | None = None,
    ) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self.budget = budget
        self._lost = lost
        self._timed = timed
        self._pushed = pushed
        self._waiting: list[Submitted] = []  # not yet written
        self._flying: deque[Submitted] = deque()  # written, not yet answered
        self._bunch = 1  # how many left with the last write
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._streaming = 0.0  # when a piece of an unfinished reply came last
        self.closed = ""
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=DefaultParser.parse_error, notEnoughData=_NOTHING
        )
        # The one look inside redis-py: the transport it has opened. `disconnect` closes whatever is there.
        writer = cast("asyncio.StreamWriter", connection._writer)
        self._transport = cast("asyncio.Transport", writer.transport)
        self._transport.set_protocol(self)

    @property
    def in_flight(self) -> int:
        return len(self._flying) + len(self._waiting)

    # -- sending -----------------------------------------------------------------------------------------------------

    def submit(self, request: Submitted, *, company: bool = False) -> None:
        """Send *request* with everything else of this turn; with *company* even the first one waits for the others."""
        if self.closed:
            raise StoreUnavailable("The connection to Redis is closed.", reason=self.closed)
        waiting = self._waiting
        if len(self._flying) + len(waiting) >= BOUND:
            raise StoreOverloaded(
                f"{BOUND} commands wait for Redis already; this one was not sent. Lower the concurrency, or add a server.",
                reason="overloaded",
            )
        waiting.append(request)
        if len(waiting) == 1:
            if self._bunch == 1 and not self._flying and not company:
                self._flush()
            else:
                self._loop.call_soon(self._flush)

    def ask(self, *parts: Part) -> asyncio.Future[Any]:
        """Send a plain command, in one write with those asked in the same turn; the future has its reply."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self.submit(Single(parts, future), company=True)
        return future

    def _flush(self) -> None:
        if self.closed or not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        now = self._loop.time()
        pack: Callable[[tuple[Part, ...]], bytes] = cast("Any", hiredis.pack_command)  # its stub is too narrow
        data: list[bytes] = []
        for request in waiting:
            request.sent = now
            data.append(pack(request.parts()))
        self._flying.extend(waiting)
        self._bunch = sum([request.size for request in waiting])
        self._transport.write(data[0] if len(data) == 1 else b"".join(data))
        if self._timer is None:
            self._watch(now + self.budget)

    # -- receiving ---------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        reader, flying = self._reader, self._flying
        reader.feed(data)
        first = flying[0] if flying else None
        complete = False
        try:
            while (reply := reader.gets(False)) is not _NOTHING:
                if isinstance(reply, hiredis.PushNotification):
                    if self._pushed is not None:
                        self._pushed(reply)
                    continue
                complete = True
                if not flying:
                    self.close("protocol")
                    return
                flying.popleft().answered(reply)
        except InvalidResponse:
            self.close("not_redis")
            return
        if complete:
            self._streaming = 0.0
            if self._timed is not None and first is not None:
                self._timed(self._loop.time() - first.sent)
        else:
            self._streaming = self._loop.time()

    def eof_received(self) -> None:
        self.close("closed")

    def connection_lost(self, exc: Exception | None) -> None:
        self.close("closed")

    # -- the watchdog ------------------------------------------------------------------------------------------------

    def _watch(self, due: float) -> None:
        self._due = due
        self._timer = self._loop.call_at(due, self._check)

    def _check(self) -> None:
        self._timer = None
        if self.closed or not self._flying:
            return
        now = self._loop.time()
        deadline = self._deadline()
        if now < deadline:
            self._watch(deadline)
        elif now - self._due > _LATE:
            # This process stood still, not Redis. A timer, not call_soon: timers run after the sockets were read.
            self._watch(now + _LATE / 4)
        else:
            self.close("timeout")

    def _deadline(self) -> float:
        """When the oldest command is overdue; a large reply that is still coming in may take longer."""
        sent = self._flying[0].sent
        if self._streaming > sent:
            return min(self._streaming + self.budget, sent + _PATIENCE * self.budget)
        return sent + self.budget

    # -- the end -----------------------------------------------------------------------------------------------------

    def close(self, reason: str = "closed") -> None:
        """Fail everything that waits, close the connection, say so once."""
        if self.closed:
            return
        self.closed = reason
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.abort()
        requests = [*self._flying, *self._waiting]
        self._flying.clear()
        self._waiting.clear()
        for request in requests:
            request.failed(StoreUnavailable(f"Redis did not answer ({reason}).", reason=reason))
        self._lost(reason)

    async def aclose(self) -> None:
        """`close`, and let redis-py forget the connection too."""
        self.close()
        await self._connection.disconnect(nowait=True)


class _Nothing:
    """What hiredis says instead of a reply that isn't complete."""


_NOTHING = _Nothing()
