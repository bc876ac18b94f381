"""One request against limits that count different things: the address, the user, everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evercache.ratelimit.limiter import Limiter
from evercache.ratelimit.limits import Limit
from evercache.ratelimit.verdict import Verdict

__all__ = ["admit", "refused", "release"]


async def admit(
    limiter: Limiter, scope: Mapping[str, Any], limits: Sequence[Limit], *, cost: int | None = None
) -> list[Verdict]:
    """The verdict of each who is counted. Limits of one identity are asked together; if a later one refuses, what the
    earlier ones took is given back."""
    asked: dict[str, list[Limit]] = {}
    for limit in limits:
        identity = "everybody" if limit.key is None else limit.key(scope)
        if identity is not None:
            asked.setdefault(identity, []).append(limit)
    verdicts: list[Verdict] = []
    for identity, theirs in asked.items():
        verdict = await limiter.hit(identity, *theirs, cost=cost)
        if not verdict.allowed:
            for before in verdicts:
                await limiter.refund(before)
            return [*verdicts, verdict]
        verdicts.append(verdict)
    return verdicts


def refused(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The verdict that refuses, if one does."""
    return next((verdict for verdict in verdicts if not verdict.allowed), None)


async def release(limiter: Limiter, verdicts: Sequence[Verdict]) -> None:
    """Leave the places that are held, at the end of the request."""
    for verdict in verdicts:
        if verdict.allowed:
            await limiter.release(verdict)
