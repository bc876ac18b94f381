"""Entity tags (RFC 9110 §8.8.3): read, compared, made."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b

__all__ = ["is_etag", "listed_etags", "make_etag", "strongly_equal", "weakly_equal"]

# No escapes: a backslash is a character of the tag as any other; so is a comma, so that lists can't be split at them.
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_ONE = re.compile(_TAG)
_LIST = re.compile(rf"[ \t]*(?:({_TAG})[ \t]*)?(?:,|\Z)")


def is_etag(text: str) -> bool:
    return _ONE.fullmatch(text) is not None


def listed_etags(text: str) -> tuple[str, ...]:
    """The tags of a list (`If-None-Match` without `*`); a list with anything else in it has none, so that nobody gets
    a 304 by mistake."""
    found: list[str] = []
    at = 0
    while at < len(text):
        member = _LIST.match(text, at)
        if member is None:
            return ()
        at = member.end()
        if member[1]:
            found.append(member[1])
    return tuple(found)


def strongly_equal(one: str, other: str) -> bool:
    """Same bytes: neither is weak, and they are equal (RFC 9110 §8.8.3.2)."""
    return one == other and is_etag(one) and not one.startswith("W/")


def weakly_equal(one: str, other: str) -> bool:
    """Same meaning: equal but for their weakness."""
    return is_etag(one) and is_etag(other) and one.removeprefix("W/") == other.removeprefix("W/")


def make_etag(body: Iterable[bytes], *, weak: bool = False) -> str:
    """The tag of a body in pieces, as it is sent (encoded): the same in each worker, on a miss and on a hit. Weak where
    something outside may still code the body in another way."""
    state = blake2b(digest_size=16)
    for piece in body:
        state.update(piece)
    return f'{"W/" if weak else ""}"{state.hexdigest()}"'
