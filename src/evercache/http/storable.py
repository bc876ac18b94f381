"""Whether a response may be stored (RFC 9111 §3), and why not.

Stricter than the RFC where an application's own cache can afford it: nothing that sets a cookie, no part of a body, no
error that the request itself may have caused. The last one is how an attacker empties a page for everybody: a header
field that is too long or malformed makes the application answer 4xx, and a cache keeps the answer.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum

from evercache.http.credentials import may_share
from evercache.http.directives import request_directives
from evercache.http.fields import Fields, has, is_token, listed
from evercache.http.lifetime import HEURISTIC_STATUSES, Source
from evercache.http.policy import Policy
from evercache.http.response import StoredResponse
from evercache.http.vary import codings_fit, vary_names

__all__ = ["Refusal", "is_whole", "may_store", "request_refusal"]

_UNDERSTOOD = HEURISTIC_STATUSES | {302, 303, 307, 500, 502, 503, 504}
_CAUSED_BY_THE_REQUEST = frozenset({400, 408, 411, 412, 413, 414, 415, 416, 417, 421, 422, 425, 426, 428, 429, 431})
# So may these: by the method, where the application lets a header field override it, by Accept, by a login of its own.
_PERHAPS_CAUSED_BY_IT = frozenset({401, 405, 406, 407, 501})
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Refusal(Enum):
    """Why a response is not stored."""

    METHOD = "method"
    RANGE_REQUEST = "range-request"
    REQUEST_NO_STORE = "request-no-store"
    CREDENTIALS = "credentials"
    STATUS = "status"
    MALFORMED = "malformed"
    ERROR = "error-without-freshness"
    NOT_UNDERSTOOD = "not-understood"
    NO_STORE = "no-store"
    PRIVATE = "private"
    VARY = "vary"
    SET_COOKIE = "set-cookie"
    CONTENT_RANGE = "content-range"
    CODING = "coding"
    NO_FRESHNESS = "no-freshness"
    INCOMPLETE = "incomplete"


def may_store(
    method: str, request: Fields, response: Fields, stored: StoredResponse, policy: Policy, credentials: Collection[str]
) -> Refusal | None:
    """None if the response may be stored, or the first reason against it. *response* are the fields as the application
    sent them, *stored* is what `response.arrived` made of them."""
    return (
        request_refusal(method, request, policy)
        or _status_refusal(stored, policy)
        or _directive_refusal(stored, policy, credentials)
        or _content_refusal(request, response, policy)
        or (None if _is_useful(stored, policy) else Refusal.NO_FRESHNESS)
    )


def request_refusal(method: str, request: Fields, policy: Policy) -> Refusal | None:
    """What of the request alone forbids to store any response to it. HEAD reads entries and makes none."""
    if method not in ("GET", "QUERY") and not (policy.post and method == "POST"):
        return Refusal.METHOD
    if has(request, b"range"):
        return Refusal.RANGE_REQUEST
    return Refusal.REQUEST_NO_STORE if "no-store" in request_directives(request) else None


def is_whole(response: Fields, length: int) -> bool:
    """Whether a body of *length* bytes is all that `Content-Length` announced (RFC 9112 §8); without one, it is."""
    if (b"content-length", b"%d" % length) in response and sum(
        [pair[0] == b"content-length" for pair in response]
    ) == 1:
        return True  # as nearly all say it
    announced = set(listed(response, b"content-length"))
    return not announced or announced == {str(length)}


def _status_refusal(stored: StoredResponse, policy: Policy) -> Refusal | None:
    status = stored.status
    if not 200 <= status <= 599 or status in (206, 304) or status in _CAUSED_BY_THE_REQUEST:
        return Refusal.STATUS
    said = stored.lifetime.explicit and status not in _PERHAPS_CAUSED_BY_IT
    if status >= 400 and not said and status not in policy.negative:
        return Refusal.ERROR
    return None


def _directive_refusal(stored: StoredResponse, policy: Policy, credentials: Collection[str]) -> Refusal | None:
    directives = stored.directives
    understood = directives.allows("must-understand") and stored.status in _UNDERSTOOD
    if "must-understand" in directives and stored.status not in _UNDERSTOOD:
        return Refusal.NOT_UNDERSTOOD
    if "no-store" in directives and not understood:  # RFC 9111 §5.2.2.3: to who understands, it doesn't speak
        return Refusal.NO_STORE
    if policy.shared and directives.unqualified("private"):
        return Refusal.PRIVATE
    return None if may_share(credentials, directives, policy.audience) else Refusal.CREDENTIALS


def _content_refusal(request: Fields, response: Fields, policy: Policy) -> Refusal | None:
    if any(_CONTROL.search(value) or not is_token(name.decode("latin-1")) for name, value in response):
        return Refusal.MALFORMED  # no server sends it, so that each hit would be an error
    if vary_names(response) is None:
        return Refusal.VARY
    if not policy.strip_set_cookie and (has(response, b"set-cookie") or has(response, b"set-cookie2")):
        return Refusal.SET_COOKIE
    if has(response, b"content-range"):
        return Refusal.CONTENT_RANGE
    return None if codings_fit(response, request, policy.codings) else Refusal.CODING


def _is_useful(stored: StoredResponse, policy: Policy) -> bool:
    """Whether any later request could be answered: the response is fresh, may be used stale, or can be validated and
    was meant to be. One that has grown stale on its way may still do for a client that says so (`max-stale`)."""
    if stored.lifetime.source is Source.NOBODY:
        cacheable = stored.status in HEURISTIC_STATUSES or stored.directives.allows("public")
        return cacheable and stored.has_validator and stored.asks_each_time
    longest = max(stored.stale_while_revalidate, stored.stale_if_error)
    wanted = policy.honor_request and stored.may_be_stale and stored.lifetime.seconds > 0
    return stored.has_validator or wanted or stored.fresh_for(stored.received) + longest > 0
