"""What the application's rule says about a response, as far as a decision needs to know it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Audience", "Mode", "Policy"]


class Audience(Enum):
    """Who may be answered from the entry."""

    ANYONE_ANONYMOUS = "anyone without credentials"  # the default
    EVERYONE = "everyone"  # the rule's word that the response doesn't depend on credentials
    ONE_PRINCIPAL = "one principal"  # the principal is part of the key


class Mode(Enum):
    """How the rule's *ttl* meets the freshness that the application set."""

    FILL = "fill"  # only where the application set none
    OVERRIDE = "override"
    SHORTEN = "shorten"  # whichever is less


@dataclass(frozen=True, slots=True)
class Policy:
    """The part of a rule that decides about storing and reusing. The defaults store only what is allowed anyway.

    - ttl: seconds of freshness; None: only what the application sets.
    - heuristic: the part of the time since `Last-Modified` that counts as fresh (0.1 is usual); 0 is off.
    - stale_while_revalidate, stale_if_error: seconds, where the response itself names no window.
    - negative: the error statuses to which *ttl* or *heuristic* applies too.
    - targets: targeted fields to obey, the first one that is valid wins (RFC 9213).
    - codings: content codings that variants are told apart by.
    - honor_request: whether clients may ask for validation or for a fresher response (they can force work by it).
    """

    ttl: float | None = None
    mode: Mode = Mode.FILL
    audience: Audience = Audience.ANYONE_ANONYMOUS
    heuristic: float = 0.0
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    negative: frozenset[int] = frozenset()
    strip_set_cookie: bool = False
    targets: tuple[bytes, ...] = (b"app-cache-control", b"cdn-cache-control")
    codings: tuple[str, ...] = ("br", "gzip", "zstd")
    honor_request: bool = False
    post: bool = False

    @property
    def shared(self) -> bool:
        """Whether one entry answers several users, so that the rules for shared caches hold."""
        return self.audience is not Audience.ONE_PRINCIPAL
