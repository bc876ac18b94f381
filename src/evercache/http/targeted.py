"""Targeted cache control (RFC 9213): directives for this cache alone, above `Cache-Control`.

A targeted field is a structured dictionary: a field that is empty or malformed isn't there, as is a directive whose
value has a type that it can't have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evercache.http.directives import Directives, collect, directives_of
from evercache.http.fields import Fields, combined
from evercache.http.structured import Bare, Item, parse_dictionary

__all__ = ["applicable_directives"]

_COUNTS_SECONDS = frozenset({"max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"})
_MAY_BE_QUALIFIED = frozenset({"no-cache", "private"})


def applicable_directives(fields: Fields, targets: Sequence[bytes] = ()) -> Directives:
    """The directives of the first of *targets* that is there and valid, or else of `Cache-Control` (RFC 9213 §2.2)."""
    for target in targets:
        text = combined(fields, target)
        found = parse_dictionary(text) if text else None
        if found:
            return collect(_known(found), targeted=True)
    return directives_of(fields)


def _known(found: dict[str, Item]) -> Iterator[tuple[str, str | None]]:
    for name, item in found.items():
        value = item.value
        if value is False or isinstance(value, tuple):
            continue
        if _fits(name, value):
            yield name, None if value is True else str(value)


def _fits(name: str, value: Bare) -> bool:
    if name in _COUNTS_SECONDS:
        return type(value) is int  # neither a boolean nor a date
    if name in _MAY_BE_QUALIFIED:
        return value is True or isinstance(value, str)
    return isinstance(value, (int, str))  # True is an int, a token is a str
