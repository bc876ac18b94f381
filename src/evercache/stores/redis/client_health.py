"""The health of a `RedisClient`, as a dictionary for a health endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

from evercache.stores.redis.faults import ADVICE

if TYPE_CHECKING:
    from evercache.stores.redis.client import RedisClient
    from evercache.stores.redis.client_stats import ClientError, StatsDict
    from evercache.stores.redis.pooled import Pooled

__all__ = ["Health", "Status", "report"]

Status = Literal["healthy", "degraded", "unhealthy", "unknown"]


class Health(TypedDict):
    """`since` is UTC seconds; `latency_ms` that of the PING just made; `errors` the last five."""

    status: Status
    connected: bool
    url: str
    reason: str
    advice: str
    since: float | None
    latency_ms: float | None
    connections_in_use: int
    max_connections: int
    stats: StatsDict
    errors: list[ClientError]


def report(client: RedisClient, link: Pooled, alive: bool | None, seconds: float, writes_refused: str) -> Health:
    """What is known now; *alive* is the outcome of a PING that took *seconds*, or None if none was made."""
    away = link.open_guards
    reason = away[0].reason if away else writes_refused
    return Health(
        status=_status(alive, bool(writes_refused), partly=bool(away) and link.some_answer),
        connected=bool(alive),
        url=client.url,
        reason=reason,
        advice=ADVICE.get(reason, ""),
        since=away[0].since if away else None,
        latency_ms=round(seconds * 1000, 3) if alive else None,
        connections_in_use=link.in_use,
        max_connections=client.settings.max_connections,
        stats=client.stats.to_dict(),
        errors=list(client.stats.recent_errors)[-5:],
    )


def _status(alive: bool | None, refused: bool, *, partly: bool) -> Status:
    if alive is None:
        return "unknown"
    if alive:
        return "degraded" if refused else "healthy"
    return "degraded" if partly else "unhealthy"
