"""Where sessions live: the contract between sessions and what keeps them.

A session is a few fields of its own and whatever the application puts there. Each operation is atomic, and on the
store's clock. Times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from evercache.errors import EvercacheError
from evercache.sessions.token import Token

__all__ = ["Backend", "Listed", "Lives", "Record", "SessionChanged", "SessionGone", "TooLarge"]


class SessionGone(EvercacheError):
    """The session has ended since it was read: logged out, revoked, expired. It is not brought back."""


class SessionChanged(EvercacheError):
    """Somebody else has changed the session since it was read, and that was not to be."""


class TooLarge(EvercacheError):
    """The session would hold more than it may."""


class Lives(NamedTuple):
    """*idle*: how long it lives without being read. *touch*: it is not noted more often than this. *size*: bytes."""

    idle: int
    touch: int
    size: int


class Record(NamedTuple):
    """A session as it is stored. *user* and *device* are what the application sealed; *now*: when it was read; *moved*: this name is no longer
    the session's, and may only be read by for a moment yet."""

    fields: dict[bytes, bytes]
    user: bytes
    device: bytes
    created: int
    seen: int
    ends: int
    renewed: int
    version: int
    now: int = 0
    moved: bool = False


class Listed(NamedTuple):
    """One session in the list of its user's."""

    id: str
    device: bytes
    created: int
    seen: int


class Backend(Protocol):
    """Keeps sessions.

    - `load`: the session, noted as seen; None for one that isn't there, has ended, or was begun before its user's were
      revoked. A name that was left a moment ago leads to the one that replaced it.
    - `save`: changes fields of a session that is still there and raises SessionGone for one that isn't: what has ended
      is never brought back. With *expected*, raises SessionChanged for another version. TooLarge changes nothing.
    - `move`: gives a session another name; nothing can be written by the old one from then on.
    - `revoke`: ends every session in a place at once, however many there are.
    - All raise StoreUnavailable when the store doesn't answer.
    """

    async def create(
        self, token: Token, fields: Mapping[bytes, bytes], user: bytes, device: bytes, ends_in: int, lives: Lives
    ) -> None: ...

    async def load(self, token: Token, lives: Lives) -> Record | None: ...

    async def save(
        self,
        token: Token,
        changed: Mapping[bytes, bytes],
        dropped: Collection[bytes],
        lives: Lives,
        expected: int | None = None,
    ) -> int: ...

    async def move(self, old: Token, new: Token, user: bytes, lives: Lives, grace: int) -> bool: ...

    async def destroy(self, token: Token) -> None: ...

    async def revoke(self, place: str) -> None: ...

    async def listed(self, place: str) -> Sequence[Listed]: ...
