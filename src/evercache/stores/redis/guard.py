"""A breaker with its background: requests ask whether they may, one task finds out when they may again."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextvars import Context

from evercache.core.breaker import Breaker, Outcome
from evercache.errors import StoreUnavailable
from evercache.stores.redis.faults import ADVICE, Fault, classify

__all__ = ["Guard"]

_log = logging.getLogger("evercache.redis")

Probe = Callable[[str], Awaitable[None]]


class Guard:
    """Stands in front of one server.

    - `require()` raises `StoreUnavailable` at once while the server is known to be away; it never waits.
    - `failed()` with an outage starts the one background task, which probes until the server answers.
    - Each transition is logged once, with a machine-readable `code`.
    - `close()` ends the task.
    """

    def __init__(self, what: str, probe: Probe, breaker: Breaker | None = None) -> None:
        self.what = what
        self.reason = ""
        self.since = time.time()
        self._probe = probe
        self._breaker = Breaker() if breaker is None else breaker
        self._watch: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Is the server known to be away?"""
        return self._breaker.state != "closed"

    def require(self) -> None:
        """Return if requests may pass; else raise, at once."""
        if not self._breaker.allows(time.monotonic()):
            raise StoreUnavailable(
                f"Redis at {self.what} is away ({self.reason}). {ADVICE.get(self.reason, '')}", reason=self.reason
            )

    def succeeded(self, began: float) -> None:
        """The server answered a call that began at *began* (monotonic)."""
        self._move(self._breaker.after("ok", time.monotonic(), began=began))

    def failed(self, fault: Fault, began: float) -> None:
        """A call that began at *began* met *fault*. Only outages count."""
        if fault.is_outage and not self.is_open:
            self._move(self._breaker.after(_outcome(fault), time.monotonic(), began=began), fault.reason)

    def retire(self) -> None:
        """The server is no longer one of ours; nobody has to wait for it."""
        self._breaker = Breaker()
        _log.warning("Redis at %s is no longer a primary.", self.what, extra={"code": "redis_primary_changed"})

    async def close(self) -> None:
        """End the background task; the guard may be used again."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None

    def _move(self, following: Breaker, reason: str = "") -> None:
        was_open, since = self.is_open, self.since
        self._breaker = following
        if self.is_open == was_open:
            return
        self.since, self.reason = time.time(), reason
        if self.is_open:
            _log.warning(
                "Redis at %s is away (%s); calls go on without it until a probe succeeds. %s",
                *(self.what, reason, ADVICE.get(reason, "")),
                extra={"code": "redis_down", "address": self.what, "reason": reason},
            )
            # An empty context: this task outlives the request that happened to find out.
            self._watch = asyncio.get_running_loop().create_task(self._until_back(), context=Context())
        else:
            _log.warning(
                "Redis at %s answers again after %.1f s.",
                *(self.what, self.since - since),
                extra={"code": "redis_up", "address": self.what, "away_seconds": round(self.since - since, 3)},
            )

    async def _until_back(self) -> None:
        while self.is_open:
            await asyncio.sleep(max(0.0, self._breaker.probe_at - time.monotonic()))
            self._breaker = self._breaker.probing(time.monotonic())
            fault = await self._tried()
            if fault is not None and fault.is_outage:
                self.reason = fault.reason
                spread = random.random()  # noqa: S311 - no secret
                self._breaker = self._breaker.after(_outcome(fault), time.monotonic(), spread=spread)
            else:
                self._move(self._breaker.after("ok", time.monotonic()))

    async def _tried(self) -> Fault | None:
        try:
            await self._probe(self.reason)
        except Exception as error:  # noqa: BLE001 - classified: only an outage means "not yet"
            return classify(error)
        return None


def _outcome(fault: Fault) -> Outcome:
    return "permanent" if fault.kind == "permanent" else "transient"
