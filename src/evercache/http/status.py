"""Cache-Status (RFC 9211): what the cache did, for whoever looks at the response."""

from __future__ import annotations

from enum import Enum
from urllib.parse import quote

from evercache.http.response import StoredResponse
from evercache.http.structured import Bare, Token, serialize

__all__ = ["Forwarded", "cache_status", "why_forwarded"]


class Forwarded(Enum):
    """Why a request went on to the application (RFC 9211 §2.2)."""

    BYPASS = "bypass"
    METHOD = "method"
    URI_MISS = "uri-miss"
    VARY_MISS = "vary-miss"
    MISS = "miss"
    REQUEST = "request"
    STALE = "stale"
    PARTIAL = "partial"


def why_forwarded(stored: StoredResponse | None, now: float, *, known_url: bool) -> Forwarded:
    """Why *stored* (None: nothing was selected) didn't answer. *known_url*: other variants of it are stored."""
    if stored is None:
        return Forwarded.VARY_MISS if known_url else Forwarded.URI_MISS
    usable = stored.fresh_for(now) > 0 and not stored.asks_each_time
    return Forwarded.REQUEST if usable else Forwarded.STALE


def cache_status(
    cache: str,
    forwarded: Forwarded | None = None,
    *,
    forwarded_status: int | None = None,
    ttl: float | None = None,
    stored: bool = False,
    collapsed: bool = False,
    key: str | None = None,
    detail: str | None = None,
) -> bytes:
    """One member of the field; without *forwarded* it was a hit. A new line of its own, so that it comes after those of
    caches nearer to the origin.

    *ttl*: the seconds of freshness left, negative once stale. *key* only where its reader may know it. *detail*: a word
    (`store-down`) or a sentence.
    """
    parameters: dict[str, Bare] = {"hit": True} if forwarded is None else {"fwd": Token(forwarded.value)}
    if forwarded_status is not None:
        parameters["fwd-status"] = forwarded_status
    if ttl is not None:
        parameters["ttl"] = max(-(10**15) + 1, min(10**15 - 1, int(ttl)))
    parameters.update({name: True for name, said in (("stored", stored), ("collapsed", collapsed)) if said})
    if key is not None:
        parameters["key"] = _printable(key)
    if detail is not None:
        parameters["detail"] = _word(detail)
    return serialize(_word(cache), parameters).encode("ascii")


def _word(text: str) -> Bare:
    """A token where *text* can be one, else a string."""
    try:
        serialize(Token(text))
    except ValueError:
        return _printable(text)
    return Token(text)


def _printable(text: str) -> str:
    """*text* with everything that a string can't hold percent-encoded."""
    return quote(text, safe="".join(map(chr, range(32, 127))), errors="replace")
