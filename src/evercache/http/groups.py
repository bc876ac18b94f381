"""Cache groups (RFC 9875): tags that travel in header fields.

A group is a string, compared character by character, and lives within one origin. `Surrogate-Key` and `Cache-Tag`,
the forms that CDNs know, mean the same here.
"""

from __future__ import annotations

from collections.abc import Iterator

from evercache.http.fields import Fields, combined, members
from evercache.http.structured import Display, Token, parse_list
from evercache.http.unsafe import is_safe

__all__ = ["GROUP_FIELDS", "group_tag", "groups_of", "invalidated_groups"]

GROUP_FIELDS = frozenset({b"cache-groups", b"cache-group-invalidation", b"surrogate-key", b"cache-tag"})
"""What a rule may ask to be taken out before the response is sent."""


def groups_of(response: Fields, *, aliases: bool = True) -> tuple[str, ...]:
    """The groups that *response* belongs to, each once. A `Cache-Groups` that isn't a list of strings isn't there."""
    return tuple(dict.fromkeys((*_strings(response, b"cache-groups"), *(_aliases(response) if aliases else ()))))


def invalidated_groups(method: str, response: Fields) -> tuple[str, ...]:
    """The groups that this *response* invalidates; one to a safe method never does (RFC 9875 §3)."""
    if is_safe(method):
        return ()
    return tuple(dict.fromkeys(_strings(response, b"cache-group-invalidation")))


def group_tag(origin: str, group: str) -> str:
    """The tag of a group within its origin (RFC 9875 §2.1): no two pairs share one."""
    return f"group:{len(origin)}:{origin}:{group}"


def _strings(response: Fields, name: bytes) -> list[str]:
    text = combined(response, name)
    found = parse_list(text) if text else None
    strings = [item.value for item in found or () if isinstance(item.value, str)]
    plain = [text for text in strings if not isinstance(text, Token | Display)]
    return plain if len(plain) == len(found or ()) else []


def _aliases(response: Fields) -> Iterator[str]:
    yield from (combined(response, b"surrogate-key") or "").replace(",", " ").split()
    yield from members(combined(response, b"cache-tag") or "")
