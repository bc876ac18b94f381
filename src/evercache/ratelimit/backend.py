"""Where it is counted: the contract between a limiter and what keeps the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from evercache.ratelimit.algorithms import Terms
from evercache.ratelimit.limits import Algorithm, Limit

__all__ = ["Asked", "Backend", "Counted", "asked_of"]


class Asked(NamedTuple):
    """One limit of a request, as a backend sees it."""

    name: str
    algorithm: Algorithm
    terms: Terms
    cost: int
    shadow: bool = False


class Counted(NamedTuple):
    """What came of it: *remaining* after it, *retry* and *reset* in microseconds from now."""

    allowed: bool
    remaining: int
    retry: int
    reset: int


class Backend(Protocol):
    """Counts for one identity at a time.

    - `take` is atomic over all limits: either each of them (but for shadow ones) lets it in and all have taken, or none
      has taken anything, except where denied requests count.
    - `give_back` returns what was taken under *id*; giving back twice, or what is over, does no harm beyond it.
    - Time is the store's own, the same for all processes.
    - Both raise StoreUnavailable when the store doesn't answer within its budget.
    """

    async def take(self, identity: str, asked: Sequence[Asked], id: str) -> list[Counted]: ...

    async def give_back(self, identity: str, asked: Sequence[Asked], id: str) -> None: ...


def asked_of(limit: Limit, cost: int, *, share: float = 1.0) -> Asked:
    """*limit* in numbers. *share*: the part of the quota that counts here."""
    quota = max(1, int(limit.quota * share))
    burst = quota if limit.burst is None else max(1, int(limit.burst * share))
    terms = Terms(quota, int(limit.seconds * 1_000_000), burst, limit.count_denied)
    return Asked(limit.name, Algorithm(limit.algorithm), terms, cost, limit.shadow)
