"""Signing in: argon2 for passwords, a signed token for the requests after it.

A token says only who somebody is.  What they may do is looked up for every request (from the cache),
so a user who was switched off is refused at once, not when their token ends.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from examples.taskflow.db import utc_now

ALGORITHM = "HS256"


class Passwords:
    """Hashes and checks passwords, off the event loop: one hash takes tens of milliseconds by design."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._nobody: str | None = None

    def hash(self, password: str) -> str:
        """A salted argon2id hash; blocks."""
        return self._hasher.hash(password)

    async def hashed(self, password: str) -> str:
        """:meth:`hash`, in a thread."""
        return await asyncio.to_thread(self.hash, password)

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Whether *hashed* was made from *password*; takes as long for None, an unknown user."""
        return await asyncio.to_thread(self._matches, password, hashed)

    def _matches(self, password: str, hashed: str | None) -> bool:
        if hashed is None and self._nobody is None:
            self._nobody = self.hash("nobody")
        try:
            self._hasher.verify(hashed or self._nobody or "", password)
        except (VerificationError, InvalidHashError):
            return False
        return hashed is not None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Makes and reads sign-in tokens (JWT, RFC 7519)."""

    secret: str
    lifetime: timedelta = timedelta(hours=1)

    def issue(self, user_id: int) -> str:
        """A token for *user_id*, good for :attr:`lifetime`."""
        now = utc_now()
        claims = {"sub": str(user_id), "iat": now, "exp": now + self.lifetime}
        return jwt.encode(claims, self.secret, algorithm=ALGORITHM)

    def read(self, token: str) -> int | None:
        """The user id in *token*, or None if it is not ours, was changed, or is over."""
        try:
            claims = jwt.decode(token, self.secret, algorithms=[ALGORITHM], options={"require": ["sub", "exp"]})
            return int(claims["sub"])
        except (jwt.InvalidTokenError, ValueError):
            return None
