"""The two sides of a load: the flight of the engine, which waits for a response, and the request that fetches it.

A flight begins before the application runs and ends after its response is there, so that nothing is stored that an
invalidation has overtaken. But the application is run by the request itself, in its own task and context, as without a
cache: so the loader of the flight only calls the request, and waits for what it comes back with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum

from evercache.core.flight import Flight
from evercache.engine.loading import current
from evercache.engine.solo import Solo
from evercache.errors import EvercacheError
from evercache.http.stored import Stored

__all__ = ["Lead", "Nothing", "SoloLead"]


class Nothing(Enum):
    """What a load comes back with when there is nothing to store."""

    REFUSED = "refused"  # there is a response, and it isn't for others
    FAILED = "failed"  # there is none, and a stale one will do
    ABANDONED = "abandoned"  # the request that loaded it is gone


class Lead:
    """One load. *tags*: those that every response of this request carries. *run*: what fetches it, where no request
    waits for it (a refresh)."""

    def __init__(self, tags: tuple[str, ...], run: Callable[[Lead], Awaitable[None]] | None = None) -> None:
        self.tags = tags
        self._run = run
        loop = asyncio.get_running_loop()
        self.called: asyncio.Future[bool] = loop.create_future()  # True: fetch it; False: it is there already
        self._outcome: asyncio.Future[Stored | Nothing] = loop.create_future()
        self._late: tuple[str, ...] = ()
        self._ids: tuple[bytes, ...] = ()
        self._near: tuple[bytes, ...] = ()
        self._kept = 0.0

    def watch(self, flight: Flight) -> None:
        """Know of the landing of *flight*, if it lands without a load."""
        flight.waiter.add_done_callback(self._landed)

    def _landed(self, _: object) -> None:
        if not self.called.done():
            self.called.set_result(False)

    async def load(self) -> Stored | Nothing:
        """The loader, in the task of the flight."""
        context = current()
        if not self.called.done():
            self.called.set_result(True)
        if self._run is not None:
            await self._run(self)
        outcome = await self._outcome
        if outcome is Nothing.FAILED and self._run is not None:
            raise EvercacheError("the application failed at refreshing a response; the stale one stays")
        if isinstance(outcome, Nothing):
            context.skip()
            return outcome
        context.ttl = outcome.ttl
        context.spare_for = self._kept
        context.tags(*self._late)
        context.carry(self._ids, self._near)
        return outcome

    def bring(
        self, stored: Stored, *, kept: float, tags: Iterable[str], ids: Iterable[bytes], near: Iterable[bytes]
    ) -> None:
        """Here it is. *kept*: seconds after its freshness. *tags* and *ids*: more tags, by name and by id; *near*: `Recorder.near`."""
        self._late, self._ids, self._near, self._kept = tuple(tags), tuple(ids), tuple(near), kept
        self._end(stored)

    def give_up(self, why: Nothing) -> None:
        """There is nothing to store; nothing happens after `bring`."""
        self._end(why)

    @property
    def ended(self) -> bool:
        return self._outcome.done()

    def _end(self, outcome: Stored | Nothing) -> None:
        if not self._outcome.done():
            self._outcome.set_result(outcome)


class SoloLead:
    """The same where no task waits for what the request comes back with: there is no shared store to ask."""

    ended = False

    def __init__(self, solo: Solo, tags: tuple[str, ...]) -> None:
        self._solo = solo
        self.tags = tags

    def bring(
        self, stored: Stored, *, kept: float, tags: Iterable[str], ids: Iterable[bytes], near: Iterable[bytes]
    ) -> None:
        """As `Lead.bring`."""
        if not self.ended:
            self.ended = True
            self._solo.land(stored, keep=True, ttl=stored.ttl, spare_for=kept, tags=tags, ids=ids)

    def give_up(self, why: Nothing) -> None:
        """As `Lead.give_up`."""
        if not self.ended:
            self.ended = True
            self._solo.land(why, keep=False)
