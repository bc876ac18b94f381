"""A stored response as this process holds it: its head, its body, and what a hit needs, worked out once."""

from __future__ import annotations

import math

from evercache.http.answer import answer_fields
from evercache.http.fields import Fields
from evercache.http.response import StoredResponse

__all__ = ["FLOOR", "Stored"]

FLOOR = 0.001
"""A response that is stale on arrival is kept for the sake of its validator; a store knows no ttl of 0."""

_NONE: list[tuple[bytes, bytes]] = []  # never changed: what wasn't made yet costs nothing


class Stored:
    """One stored response.

    - *names* and *variant*: the fields that chose it, and what the request said in them (`vary`).
    - *etag*: the tag that was made for a response without one; it is no field, for the application doesn't know it.
    - *left*: the seconds of freshness left when it was put away; negative for one that was stale already.
    - *spent*: the seconds between its arrival and that moment.
    - `made`: that moment on this process's clock; NaN while it isn't known.
    """

    __slots__ = (
        "_fields", "body", "etag", "head", "left", "made", "names", "plain", "said", "said_until", "second", "spent",
        "variant",
    )  # fmt: skip

    def __init__(
        self,
        head: StoredResponse,
        body: bytes,
        *,
        names: tuple[str, ...],
        variant: tuple[str | None, ...],
        etag: str | None,
        left: float,
        spent: float,
        made: float = float("nan"),
    ) -> None:
        self.head = head
        self.body = body
        self.names = names
        self.variant = variant
        self.etag = etag
        self.left = left
        self.spent = spent
        self.made = made
        # Whether a request that asks for nothing special can have it without another thought, while it is fresh.
        self.plain = not names and not head.asks_each_time
        self.second = -1  # the age in whole seconds that `_fields` say
        self._fields: list[tuple[bytes, bytes]] = _NONE
        self.said: list[tuple[bytes, bytes]] = _NONE  # the fields of a plain hit, until the moment beside it (`fast`)
        self.said_until = -math.inf

    def __weight__(self) -> int:
        """Bytes in memory (`codecs.weigh`): the body, the fields twice (as they came, and as they are answered)."""
        fields = sum([len(name) + len(value) for name, value in self.head.fields])
        return 1_200 + len(self.body) + 2 * fields + 250 * len(self.head.fields)

    @property
    def ttl(self) -> float:
        """What the store is told: never 0."""
        return max(self.left, FLOOR)

    def since(self, left: float, now: float) -> float:
        """The seconds since it was put away; *left*: what the store says is left of the ttl."""
        if self.made != self.made:
            self.made = now - max(0.0, self.ttl - left)
        return max(0.0, now - self.made)

    def moment(self, left: float, now: float) -> float:
        """The moment that it is for this response, on the clock of its own times. What has expired softly, or is kept
        for a while only, is stale from then on."""
        fresh = min(self.left - self.since(left, now), left)
        return self.head.received + self.head.lifetime.seconds - self.head.age - fresh

    def age(self, now: float) -> int:
        """Its age in whole seconds; only after `since` or `moment`."""
        return int(self.exact_age(now))

    def exact_age(self, now: float) -> float:
        """Its age in seconds; only after `since` or `moment`."""
        return self.head.age + self.spent + max(0.0, now - self.made)

    def fields(self) -> Fields:
        """The fields as a client sees them, for conditions: with the tag that was made."""
        if self.etag is None:
            return self.head.fields
        return (*self.head.fields, (b"etag", self.etag.encode("latin-1")))

    def answered(self, age: int, dropped: frozenset[bytes], *, date: bool) -> list[tuple[bytes, bytes]]:
        """The fields of an answer; the caller's own list."""
        if age != self.second:
            self._fields = answer_fields(self.head.fields, age, etag=self.etag, dropped=dropped, date=date)
            self.second = age
        return self._fields.copy()
