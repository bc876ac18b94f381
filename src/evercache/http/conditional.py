"""Whether 304 (Not Modified) says it all (RFC 9110 §13, RFC 9111 §4.3.2), for a stored response and for a new one.

`If-Match` and `If-Unmodified-Since` are the origin's to decide; a cache leaves them alone.
"""

from __future__ import annotations

from evercache.http.dates import parse_date
from evercache.http.etag import listed_etags, strongly_equal, weakly_equal
from evercache.http.fields import Fields, combined, has, values

__all__ = ["is_not_modified", "not_modified_fields", "range_is_wanted"]

_METHODS = ("GET", "HEAD", "QUERY")
_OF_THE_BODY = frozenset(
    {b"content-encoding", b"content-language", b"content-length", b"content-range", b"content-type", b"accept-ranges"}
)


def is_not_modified(method: str, request: Fields, status: int, response: Fields, received: float) -> bool:
    """Whether the client of *request* has this *response* already. `If-None-Match` counts before `If-Modified-Since`,
    which without `Last-Modified` is compared with `Date`, or with when the response was received."""
    if method not in _METHODS or not 200 <= status <= 299:
        return False
    if (tags := combined(request, b"if-none-match")) is not None:
        return _matches(tags, response)
    since = _date(request, b"if-modified-since", received)
    return since is not None and _last_change(response, received) <= since


def not_modified_fields(response: Fields) -> list[tuple[bytes, bytes]]:
    """The fields of a 304 instead of *response*: all but those that describe the body (RFC 9110 §15.4.5). What isn't
    about the representation (CORS, security policies) must reach the client with a 304 too."""
    dropped = _OF_THE_BODY | {b"last-modified"} if has(response, b"etag") else _OF_THE_BODY
    return [pair for pair in response if pair[0].lower() not in dropped]


def range_is_wanted(request: Fields, response: Fields, received: float) -> bool:
    """Whether `If-Range` lets `Range` count (RFC 9110 §13.1.5): strongly the same tag, or exactly the date of a
    `Last-Modified` that is strong itself, a minute or more before `Date` (§8.8.2.2)."""
    condition = combined(request, b"if-range")
    if condition is None:
        return True
    etag = combined(response, b"etag")
    if etag is not None and strongly_equal(condition, etag):
        return True
    wanted, modified = parse_date(condition, received), _date(response, b"last-modified", received)
    date = _date(response, b"date", received)
    if wanted is None or modified is None:
        return False
    return wanted == modified and modified + 60 <= (received if date is None else date)


def _matches(tags: str, response: Fields) -> bool:
    if tags == "*":
        return True
    etag = combined(response, b"etag")
    return etag is not None and any(weakly_equal(tag, etag) for tag in listed_etags(tags))


def _last_change(response: Fields, received: float) -> float:
    for name in (b"last-modified", b"date"):
        moment = _date(response, name, received)
        if moment is not None:
            return moment
    return received


def _date(fields: Fields, name: bytes, now: float) -> float | None:
    lines = values(fields, name)
    return parse_date(lines[0], now) if len(lines) == 1 else None
