"""Cache-Control, of a request or a response (RFC 9111 §5.2).

Duplicates and malformed arguments are decided towards less reuse (RFC 9111 §4.2.1): the smallest number of seconds
counts, what isn't digits is 0, and a restriction with a strange argument is a restriction without one. A permission
(`public`, `must-understand`, `immutable`) with an argument is not one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from evercache.http.fields import Fields, combined, has, is_token, listed, members

__all__ = ["LONGEST", "NO_DIRECTIVES", "Directives", "collect", "delta_seconds", "directives_of", "request_directives"]

LONGEST = 2**31
"""The number that stands for all that are greater (RFC 9111 §1.2.2)."""

_ESCAPED = re.compile(r"\\(.?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Directives:
    """The directives of one message: for each name (in lower case), the argument of each occurrence, None where there
    was none. *targeted*: they come from a targeted field, so that `Cache-Control` and `Expires` don't count."""

    arguments: dict[str, tuple[str | None, ...]] = field(default_factory=dict[str, tuple[str | None, ...]])
    targeted: bool = False

    def __contains__(self, name: object) -> bool:
        return name in self.arguments

    def seconds(self, name: str) -> int | None:
        """The argument of a directive that counts seconds; None where the directive is absent."""
        found = self.arguments.get(name)
        return None if found is None else min(delta_seconds(argument) for argument in found)

    def allows(self, name: str) -> bool:
        """Whether a directive that permits something was given, as it must be given: without an argument."""
        return self.arguments.get(name) == (None,)

    def unqualified(self, name: str) -> bool:
        """Whether `no-cache` or `private` means the whole response, not only some fields of it."""
        return any(_field_names(argument) is None for argument in self.arguments.get(name, ()))

    def fields(self, name: str) -> frozenset[bytes]:
        """The fields that a qualified `no-cache="…"` or `private="…"` names, in lower case (RFC 9111 §5.2.2.4)."""
        if self.unqualified(name):
            return frozenset()
        return frozenset().union(*(_field_names(argument) or () for argument in self.arguments.get(name, ())))


NO_DIRECTIVES = Directives()


def directives_of(fields: Fields) -> Directives:
    """The directives of the `Cache-Control` lines of a message."""
    if not has(fields, b"cache-control"):
        return NO_DIRECTIVES
    return collect(_split(member) for member in listed(fields, b"cache-control"))


def request_directives(fields: Fields) -> Directives:
    """The directives of a request; without `Cache-Control`, `Pragma: no-cache` stands for it (RFC 9111 §5.4)."""
    found = directives_of(fields)
    if not found.arguments and has(fields, b"pragma") and "no-cache" in (combined(fields, b"pragma") or "").lower():
        return Directives({"no-cache": (None,)})
    return found


def delta_seconds(text: str | None) -> int:
    """A number of seconds; 0 for what isn't digits: signs, fractions, underscores and the digits of other scripts."""
    if text is None or not (text.isascii() and text.isdigit()):
        return 0
    digits = text.lstrip("0")
    return min(int(digits or "0"), LONGEST) if len(digits) <= 10 else LONGEST  # int() refuses 5000 digits


def collect(pairs: Iterable[tuple[str, str | None]], *, targeted: bool = False) -> Directives:
    """The directives of these (name, argument) pairs; names in any case."""
    found: defaultdict[str, list[str | None]] = defaultdict(list)
    for name, argument in pairs:
        found[name.lower()].append(argument)
    return Directives({name: tuple(arguments) for name, arguments in found.items()}, targeted)


def _split(member: str) -> tuple[str, str | None]:
    name, equals, argument = member.partition("=")
    if not equals:
        return name, None
    if name != name.rstrip(" \t"):  # "max-age =60": known, but not what the grammar allows
        return name.rstrip(" \t"), ""
    return name, _unquoted(argument)


def _unquoted(text: str) -> str:
    """The content of a quoted string; other text as it is (RFC 9111 §5.2: recipients accept both forms)."""
    if len(text) < 2 or not text.startswith('"') or not text.endswith('"'):
        return text
    return _ESCAPED.sub(r"\1", text[1:-1])


def _field_names(argument: str | None) -> frozenset[bytes] | None:
    """The names in a qualified form; None where there is no such list of names."""
    names = [] if argument is None else members(argument)
    if not names or not all(is_token(name) for name in names):
        return None
    return frozenset(name.lower().encode("latin-1") for name in names)
