"""What a server tells about itself, for the advisor. What an ACL forbids stays unknown."""

from __future__ import annotations

from typing import Any

from evercache.stores.base import ServerFacts
from evercache.stores.redis.epoch import send
from evercache.stores.redis.link import Link
from evercache.stores.redis.scripts import Call

__all__ = ["facts_of"]


async def facts_of(link: Link) -> ServerFacts | None:
    """The facts of the server behind *link*; None if it doesn't even tell its version."""
    try:
        told = _parsed(await send(link, Call((b"INFO",), bytes)))
    except Exception:  # noqa: BLE001 - forbidden, gone, or something that only speaks like Redis: then we don't know
        return None
    replicas = int(told.get("connected_slaves", 0))
    return ServerFacts(
        version=told.get("valkey_version") or told.get("redis_version", ""),
        role=told.get("role", ""),
        max_memory=int(told.get("maxmemory", 0)),
        policy=told.get("maxmemory_policy", ""),
        replicas=replicas,
        min_replicas=await _min_replicas(link) if replicas else None,
        max_clients=int(told["maxclients"]) if "maxclients" in told else None,
    )


async def _min_replicas(link: Link) -> int | None:
    try:
        reply: Any = await send(link, Call((b"CONFIG", b"GET", b"min-replicas-to-write"), _same))
        pairs = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
        return int(pairs[b"min-replicas-to-write"])
    except Exception:  # noqa: BLE001 - as above
        return None


def _parsed(text: bytes) -> dict[str, str]:
    lines = text.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _same(reply: Any) -> Any:
    return reply
