"""What a cache would say about its server and its options, if somebody asked: facts in, advice out.

Nothing here is an error, and nothing is decided by it. Each piece of advice has a code for machines, a sentence for
people, and says whether it can hurt (`warning`) or is worth knowing (`info`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from evercache.stores.base import ServerFacts

__all__ = ["Advice", "Facts", "advise"]

OLDEST = (6, 2)
OWN_CONNECTIONS = 3
"""The engine's connections to one server: for commands, for the log, for large values."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to know. `code` is stable; `sentence` says what it means and what to do."""

    code: str
    sentence: str
    level: Literal["warning", "info"] = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known.

    - `server`: None where there is no server, or it doesn't tell.
    - `max_memory`, `max_connections`: what the settings expect of it, in bytes and connections of each process.
    - `endless`: functions whose entries never expire. `uncovered`: those with `stale_for` and without `fail_safe`.
    """

    server: ServerFacts | None = None
    max_memory: int = 0
    max_connections: int = 0
    endless: tuple[str, ...] = ()
    uncovered: tuple[str, ...] = ()


def advise(facts: Facts) -> list[Advice]:
    """Everything there is to say about *facts*, what can hurt first."""
    said = [*_about_options(facts)]
    if facts.server is not None:
        said += [
            *_about_server(facts.server),
            *_about_memory(facts, facts.server),
            *_about_clients(facts, facts.server),
        ]
    return sorted(said, key=lambda advice: advice.level != "warning")


def _about_options(facts: Facts) -> Iterator[Advice]:
    if facts.uncovered:
        yield Advice(
            "stale_for_without_fail_safe",
            f"{_names(facts.uncovered)}: stale_for answers while a reload runs, and only until its end; when the source "
            "is down for longer, callers get its error. Add fail_safe to be covered then.",
        )


def _about_server(server: ServerFacts) -> Iterator[Advice]:
    version = tuple(int(part) for part in re.findall(r"\d+", server.version)[:2])
    if version and version < OLDEST:
        yield Advice(
            "redis_too_old",
            f"Redis {server.version} is older than 6.2, the oldest version that is tested; upgrade it.",
            "warning",
        )
    if server.role not in ("", "master"):
        yield Advice(
            "redis_is_a_replica", f"The server is a {server.role}; address the primary, or Sentinel.", "warning"
        )
    if server.replicas and server.min_replicas == 0:
        yield Advice(
            "no_min_replicas",
            "The primary has replicas and accepts writes without them: cut off from them, it would go on for readers on "
            "its side until it is demoted. Set min-replicas-to-write 1 and min-replicas-max-lag 2.",
        )


def _about_memory(facts: Facts, server: ServerFacts) -> Iterator[Advice]:
    limit, policy = server.max_memory, server.policy
    if not limit:
        yield Advice(
            "maxmemory_unlimited",
            "Redis has no maxmemory: it grows until the system ends it. Set maxmemory, and maxmemory-policy allkeys-lru.",
        )
        return
    if facts.max_memory and limit < facts.max_memory:
        yield Advice(
            "maxmemory_below_setting",
            f"Redis may use {limit} bytes, CACHE_MAX_MEMORY says {facts.max_memory}; correct one of them.",
        )
    if policy == "noeviction":
        yield Advice(
            "eviction_noeviction",
            "Redis refuses writes when it is full (maxmemory-policy noeviction): nothing new would be cached then. Set "
            "allkeys-lru or allkeys-lfu.",
            "warning",
        )
    elif policy.startswith("volatile") and facts.endless:
        yield Advice(
            "eviction_volatile_and_endless",
            f"Redis evicts only what expires ({policy}), and entries of {_names(facts.endless)} never do: they would "
            "fill it for ever. Set allkeys-lru, or give them a ttl.",
            "warning",
        )


def _about_clients(facts: Facts, server: ServerFacts) -> Iterator[Advice]:
    needed = facts.max_connections + OWN_CONNECTIONS
    if server.max_clients is not None and needed > server.max_clients:
        yield Advice(
            "connections_above_maxclients",
            f"One process may open {needed} connections and Redis admits {server.max_clients} for all of them; lower "
            "REDIS_MAX_CONNECTIONS, or raise maxclients.",
            "warning",
        )


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
