"""The cookie of a session (RFC 6265bis): by default one that only this host gets, over TLS, not for scripts, and not with
requests that another site has caused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from evercache.errors import ConfigurationError

__all__ = ["Cookie"]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cookie:
    """How the cookie is called and sent.

    - With *secure*, the name gets the prefix `__Host-`, by which browsers hold its other attributes to be so.
      `secure=False` is for development over plain HTTP.
    - *same_site*: Strict, Lax (links from elsewhere arrive signed in) or None.

    Raises ConfigurationError for what browsers would refuse.
    """

    name: str = "session"
    secure: bool = True
    same_site: str = "Strict"

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.name) or self.name.startswith("__"):
            raise ConfigurationError(f"Cookie: {self.name!r} is no name for a cookie; the prefix comes by itself.")
        if self.same_site not in ("Strict", "Lax", "None") or (self.same_site == "None" and not self.secure):
            raise ConfigurationError("Cookie: same_site is 'Strict', 'Lax', or 'None' with secure.")

    @property
    def full_name(self) -> str:
        return f"__Host-{self.name}" if self.secure else self.name

    def read(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Its value in a request; None without it, or with more than one: somebody else may have set the other."""
        lines = [value.decode("latin-1") for name, value in headers if name.lower() == b"cookie"]
        pairs = [piece.partition("=") for line in lines for piece in line.split(";")]
        found = [value.strip() for name, _, value in pairs if name.strip() == self.full_name]
        return found[0] if len(found) == 1 else None

    def kept(self, value: str, max_age: int) -> bytes:
        """The field that has the browser keep *value*."""
        return f"{self.full_name}={value}; Max-Age={max_age}; {self._attributes}".encode("ascii")

    def dropped(self) -> bytes:
        """The field that has the browser forget it."""
        return f"{self.full_name}=; Max-Age=0; {self._attributes}".encode("ascii")

    @property
    def _attributes(self) -> str:
        return f"Path=/; HttpOnly; SameSite={self.same_site}" + ("; Secure" if self.secure else "")
