"""The connections to one server: a main one for everybody, and one for large values so that nobody waits behind them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

from evercache.config import Settings
from evercache.core.url import Address
from evercache.errors import StoreUnavailable
from evercache.stores.redis.connection import new_connection, open_connection
from evercache.stores.redis.faults import classify
from evercache.stores.redis.scripts import all_scripts
from evercache.stores.redis.wire import Submitted, Wire

__all__ = ["LARGE", "Identity", "Link", "open_wire"]

LARGE = 65_536
"""Values above this many bytes travel on their own connection."""
_LARGE_PATIENCE = 10


class Identity(NamedTuple):
    """Who answers: what names this process in this role, the role, and how many replicas follow.

    `run` is half of the run id and half of the replication id. The first is new with every process; the second also when
    a replica is promoted, so that a server that was demoted and promoted again between two connections is another one.
    """

    run: bytes
    role: bytes
    replicas: int


async def open_wire(
    address: Address,
    settings: Settings,
    *,
    budget: float,
    lost: Callable[[str], None],
    timed: Callable[[float], None] | None = None,
    pushed: Callable[[Any], None] | None = None,
) -> tuple[Wire, Identity]:
    """An open wire to a primary, and who it is. Raises what redis-py raises, or StoreUnavailable."""
    connection = new_connection(address, settings)
    await open_connection(connection, settings.connect_timeout)
    wire = Wire(connection, budget=max(budget, settings.connect_timeout), lost=lost, timed=timed, pushed=pushed)
    try:
        identity = _identity(await wire.ask("INFO", "server"), await wire.ask("INFO", "replication"))
        if identity.role != b"master":
            raise StoreUnavailable(f"{address} is a replica now; the primary is looked up again.", reason="readonly")
    except BaseException:
        await wire.aclose()
        raise
    wire.budget = budget
    return wire, identity


def _identity(*texts: bytes | str) -> Identity:
    facts: dict[bytes, bytes] = {}
    for text in texts:
        for line in (text.encode() if isinstance(text, str) else text).splitlines():
            name, _, value = line.partition(b":")
            facts[name] = value
    run = facts[b"run_id"][:20] + facts.get(b"master_replid", b"")[:20]
    return Identity(run, facts[b"role"], int(facts.get(b"connected_slaves", b"0")))


class Link:
    """Open connections to one primary. *lost* is called once, with the reason, when the main one ends."""

    def __init__(self, address: Address, settings: Settings, lost: Callable[[str], None]) -> None:
        self.address = address
        self.identity = Identity(b"", b"", 0)
        self.loop = asyncio.get_running_loop()
        self._settings = settings
        self._lost = lost
        self._main: Wire | None = None
        self._large: Wire | None = None
        self._opening: asyncio.Task[None] | None = None

    async def open(self, timed: Callable[[float], None]) -> None:
        """Connect the main wire, learn who answers, and leave the scripts there."""
        budget = self._settings.operation_timeout
        self._main, self.identity = await open_wire(
            self.address, self._settings, budget=budget, lost=self._lost, timed=timed
        )
        # What is refused here is sent whole later; an ACL may allow EVAL and not SCRIPT.
        loads = [self._main.ask("SCRIPT", "LOAD", found.source) for found in all_scripts()]
        for reply in await asyncio.gather(*loads, return_exceptions=True):
            if isinstance(reply, StoreUnavailable):
                raise reply

    @property
    def closed(self) -> str:
        """Why the link is closed; empty while it is open."""
        return "closed" if self._main is None else self._main.closed

    @property
    def in_flight(self) -> int:
        return sum(wire.in_flight for wire in (self._main, self._large) if wire is not None)

    async def make_room(self) -> None:
        """Wait until the connection for large values is open, or can't be."""
        if self._large is None or self._large.closed:
            if self._opening is None or self._opening.done():
                self._opening = asyncio.create_task(self._open_large())
            await asyncio.wait([self._opening])

    def submit(self, request: Submitted, *, large: bool = False, company: bool = False) -> None:
        """Send *request*; a large one on its own connection, if that is open already."""
        wire = self._main
        if large:
            if self._large is not None and not self._large.closed:
                wire = self._large
            elif self._opening is None or self._opening.done():
                self._opening = asyncio.create_task(self._open_large())
        if wire is None:
            raise StoreUnavailable("The connection to Redis is closed.", reason="closed")
        wire.submit(request, company=company)

    def close(self, reason: str) -> None:
        """End everything at once; `lost` is told."""
        for wire in (self._large, self._main):
            if wire is not None:
                wire.close(reason)

    async def aclose(self) -> None:
        """`close`, and wait until nothing is left."""
        try:
            if self._opening is not None:
                self._opening.cancel()
                await asyncio.gather(self._opening, return_exceptions=True)
        finally:
            for wire in (self._large, self._main):
                if wire is not None:
                    await wire.aclose()

    async def _open_large(self) -> None:
        """A second connection; if another server answers there, the first one is out of date."""
        budget = _LARGE_PATIENCE * self._settings.operation_timeout
        try:
            wire, identity = await open_wire(self.address, self._settings, budget=budget, lost=_nobody)
        except Exception as error:  # noqa: BLE001 - the table of faults decides; the main wire serves meanwhile
            if classify(error).reason == "readonly":
                self.close("readonly")
            return
        if identity.run != self.identity.run or self.closed:
            self.close("restarted")
            await wire.aclose()
            return
        if self._large is not None:
            with contextlib.suppress(OSError):
                await self._large.aclose()
        self._large = wire


def _nobody(reason: str) -> None:
    """The large wire may end by itself; the next large value opens another one."""
