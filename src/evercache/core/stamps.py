"""Is a stored entry still what its stamps say? One function, no I/O.

A stamp is `hard/soft`. Invalidating a tag replaces the whole stamp; expiring it replaces the part behind the slash. So
equal stamps prove an entry, an equal hard part leaves it stale, anything else (missing included) is a miss. Missing
counts as invalid because a store may evict, expire or lose any key at any time.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["Proof", "compare", "soften"]


class Proof(Enum):
    """What stamps say about an entry."""

    VALID = "valid"
    EXPIRED = "expired"
    INVALID = "invalid"


def compare(stored: bytes, current: bytes | None) -> Proof:
    """How the stamp of an entry stands against the current one."""
    if stored == current:
        return Proof.VALID
    if current is None or stored.partition(b"/")[0] != current.partition(b"/")[0]:
        return Proof.INVALID
    return Proof.EXPIRED


def soften(stamp: bytes, soft: bytes) -> bytes:
    """*stamp* with another soft part."""
    return stamp.partition(b"/")[0] + b"/" + soft
