"""Who is asking: what makes a request personal, and when a shared entry may still take part (RFC 9111 §3.5).

RFC 9111 speaks of `Authorization` alone, because a browser's proxy can't know what a cookie means. Inside an application
a cookie is a session more often than not, so here everything that can identify a user is a credential until the
application says otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from evercache.http.directives import Directives
from evercache.http.fields import Fields
from evercache.http.policy import Audience

__all__ = ["CREDENTIAL_FIELDS", "NO_NAMES", "NameList", "credentials_of", "may_share"]


class NameList:
    """Names, sorted out once for a look on each request; a star at the end of one stands for any rest."""

    __slots__ = ("_of_fields", "names", "prefixes")

    def __init__(self, names: Iterable[str], *, of_fields: bool = False) -> None:
        self._of_fields = of_fields
        given = [name.encode("latin-1") for name in names]
        self.names = frozenset(name for name in given if not name.endswith(b"*"))
        self.prefixes = tuple(name[:-1] for name in given if name.endswith(b"*"))

    @classmethod
    def of_fields(cls, names: Iterable[str]) -> NameList:
        """Names of header fields, in any case; cookies have one. An underscore is a hyphen to applications behind WSGI, so
        it is one here: `X_Api_Key`."""
        return cls((name.lower().replace("_", "-") for name in names), of_fields=True)

    def __contains__(self, name: bytes) -> bool:
        if self._of_fields and b"_" in name:
            name = name.replace(b"_", b"-")
        return name in self.names or name.startswith(self.prefixes)


CREDENTIAL_FIELDS = NameList.of_fields(("authorization", "proxy-authorization", "x-api-key", "x-auth-*"))
"""Fields that identify a user. `Cookie` always does, and needn't be named."""

NO_NAMES = NameList(())
_LIFTS = ("must-revalidate", "s-maxage")


def credentials_of(
    request: Fields,
    *,
    names: NameList = CREDENTIAL_FIELDS,
    harmless_cookies: NameList = NO_NAMES,
    session: bool = False,
    user: bool = False,
    certificate: bool = False,
) -> tuple[str, ...]:
    """What identifies the user of a request, by name, never by value; empty for an anonymous one.

    *harmless_cookies* are names of cookies that identify nobody (`_ga*`); a cookie header that names any other one, or
    that can't be read, is a credential. *session*, *user*, *certificate*: what the server knows besides the fields.
    """
    found: dict[str, None] = {}
    for raw, value in request:
        name = raw.lower()
        if name in names or (name == b"cookie" and not _harmless(value, harmless_cookies)):
            found[name.decode("latin-1")] = None
    if session or user or certificate:
        beside = {"session": session, "user": user, "certificate": certificate}
        found.update((name, None) for name, there in beside.items() if there)
    return tuple(found)


def may_share(credentials: Collection[str], directives: Directives, audience: Audience) -> bool:
    """Whether a request with these credentials may be answered from, or stored in, an entry with these directives."""
    if not credentials or audience is not Audience.ANYONE_ANONYMOUS:
        return True
    return directives.allows("public") or any(name in directives for name in _LIFTS)


def _harmless(cookies: bytes, names: NameList) -> bool:
    """Whether each cookie is on the list. A piece without `=` has no name that could be (RFC 6265 §4.2.1), and one with
    white space in it is two cookies to some readers: `_ga=1 session=x`."""
    pieces = [piece.strip() for piece in cookies.split(b";")]
    return all(
        b"=" in piece and piece.partition(b"=")[0] in names and len(piece.split()) == 1 for piece in pieces if piece
    )
