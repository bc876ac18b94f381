"""The fields of a response that is answered from the cache (RFC 9111 §4, §5.1)."""

from __future__ import annotations

from collections.abc import Collection

from evercache.http.fields import Fields, listed, without

__all__ = ["answer_fields", "private_fields"]

_AUDIENCES = frozenset({"public", "private", "s-maxage"})


def answer_fields(
    stored: Fields, age: float, *, etag: str | None = None, dropped: Collection[bytes] = (), date: bool
) -> list[tuple[bytes, bytes]]:
    """The stored fields, unchanged and in order, and the `Age` that they have now. `Cache-Control` isn't counted down:
    that is what `Age` is for.

    - etag: the tag that was made for a response without one. It stays beside the stored fields: the application doesn't
      know it, and asked about it would overlook `If-Modified-Since`.
    - dropped: fields that were meant for this cache (targeted fields, groups).
    - date: whether to replay `Date`; not under a server that adds its own, for a response with two dates has none.
    """
    left = without(stored, {b"age", *dropped} if date else {b"age", b"date", *dropped})
    if etag is not None:
        left.append((b"etag", etag.encode("latin-1")))
    return [*left, (b"age", b"%d" % max(0, int(age)))]


def private_fields(response: Fields) -> list[tuple[bytes, bytes]]:
    """The same, so that no shared cache on the way keeps what was stored for one principal."""
    said = [part for part in listed(response, b"cache-control") if part.lower().partition("=")[0] not in _AUDIENCES]
    text = ", ".join(["private", *said])
    return [*without(response, {b"cache-control"}), (b"cache-control", text.encode("latin-1"))]
