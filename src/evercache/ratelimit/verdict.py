"""What came of asking: for each limit, and for all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evercache.ratelimit.limits import Limit

__all__ = ["Answer", "Verdict"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one limit says. Times are seconds from now.

    - `allowed`: whether this limit lets it in (a shadow one may say no, and isn't listened to).
    - `remaining`: what may still be taken at once. `reset`: when everything may be taken again.
    - `retry_after`: when the same may be asked again with hope; 0 where it was let in.
    """

    limit: Limit
    allowed: bool
    remaining: int
    reset: float
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """All limits of one request together: let in by every one of them, or taken from none.

    - `id`: names what was taken, for `Limiter.refund` and `Limiter.release`.
    - `source`: `store`, `local` (this process counts by itself), `denied` (known to be out, nobody was asked), `open` or
      `closed` (nobody could be asked, and that is what was chosen).
    """

    allowed: bool
    answers: tuple[Answer, ...]
    identity: str
    id: str
    source: str = "store"

    @property
    def violated(self) -> Sequence[Answer]:
        """The limits that say no and count."""
        return [answer for answer in self.answers if not answer.allowed and not answer.limit.shadow]

    @property
    def retry_after(self) -> float:
        """Seconds until the same may be asked again with hope; 0 where it was let in."""
        return max((answer.retry_after for answer in self.violated), default=0.0)

    def __bool__(self) -> bool:
        return self.allowed
