"""`Limiter`: is this let in? One question for all limits of a request.

    limiter = Limiter(RedisData("redis://localhost:6379/1"))
    login = Limit("login", 5, "15m", algorithm="log")

    verdict = await limiter.hit("ip:203.0.113.7", login)
    if not verdict: ...                                    # verdict.retry_after

Who is known to be out is refused without asking anybody. While the store doesn't answer, each limit decides as it was
told to: this process counts by itself with its share, or lets in, or refuses.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from evercache.engine.clock import SystemClock
from evercache.engine.memory import Bounded
from evercache.errors import ConfigurationError, StoreUnavailable
from evercache.ratelimit.backend import Asked, Backend, Counted, asked_of
from evercache.ratelimit.counters import Counters
from evercache.ratelimit.limits import Algorithm, Limit, OnError
from evercache.ratelimit.memory import MemoryBackend
from evercache.ratelimit.shared import SharedBackend
from evercache.ratelimit.verdict import Answer, Verdict

if TYPE_CHECKING:
    from evercache.core.clock import Clock
    from evercache.stores.base import DataStore

__all__ = ["Limiter"]

_log = logging.getLogger("evercache.ratelimit")

OUT = 100_000
"""Who is out is remembered, for so many."""


class Limiter:
    """Counts requests against limits.

    - *data*: the store that all processes share; without one, this process counts alone.
    - *instances*: how many processes there are, for the share of each while the store is away.
    - *secret*: keys the digests under which identities stand in the store. *clock*, *backend*: for tests.

    `statistics()` gives, for each limit, what was allowed, denied, only shadowed, decided here, and what failed.
    """

    def __init__(
        self,
        data: DataStore | None = None,
        *,
        instances: int = 1,
        secret: bytes = b"",
        clock: Clock | None = None,
        backend: Backend | None = None,
    ) -> None:
        if instances < 1:
            raise ConfigurationError(f"instances={instances!r}: there is at least one process.")
        self._clock = clock or SystemClock()
        self._share = 1.0 / instances
        self._local = MemoryBackend(self._clock.monotonic)
        self._backend: Backend = backend or (self._local if data is None else SharedBackend(data, secret=secret))
        self._out: Bounded[tuple[str, str], float] = Bounded(OUT)
        self._owed: Bounded[tuple[str, str], int] = Bounded(OUT)  # let in here, and not yet told to the store
        self._away = False
        self.counters = Counters()

    async def hit(self, identity: str, *limits: Limit, cost: int | None = None) -> Verdict:
        """Take *cost* (each limit's own by default) from every one of *limits*, or from none.

        Raises ConfigurationError for a cost that could never be let in.
        """
        if not limits:
            raise ConfigurationError("hit needs at least one limit.")
        id = secrets.token_hex(8)
        known = self._known_out(identity, limits, id)
        if known is not None:
            return self._counted(known)
        asked = [self._asked(limit, cost) for limit in limits]
        try:
            counted = await self._backend.take(identity, asked, id)
        except StoreUnavailable as error:
            return self._counted(self._without_store(identity, limits, cost, id, error))
        if self._away:
            self._away = False
            _log.info("limits are counted in the store again", extra={"event": "ratelimit.recovered"})
        if self._owed.items:
            await self._settle(identity, asked, counted, id)
        return self._counted(self._verdict(identity, limits, counted, id, "store"))

    async def refund(self, verdict: Verdict, cost: int | None = None) -> None:
        """Give back what *verdict* took, or *cost* of it: what was reserved and not used. Never raises because the store
        is away; then it is not given back."""
        if not verdict.allowed or verdict.source not in ("store", "local"):
            return
        asked = [self._asked(answer.limit, cost) for answer in verdict.answers if answer.allowed]
        if verdict.source == "local":
            self._local.return_to(verdict.identity, [self._here(each) for each in asked], verdict.id)
            return
        try:
            await self._backend.give_back(verdict.identity, asked, verdict.id)
        except StoreUnavailable:
            self.counters.failed([answer.limit.name for answer in verdict.answers])

    async def release(self, verdict: Verdict) -> None:
        """Leave the places that *verdict* holds in limits of concurrency; the others keep what was taken."""
        holding = [answer for answer in verdict.answers if answer.limit.algorithm is Algorithm.CONCURRENCY]
        if holding:
            await self.refund(Verdict(verdict.allowed, tuple(holding), verdict.identity, verdict.id, verdict.source))

    def statistics(self) -> dict[str, dict[str, int]]:
        """The counts of each limit, by name."""
        return self.counters.to_dict()

    # -- how it is decided ---------------------------------------------------------------------------------------

    def _asked(self, limit: Limit, cost: int | None) -> Asked:
        taken = limit.cost if cost is None else cost
        if not 1 <= taken <= limit.capacity:
            raise ConfigurationError(
                f"Limit({limit.name!r}): cost={taken!r} is not between 1 and {limit.capacity:,}: it could never be let in."
            )
        return asked_of(limit, taken)

    def _known_out(self, identity: str, limits: Sequence[Limit], id: str) -> Verdict | None:
        """The refusal of who is out for a while yet, without asking. A cheaper request may still fit, and what counts
        refusals has to hear of them."""
        now = self._clock.monotonic()
        waits = [(limit, (self._out.get((identity, limit.name)) or 0.0) - now) for limit in limits]
        answers = tuple([Answer(limit, False, 0, wait, wait) for limit, wait in waits if wait > 0.0])
        if not answers:
            return None
        return Verdict(False, answers, identity, id, "denied")

    def _verdict(
        self, identity: str, limits: Sequence[Limit], counted: Iterable[Counted], id: str, source: str
    ) -> Verdict:
        answers = tuple(
            [
                Answer(limit, each.allowed, each.remaining, each.reset / 1e6, each.retry / 1e6)
                for limit, each in zip(limits, counted, strict=True)
            ]
        )
        allowed = all(answer.allowed or answer.limit.shadow for answer in answers)
        if not allowed and source == "store":
            self._remember(identity, answers)
        return Verdict(allowed, answers, identity, id, source)

    def _remember(self, identity: str, answers: Iterable[Answer]) -> None:
        now = self._clock.monotonic()
        for answer in answers:
            limit = answer.limit
            # Of a place that is held, nobody knows when it is left; and a cheaper request may fit before a dear one.
            lasting = limit.algorithm is not Algorithm.CONCURRENCY and not limit.count_denied and limit.cost == 1
            if not answer.allowed and not limit.shadow and lasting and answer.remaining == 0:
                self._out.put((identity, limit.name), now + answer.retry_after)

    # -- without the store ---------------------------------------------------------------------------------------

    def _without_store(
        self, identity: str, limits: Sequence[Limit], cost: int | None, id: str, error: StoreUnavailable
    ) -> Verdict:
        if not self._away:
            self._away = True
            _log.warning(
                "the store for limits doesn't answer (%s); each limit goes on as it was told to",
                error.reason,
                extra={"event": "ratelimit.degraded", "reason": error.reason},
            )
        self.counters.failed([limit.name for limit in limits])
        closed = [limit for limit in limits if limit.on_error is OnError.CLOSED and not limit.shadow]
        if closed:
            answers = tuple([Answer(limit, limit not in closed, 0, 1.0, float(limit in closed)) for limit in limits])
            return Verdict(False, answers, identity, id, "closed")
        local = [limit for limit in limits if limit.on_error is OnError.LOCAL]
        if not local:
            answers = tuple([Answer(limit, True, limit.capacity, 0.0) for limit in limits])
            return Verdict(True, answers, identity, id, "open")
        asked = [self._here(self._asked(limit, cost)) for limit in local]
        verdict = self._verdict(identity, local, self._local.count(identity, asked, id), id, "local")
        for each in asked if verdict.allowed else ():
            place = identity, each.name
            self._owed.put(place, (self._owed.get(place) or 0) + each.cost)
        return verdict

    def _here(self, asked: Asked) -> Asked:
        """The same with this process's share of the quota."""
        if self._share == 1.0:
            return asked
        quota, window, burst, denied = asked.terms
        terms = type(asked.terms)(max(1, int(quota * self._share)), window, max(1, int(burst * self._share)), denied)
        return asked._replace(terms=terms, cost=min(asked.cost, terms.burst))

    async def _settle(self, identity: str, asked: Iterable[Asked], counted: Iterable[Counted], id: str) -> None:
        """Tell the store, once, what *identity* took while it was away; no more than there is left."""
        for each, now in zip(asked, counted, strict=True):
            owed = self._owed.items.pop((identity, each.name), 0)
            if taken := min(owed, now.remaining):
                with suppress(StoreUnavailable):
                    await self._backend.take(identity, [each._replace(cost=taken)], id)

    def _counted(self, verdict: Verdict) -> Verdict:
        self.counters.count(verdict)
        return verdict
