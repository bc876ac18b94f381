"""Asking whether a stored response still holds, and understanding the answer (RFC 9111 §4.3)."""

from __future__ import annotations

from evercache.http.dates import parse_date
from evercache.http.etag import is_etag
from evercache.http.fields import Fields, end_to_end, folded, values, without

__all__ = ["merged_fields", "unconditional", "with_conditions"]

_CONDITIONS = frozenset(
    {b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range", b"range"}
)
# The stored body is what these describe; a cookie is for the client that asked, not for the next one.
_KEPT = frozenset(
    {b"content-encoding", b"content-type", b"content-range", b"content-length", b"set-cookie", b"set-cookie2", b"age"}
)


def unconditional(request: Fields) -> list[tuple[bytes, bytes]]:
    """The fields of *request* so that the application answers with a whole response: no conditions, no range."""
    return without(folded(request), _CONDITIONS)


def with_conditions(request: Fields, stored: Fields, received: float) -> list[tuple[bytes, bytes]]:
    """The fields of *request*, asking for anything but the *stored* response; the client's own conditions are about the
    client's copy, so they don't take part. *stored* are the application's own fields, without a tag made for it."""
    fields = unconditional(request)
    etags = [etag for etag in values(stored, b"etag") if is_etag(etag)]
    fields += [(b"if-none-match", etag.encode("latin-1")) for etag in etags[:1]]
    dates = [date for date in values(stored, b"last-modified") if parse_date(date, received) is not None]
    return fields + [(b"if-modified-since", date.encode("latin-1")) for date in dates[:1]]


def merged_fields(stored: Fields, update: Fields) -> list[tuple[bytes, bytes]]:
    """The fields of a stored response after a 304 with the fields *update* (RFC 9111 §3.2): each field of the 304
    replaces all lines of its name, but for what describes the body.

    Only one response was asked about, so the 304 is about it, whatever tag it carries. Freshness is to be worked out
    anew (`response.arrived`), and whether it may be stored still (`storable.may_store`): a 304 may say `no-store`.
    """
    new = without(end_to_end(update), _KEPT)
    replaced = {name for name, _ in new}
    if b"date" not in replaced:  # the old one would make the response as old as it was
        replaced.add(b"date")
    return without(folded(stored), replaced) + new
