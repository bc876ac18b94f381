"""What the head of a response means for storing it: worked out once for heads that are alike.

Most responses of one route have the same fields, but for their length. So what doesn't depend on the moment, on the
request or on the length is remembered by the rest of the head; a head with a date in it is read each time, for what it
means may be another thing a second later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from evercache.engine.memory import Bounded
from evercache.http.fields import Fields, combined, has, indexed
from evercache.http.groups import groups_of
from evercache.http.policy import Policy
from evercache.http.response import StoredResponse, arrived
from evercache.http.storable import Refusal, may_store
from evercache.http.vary import vary_names

__all__ = ["Head", "Heads"]

_HEADS = 256
_LENGTH = b"content-length"
_MOMENTS = (b"age", b"date", b"expires", b"last-modified")
_STREAMS = ("text/event-stream", "application/x-ndjson")


class Head(NamedTuple):
    """A head as it was read.

    - response: as it would be stored.
    - refusal: why it isn't, to an anonymous request that asks for nothing special; *coded*: whether that depends on the
      request's `Accept-Encoding`, and has to be asked for each.
    - names: the fields that it varies on. groups: the cache groups that it belongs to. streams: whether its end is far
      away. size: its bytes.
    """

    response: StoredResponse
    refusal: Refusal | None
    coded: bool
    names: tuple[str, ...]
    groups: tuple[str, ...]
    streams: bool
    size: int


class Heads:
    """The heads of the responses of one rule."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._known: Bounded[tuple[object, ...], tuple[Head, int]] = Bounded(_HEADS)

    def read(self, status: int, fields: Fields, *, requested: float, received: float) -> Head:
        """What a head means that was *received* as the answer to what was *requested* (moments)."""
        lengths = [pair for pair in fields if pair[0] == _LENGTH]
        key = (status, len(lengths), *[pair for pair in fields if pair[0] != _LENGTH])
        known = self._known.get(key)
        if known is not None:
            head, at = known
            response = _at_moment(head.response, at, lengths, max(0.0, received - requested), received)
            return Head(response, head.refusal, head.coded, head.names, head.groups, head.streams, head.size)
        head = self._analysed(status, indexed(fields), requested, received)
        places = [at for at, pair in enumerate(head.response.fields) if pair[0] == _LENGTH]
        if not _is_of_its_moment(head, fields) and len(places) == len(lengths) < 2:
            self._known.put(key, (head, places[0] if places else -1))
        return head

    def _analysed(self, status: int, fields: Fields, requested: float, received: float) -> Head:
        policy = self._policy
        response = arrived(status, fields, policy, requested=requested, received=received)
        return Head(
            response,
            may_store("GET", (), fields, response, policy, ()),
            has(fields, b"content-encoding"),
            vary_names(fields) or (),
            groups_of(fields),
            (combined(fields, b"content-type") or "").lower().startswith(_STREAMS),
            sum([len(name) + len(value) for name, value in fields]),
        )


def _is_of_its_moment(head: Head, fields: Fields) -> bool:
    """Whether the same head may mean something else later. A response that took longer than it is fresh is refused, and
    the next one may be faster."""
    return head.refusal is Refusal.NO_FRESHNESS or any(has(fields, name) for name in _MOMENTS)


def _at_moment(
    response: StoredResponse, at: int, lengths: Sequence[tuple[bytes, bytes]], age: float, received: float
) -> StoredResponse:
    """A head like *response* that was received at another moment and has another length, at this place of its fields."""
    fields = response.fields
    if at >= 0:
        fields = (*fields[:at], (_LENGTH, lengths[0][1].strip(b" \t")), *fields[at + 1 :])
    return StoredResponse(
        response.status,
        fields,
        response.directives,
        response.lifetime,
        age,
        received,
        response.asks_each_time,
        response.may_be_stale,
        response.stale_while_revalidate,
        response.stale_if_error,
    )
