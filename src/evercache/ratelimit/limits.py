"""What is limited: so much in so long, for whom, counted how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from enum import Enum
from typing import Any

from evercache.core.duration import Duration, parse_seconds
from evercache.errors import ConfigurationError

__all__ = ["Algorithm", "Identify", "Limit", "OnError"]

Identify = Callable[[Mapping[str, Any]], str | None]
"""Who asks, from the ASGI scope of a request; None: the limit doesn't concern this request."""

MOST = 10_000_000
MOST_IN_A_LOG = 10_000


class Algorithm(Enum):
    """How it is counted.

    - GCRA: a bucket that leaks evenly and holds a burst (Generic Cell Rate Algorithm, ITU-T I.371); one number for each
      who asks. At most *burst* at once, and *quota* in each window in the long run.
    - LOG: every moment is kept, so that no window of this length ever has more than *quota*: for logins and other abuse.
    - COUNTER: a window of ten parts that slides; cheap and smooth, and no upper bound (up to 1.9 times the quota in
      adverse bursts).
    - FIXED: windows that begin at whole multiples of their length; twice the quota around an edge.
    - CONCURRENCY: how many are under way at once; *window* is how long one may hold its place.
    """

    GCRA = "gcra"
    LOG = "log"
    COUNTER = "counter"
    FIXED = "fixed"
    CONCURRENCY = "concurrency"


class OnError(Enum):
    """What happens while the store doesn't answer.

    - LOCAL: this process counts by itself, with its share of the quota.
    - OPEN: everybody is let in. CLOSED: nobody is; right where a limit protects from abuse.
    """

    LOCAL = "local"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Limit:
    """*quota* in each *window*, by name.

    - `algorithm`: see `Algorithm`; also as its word ("gcra"). `burst`: how much at once (GCRA; the quota by default).
    - `key`: who is counted, from a request; without one, whoever `Limiter.hit` names.
    - `cost`: what one request takes; `unit`: of what ("requests", "tokens"), for headers.
    - `on_error`: see `OnError`; by default LOCAL, and CLOSED for a LOG, which guards against abuse.
    - `shadow`: counted and reported, never refused: to try a limit out.
    - `count_denied`: what is refused counts too, so that who doesn't stop stays out. Not for GCRA and CONCURRENCY.

    Raises ConfigurationError for whatever has no meaning.
    """

    name: str
    quota: int
    window: Duration
    _: KW_ONLY
    algorithm: Algorithm | str = Algorithm.GCRA
    burst: int | None = None
    key: Identify | None = None
    cost: int = 1
    unit: str = "requests"
    on_error: OnError | str | None = None
    shadow: bool = False
    count_denied: bool = False

    def __post_init__(self) -> None:
        if not self.name or not all(char.isascii() and (char.isalnum() or char in "_.-") for char in self.name):
            raise self._wrong("a name has letters, digits, '_', '.' and '-'.")
        object.__setattr__(self, "algorithm", self._chosen(Algorithm, self.algorithm, "algorithm"))
        default = OnError.CLOSED if self.algorithm is Algorithm.LOG else OnError.LOCAL
        object.__setattr__(self, "on_error", self._chosen(OnError, self.on_error or default, "on_error"))
        most = MOST_IN_A_LOG if self.algorithm is Algorithm.LOG else MOST
        if not 1 <= self.quota <= most:
            raise self._wrong(f"quota={self.quota!r} is not between 1 and {most:,}.")
        if not 1 <= self.cost <= self.capacity:
            raise self._wrong(f"cost={self.cost!r} is not between 1 and {self.capacity:,}: it could never be let in.")
        if self.burst is not None and (self.algorithm is not Algorithm.GCRA or not 1 <= self.burst <= MOST):
            raise self._wrong(f"burst={self.burst!r} is a number from 1, and for GCRA.")
        if self.count_denied and self.algorithm in (Algorithm.GCRA, Algorithm.CONCURRENCY):
            raise self._wrong("count_denied is for a log, a counter or a fixed window.")
        _ = self.seconds

    @property
    def seconds(self) -> float:
        """The window."""
        return parse_seconds(self.window, f"Limit({self.name!r}): window")

    @property
    def capacity(self) -> int:
        """The most that can be let in at once."""
        return self.burst if self.burst is not None else self.quota

    def _chosen(self, kind: Any, value: Any, what: str) -> Any:  # Any: one of the two enums above
        try:
            return kind(value)
        except ValueError:
            words = ", ".join(each.value for each in kind)
            raise self._wrong(f"{what}={value!r} is not known; choose {words}.") from None

    def _wrong(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"Limit({self.name!r}): {what}")
