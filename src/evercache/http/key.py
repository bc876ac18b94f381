"""The key of a response: everything that chose it, and nothing that a client can smuggle in (RFC 9111 §2).

In this process the key is the tuple itself, so that two requests share an entry only if all of its parts are equal. In
Redis it is a digest with a secret over the parts and their lengths: no separator to inject, nobody's data in the clear.
`X-Forwarded-*`, `X-HTTP-Method-Override`, `X-Original-URL` are no parts; an application that reads one of them declares
it as a dimension.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from evercache.core.keys import digest, encode
from evercache.http.fields import Fields, combined, values
from evercache.http.unsafe import Target

__all__ = ["Address", "content_of", "digest_of", "host_of", "is_allowed_host", "method_class", "resource_tag"]

_VERSION = 1
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%\-]+)(?::[0-9]*)?", re.ASCII)
_METADATA = (b"content-type", b"content-encoding", b"content-language")


class Address(NamedTuple):
    """What chooses a response, before its variants.

    - method: its class, `method_class`; HEAD reads what GET stored.
    - path, query: raw bytes as they came, so that `/a%2Fb`, `/a;b` and `//a` are other resources than `/a/b`.
    - content: `content_of` a request with a body, empty without.
    - dimensions: what the rule adds, each a name and a value (None: absent); the hashed principal is one.
    """

    method: str
    scheme: str
    host: str
    root_path: str
    path: bytes
    query: bytes
    content: bytes = b""
    dimensions: tuple[tuple[str, str | None], ...] = ()


def method_class(method: str) -> str:
    """The method whose stored responses may answer *method*."""
    return "GET" if method == "HEAD" else method


def host_of(request: Fields) -> str | None:
    """The host that the request is for, in lower case; None without exactly one that can be read: such a request is
    neither answered from the cache nor stored."""
    found = values(request, b"host")
    return found[0].lower() if len(found) == 1 and _HOST.fullmatch(found[0]) else None


def is_allowed_host(host: str, allowed: Collection[str]) -> bool:
    """Whether *host* (its port doesn't matter) is among *allowed*: names, `*.example.com`, or `*`."""
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    for pattern in allowed:
        wanted = pattern.lower()
        if wanted in ("*", name, host) or (
            wanted.startswith("*.") and name.endswith(wanted[1:]) and name != wanted[1:]
        ):
            return True
    return False


def content_of(request: Fields, body: bytes) -> bytes:
    """What stands for the content of a QUERY or POST request and the metadata it is understood by (RFC 10008 §2.7)."""
    metadata = [combined(request, name) for name in _METADATA]
    return blake2b(encode((*metadata, body)), digest_size=32).digest()


def digest_of(address: Address, variant: Sequence[str | None] | None, secret: bytes) -> str:
    """32 hex digits for an address and a variant of it; *variant* None: for what is known of all of its variants."""
    dimensions = [part for pair in address.dimensions for part in pair]
    texts = [address.method, address.scheme, address.host, address.root_path, *dimensions, *(variant or ())]
    counts = b"%d:%d:%d;" % (_VERSION, len(dimensions), -1 if variant is None else len(variant))
    return digest(b"".join([counts, *map(_sized, (address.path, address.query, address.content, *texts))]), secret)


def resource_tag(target: Target, secret: bytes) -> str:
    """The tag of all stored responses of one resource: every method, variant, audience and content. Other spellings of
    the URL (RFC 9110 §4.2.3) are entries of their own, and go together: a port that needn't be named, characters that
    needn't be encoded."""
    parts: Sequence[str | bytes] = (target.origin, unquote_to_bytes(target.path), target.query)
    return "resource:" + digest(b"".join(map(_sized, parts)), secret)


def _sized(part: str | bytes | None) -> bytes:
    """*part* with its length, so that no two lists of parts give the same bytes; absent is not empty."""
    if part is None:
        return b"-"
    data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
    return b"%d:%b" % (len(data), data)
