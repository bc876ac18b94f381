"""How one partition is, for people and dashboards."""

from __future__ import annotations

from dataclasses import dataclass

from evercache.stores.redis.shard import Shard

__all__ = ["PartitionHealth", "health_of"]


@dataclass(frozen=True, slots=True)
class PartitionHealth:
    """- `state`: `up`, `slow` (reads go around it), or `down`; `reason` says why, `since` is a monotonic second.
    - `address` of the server, its `run` id, commands `in_flight`; empty and 0 while it is down.
    - `writes`: why fills are refused, or empty. `leased`: whether L1 may answer.
    """

    partition: int
    state: str
    reason: str
    since: float
    address: str
    run: str
    in_flight: int
    writes: str
    leased: bool


def health_of(shard: Shard) -> PartitionHealth:
    """How *shard* is now."""
    now, link = shard.monotonic(), shard.link
    return PartitionHealth(
        partition=shard.partition,
        state="up" if shard.trusted else "slow" if shard.reason == "slow" else "down",
        reason=shard.reason,
        since=shard.since,
        address="" if link is None else str(link.address),
        run=shard.setting.run.decode(),
        in_flight=0 if link is None else link.in_flight,
        writes=shard.writes_reason if now < shard.writes_from else "",
        leased=now < shard.leased_until,
    )
