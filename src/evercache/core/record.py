"""What L2 holds for one key: the payload, its times, and the stamps under which it was stored.

Times are milliseconds of the *server's* clock, so that no two hosts' clocks are ever compared. A record proves itself:
it is valid as long as the namespace stamp, the ban position and every tag stamp that it names are still the current
ones. Whoever stores records keeps them whole and never interprets the payload.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["NEVER_DIES", "Record"]

NEVER_DIES = 0
"""`fresh_until` and `dead_at` of an entry that never expires."""


@dataclass(slots=True)
class Record:
    """One stored entry.

    - `fill`: 16 bytes, unique for each fill; lets a reader say "I have seen this one, it is no good".
    - `namespace`, `ban`: the namespace stamp and the position in the ban list when the load began.
    - `tags` and `stamps`: as long as each other; tag ids (hashed names) and the stamps they had when the load began.
    - `born`, `fresh_until`, `dead_at`: server milliseconds; `NEVER_DIES` for the last two means for ever.
    - `load_ms`: how long the load took; early refresh needs it.
    - `schema`: 8 bytes, the fingerprint of codec and type; another one is a miss.
    - `payload`: the encoded value (in this process's own memory store, anything).
    """

    fill: bytes
    namespace: bytes
    ban: bytes
    tags: tuple[bytes, ...] = ()
    stamps: tuple[bytes, ...] = ()
    born: int = 0
    fresh_until: int = NEVER_DIES
    dead_at: int = NEVER_DIES
    load_ms: int = 0
    schema: bytes = b"\0" * 8
    payload: Any = b""  # bytes on a server; an object in the memory store

    def __repr__(self) -> str:
        """Without the payload, which may be large and is nobody's business."""
        return f"Record(fill={self.fill.hex()}, tags={self.tags}, born={self.born}, dead_at={self.dead_at})"
