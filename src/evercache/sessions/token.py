"""The name of a session: what the browser keeps, and what of it stands in the store.

    cookie = place . secret         store = {<namespace>:s:<place>}:<digest of secret>

The secret is 256 random bits and never stands in the store: who reads the store can't become anybody. The place says in
which slot the session lies; all sessions of one user have the same one, so that they can be listed and ended together.
A client can't choose a name: one that isn't known is no session, and a new session gets a new name.
"""

from __future__ import annotations

import re
import secrets
from hashlib import sha256
from typing import NamedTuple

from evercache.core.keys import digest

__all__ = ["Token"]

_COOKIE = re.compile(r"([0-9a-f]{32})\.([A-Za-z0-9_-]{43})", re.ASCII)


class Token(NamedTuple):
    """*place* is 32 hex digits, *secret* 43 characters of base64."""

    place: str
    secret: str

    @classmethod
    def new(cls, user: str | None, key: bytes) -> Token:
        """A new name: in the place of *user*, or in one of its own. *key* keys the digest of users."""
        place = secrets.token_hex(16) if user is None else digest(b"user:" + user.encode("utf-8", "surrogatepass"), key)
        return cls(place, secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, cookie: str) -> Token | None:
        """The name in a cookie; None for what can't be one."""
        found = _COOKIE.fullmatch(cookie)
        return None if found is None else cls(found[1], found[2])

    @property
    def cookie(self) -> str:
        """What the browser keeps."""
        return f"{self.place}.{self.secret}"

    @property
    def stored(self) -> str:
        """What stands in the store instead of the secret."""
        return sha256(self.secret.encode()).hexdigest()

    @property
    def name(self) -> str:
        """Where it lies in the store; enough to find it, not to be it."""
        return f"{self.place}:{self.stored}"

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Token({self.place[:8]}…)"
