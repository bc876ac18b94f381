"""A response as it is stored: what was said about its freshness, worked out once, on arrival."""

from __future__ import annotations

from dataclasses import dataclass

from evercache.http.age import age_on_arrival
from evercache.http.directives import Directives
from evercache.http.fields import Fields, end_to_end, has, without
from evercache.http.lifetime import Lifetime, lifetime_of
from evercache.http.policy import Policy
from evercache.http.targeted import applicable_directives

__all__ = ["StoredResponse", "arrived", "stored_fields"]


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The head of a stored response. Spans are seconds, *received* is a moment.

    - fields: what may be replayed; `Age` is not among them, for it is counted from *age* and *received*.
    - stale_while_revalidate, stale_if_error: how long after the end of freshness; 0 where stale is forbidden.
    - asks_each_time: whether it may only be used after asking the application (`no-cache`).
    - may_be_stale: whether the response may be used at all when it is no longer fresh.
    """

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    directives: Directives
    lifetime: Lifetime
    age: float
    received: float
    asks_each_time: bool
    may_be_stale: bool
    stale_while_revalidate: float
    stale_if_error: float

    def age_at(self, now: float) -> float:
        """Its age in seconds; a clock that was set back makes nothing younger than it came."""
        return self.age + max(0.0, now - self.received)

    def fresh_for(self, now: float) -> float:
        """The seconds of freshness that are left; 0 or less: stale, for so long."""
        return self.lifetime.seconds - self.age_at(now)

    @property
    def has_validator(self) -> bool:
        """Whether the application could be asked whether the response still holds."""
        return has(self.fields, b"etag") or has(self.fields, b"last-modified")


def arrived(status: int, fields: Fields, policy: Policy, *, requested: float, received: float) -> StoredResponse:
    """The response with these *fields* to a request of the moment *requested*, as it would be stored.

    Whether it may be is another question: `storable.may_store`.
    """
    directives = applicable_directives(fields, policy.targets)
    stale = not _forbids_stale(directives, shared=policy.shared)
    return StoredResponse(
        status=status,
        fields=tuple(stored_fields(fields, directives, policy)),
        directives=directives,
        lifetime=lifetime_of(status, fields, directives, received, policy),
        age=age_on_arrival(fields, requested, received),
        received=received,
        asks_each_time=directives.unqualified("no-cache"),
        may_be_stale=stale,
        stale_while_revalidate=_window(directives, "stale-while-revalidate", policy.stale_while_revalidate) * stale,
        stale_if_error=_window(directives, "stale-if-error", policy.stale_if_error) * stale,
    )


def stored_fields(fields: Fields, directives: Directives, policy: Policy) -> list[tuple[bytes, bytes]]:
    """What of *fields* may be kept: end-to-end, without `Age` and without the fields that a qualified `no-cache` or
    `private` names (RFC 9111 §3.1, §5.2.2.4, §5.2.2.7)."""
    dropped = {b"age", *directives.fields("no-cache")}
    if policy.shared:
        dropped |= directives.fields("private")
    if policy.strip_set_cookie:
        dropped |= {b"set-cookie", b"set-cookie2"}
    return without(end_to_end(fields), dropped)


def _window(directives: Directives, name: str, ruled: float) -> float:
    """RFC 5861: the response's own word, or else the rule's."""
    said = directives.seconds(name)
    return ruled if said is None else said


def _forbids_stale(directives: Directives, *, shared: bool) -> bool:
    """RFC 9111 §4.2.4: to a shared cache, `s-maxage` says `proxy-revalidate` too (§5.2.2.10)."""
    if "must-revalidate" in directives or directives.unqualified("no-cache"):
        return True
    return shared and ("proxy-revalidate" in directives or "s-maxage" in directives)
