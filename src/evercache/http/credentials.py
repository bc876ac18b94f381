"""Who is asking: what makes a request personal, and when a shared entry may still take part (RFC 9111 §3.5).

RFC 9111 speaks of `Authorization` alone, because a browser's proxy can't know what a cookie means. Inside an application
a cookie is a session more often than not, so here everything that can identify a user is a credential until the
application says otherwise.
"""

from __future__ import annotations

from collections.abc import Collection

from evercache.http.directives import Directives
from evercache.http.fields import Fields, folded
from evercache.http.policy import Audience

__all__ = ["CREDENTIAL_FIELDS", "credentials_of", "may_share"]

CREDENTIAL_FIELDS = (b"authorization", b"proxy-authorization", b"x-api-key", b"x-auth-*")
"""Fields that identify a user; a star at the end stands for any rest. `Cookie` always does."""

_LIFTS = ("must-revalidate", "s-maxage")


def credentials_of(
    request: Fields,
    *,
    names: Collection[bytes] = CREDENTIAL_FIELDS,
    harmless_cookies: Collection[str] = (),
    session: bool = False,
    user: bool = False,
    certificate: bool = False,
) -> tuple[str, ...]:
    """What identifies the user of a request, by name, never by value; empty for an anonymous one.

    *harmless_cookies* are names of cookies that identify nobody (`_ga*`); a cookie header that names any other one, or
    that can't be read, is a credential. *session*, *user*, *certificate*: what the server knows besides the fields.
    """
    found: dict[str, None] = {}
    for name, value in folded(request):
        if name == b"cookie":
            if not _harmless(value.decode("latin-1"), harmless_cookies):
                found["cookie"] = None
        elif any(_named(name, pattern) for pattern in names):
            found[name.decode("latin-1")] = None
    beside = {"session": session, "user": user, "certificate": certificate}
    return (*found, *(name for name, there in beside.items() if there))


def may_share(credentials: Collection[str], directives: Directives, audience: Audience) -> bool:
    """Whether a request with these credentials may be answered from, or stored in, an entry with these directives."""
    if not credentials or audience is not Audience.ANYONE_ANONYMOUS:
        return True
    return directives.allows("public") or any(name in directives for name in _LIFTS)


def _named(name: bytes, pattern: bytes) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith(b"*") else name == pattern


def _harmless(cookies: str, names: Collection[str]) -> bool:
    """Whether each cookie is on the list; a piece without `=` has no name that could be (RFC 6265 §4.2.1)."""
    pieces = [piece.strip() for piece in cookies.split(";")]
    return all(_on_list(piece, names) for piece in pieces if piece)


def _on_list(piece: str, names: Collection[str]) -> bool:
    name, equals, _ = piece.partition("=")
    if not equals:
        return False
    return any(name.startswith(known[:-1]) if known.endswith("*") else name == known for known in names)
