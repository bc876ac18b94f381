"""Whether a stored response answers a request (RFC 9111 §4, RFC 5861, RFC 8246).

    fresh ──────────────┬─ stale ─────────────────┬──────────────────────►
                        │ stale-while-revalidate  │
    FRESH               │ STALE_WHILE_REVALIDATE  │ REVALIDATE, or LOAD without a validator
                        └ stale-if-error: `after_failure` may still answer with it

Clients can't force work unless the rule lets them (`Policy.honor_request`); `only-if-cached` asks for less work, so it
always counts.
"""

from __future__ import annotations

from enum import Enum

from evercache.http.directives import Directives
from evercache.http.policy import Policy
from evercache.http.response import StoredResponse

__all__ = ["AfterFailure", "Reuse", "after_failure", "decide"]


class Reuse(Enum):
    """What to do about a request."""

    FRESH = "fresh"  # answer with the stored response
    STALE = "stale"  # as FRESH: the client said that stale is good enough (max-stale)
    STALE_WHILE_REVALIDATE = "stale-while-revalidate"  # answer with it, and have it refreshed behind
    REVALIDATE = "revalidate"  # ask the application whether it still holds
    LOAD = "load"  # ask the application for another one
    GATEWAY_TIMEOUT = "gateway-timeout"  # answer 504: only-if-cached (RFC 9111 §5.2.1.7)


class AfterFailure(Enum):
    """What to do when the application failed."""

    STALE = "stale"  # answer with the stored response
    FORWARD = "forward"  # hand on what the application answered or raised
    GATEWAY_TIMEOUT = "gateway-timeout"  # answer 504: stale is forbidden, and there is nothing to hand on


def decide(stored: StoredResponse | None, request: Directives, now: float, policy: Policy) -> Reuse:
    """What to do about a request for which *stored* was selected (None: nothing was)."""
    found = Reuse.LOAD if stored is None else _use(stored, request, now, policy)
    if (found is Reuse.REVALIDATE or found is Reuse.LOAD) and "only-if-cached" in request:
        return Reuse.GATEWAY_TIMEOUT
    return found


def after_failure(
    stored: StoredResponse | None, request: Directives, now: float, policy: Policy, *, answered: bool
) -> AfterFailure:
    """What to do after an exception or a time-out, or (*answered*) a response with a status of 500, 502, 503 or 504.

    A response that must be validated once it is stale is never used instead (RFC 9111 §4.2.4, §4.3.3).
    """
    if stored is None:
        return AfterFailure.FORWARD
    window = stored.stale_if_error
    if policy.honor_request and stored.may_be_stale:  # RFC 5861 §4: a request may allow it as well
        window = max(window, request.seconds("stale-if-error") or 0)
    demanded = policy.honor_request and "no-cache" in request
    if not demanded and not stored.asks_each_time and -stored.fresh_for(now) < window:
        return AfterFailure.STALE
    return AfterFailure.FORWARD if answered or stored.may_be_stale else AfterFailure.GATEWAY_TIMEOUT


def _use(stored: StoredResponse, request: Directives, now: float, policy: Policy) -> Reuse:
    if not stored.asks_each_time:
        use = _use_as_asked(stored, request, now) if policy.honor_request else _by_age(stored, stored.fresh_for(now))
        if use is not None:
            return use
    return Reuse.REVALIDATE if stored.has_validator else Reuse.LOAD


def _by_age(stored: StoredResponse, left: float) -> Reuse | None:
    if left > 0:
        return Reuse.FRESH
    return Reuse.STALE_WHILE_REVALIDATE if -left < stored.stale_while_revalidate else None


def _use_as_asked(stored: StoredResponse, request: Directives, now: float) -> Reuse | None:
    """The same, as far as the request's directives allow it (RFC 9111 §5.2.1); None: ask the application."""
    left = stored.fresh_for(now)
    if "no-cache" in request:
        return None
    if left > 0 and stored.directives.allows("immutable"):  # RFC 8246 §2: a reload needn't ask
        return Reuse.FRESH
    oldest, spare = request.seconds("max-age"), request.seconds("min-fresh")
    if (oldest is not None and stored.age_at(now) > oldest) or (spare is not None and left < spare):
        return None
    if left <= 0 and "max-stale" in request:
        if stored.may_be_stale and -left <= _longest_stale(request):
            return Reuse.STALE
    elif left <= 0 and oldest is not None:  # RFC 9111 §5.2.1.1: who says max-age wants nothing stale
        return None
    return _by_age(stored, left)


def _longest_stale(request: Directives) -> float:
    """`max-stale` without a number means any (RFC 9111 §5.2.1.2)."""
    anything = request.arguments["max-stale"] == (None,)
    return float("inf") if anything else request.seconds("max-stale") or 0
