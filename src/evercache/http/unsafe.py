"""What a successful change makes outdated (RFC 9111 §4.4)."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from evercache.http.fields import Fields, values

__all__ = ["Target", "invalidated_targets", "is_safe"]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
_DEFAULT_PORT = {"http": ":80", "https": ":443"}


class Target(NamedTuple):
    """A resource: scheme and host in lower case, path and query as they are written."""

    scheme: str
    host: str
    path: bytes
    query: bytes

    @property
    def origin(self) -> str:
        """Scheme, host and port; a default port needn't be named (RFC 9110 §4.3.1)."""
        return f"{self.scheme}://{self.host.removesuffix(_DEFAULT_PORT.get(self.scheme, ':')).removesuffix(':')}"


def is_safe(method: str) -> bool:
    """Whether *method* is known to change nothing (RFC 9110 §9.2.1, RFC 10008 for QUERY); names have a case."""
    return method in _SAFE


def invalidated_targets(method: str, status: int, target: Target, response: Fields) -> tuple[Target, ...]:
    """The resources whose stored responses no longer hold, in all variants: the target itself, and what `Location` and
    `Content-Location` name within the same origin. Empty after a safe method or a failure."""
    if is_safe(method) or not 200 <= status <= 399:
        return ()
    found: dict[Target, None] = {target: None}
    for name in (b"location", b"content-location"):
        for reference in values(response, name):
            other = _resolved(target, reference)
            if other is not None and other.origin == target.origin:
                # The same host in the same spelling, so that it is found under the same key.
                found[other._replace(host=target.host)] = None
    return tuple(found)


def _resolved(base: Target, reference: str) -> Target | None:
    """Where *reference* leads from *base* (RFC 3986 §5); None where it leads to no HTTP resource."""
    path, query = base.path.decode("latin-1"), base.query.decode("latin-1")
    try:
        parts = urlsplit(urljoin(f"{base.scheme}://{base.host}{path}{'?' if query else ''}{query}", reference))
        target = parts.path.encode("latin-1") or b"/", parts.query.encode("latin-1")
    except ValueError:
        return None
    if parts.scheme.lower() not in _DEFAULT_PORT or not parts.netloc:
        return None
    return Target(parts.scheme.lower(), parts.netloc.rpartition("@")[2].lower(), *target)
