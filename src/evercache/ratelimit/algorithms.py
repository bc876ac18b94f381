"""The algorithms, as functions over a state and a moment: what the script on Redis says in Lua, said in Python.

Times are microseconds, as Redis has them. Each algorithm first *looks*: would it let *cost* in, how much is left, when is
everything back? Only if every limit of a request says yes, each *takes*. So a request that one limit refuses costs
nothing at the others.

Sources: GCRA, ITU-T I.371 (virtual scheduling); the sliding window counter with weighted buckets, Cloudflare 2017,
"How we built rate limiting capable of scaling to millions of domains".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from evercache.ratelimit.limits import Algorithm

__all__ = ["PARTS", "Look", "State", "Terms", "begin"]

PARTS = 10
"""The parts of a sliding window counter."""


class Terms(NamedTuple):
    """A limit in numbers: *window* in microseconds."""

    quota: int
    window: int
    burst: int
    count_denied: bool = False


class Look(NamedTuple):
    """*remaining* before anything is taken; *retry* and *reset* in microseconds from now."""

    allowed: bool
    remaining: int
    retry: int
    reset: int


class State(Protocol):
    """What is remembered of one who asks, for one limit. Times never go back."""

    def look(self, terms: Terms, now: int, cost: int) -> Look:
        """Whether *cost* would be let in."""
        ...

    def take(self, terms: Terms, now: int, cost: int, id: str) -> None:
        """Take it."""
        ...

    def give_back(self, terms: Terms, now: int, cost: int, id: str) -> None:
        """What was taken under *id*, or a part of it, wasn't needed."""
        ...

    def over(self, now: int) -> bool:
        """Whether nothing is left to remember."""
        ...


@dataclass(slots=True)
class Gcra:
    """`full_at`: the moment at which the bucket is empty again (the theoretical arrival time)."""

    full_at: float = 0.0

    def look(self, terms: Terms, now: int, cost: int) -> Look:
        each = terms.window / terms.quota
        start = max(self.full_at, now)
        room = now + terms.burst * each - start
        wait = start + cost * each - terms.burst * each - now
        return Look(wait <= 0, max(0, math.floor(room / each + 1e-9)), max(0, math.ceil(wait)), math.ceil(start - now))

    def take(self, terms: Terms, now: int, cost: int, id: str) -> None:
        self.full_at = max(self.full_at, now) + cost * terms.window / terms.quota

    def give_back(self, terms: Terms, now: int, cost: int, id: str) -> None:
        self.full_at = max(now, self.full_at - cost * terms.window / terms.quota)

    def over(self, now: int) -> bool:
        return self.full_at <= now


@dataclass(slots=True)
class Log:
    """`taken`: (moment, id) of each unit, the oldest first."""

    taken: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    until: int = 0

    def look(self, terms: Terms, now: int, cost: int) -> Look:
        self.taken = taken = [each for each in self.taken if each[0] > now - terms.window]
        missing = len(taken) + cost - terms.quota
        reset = taken[-1][0] + terms.window - now if taken else 0
        if missing <= 0:
            return Look(True, terms.quota - len(taken), 0, reset)
        retry = taken[missing - 1][0] + terms.window - now if missing <= len(taken) else terms.window
        return Look(False, max(0, terms.quota - len(taken)), retry, reset)

    def take(self, terms: Terms, now: int, cost: int, id: str) -> None:
        self.taken = (self.taken + [(now, id)] * cost)[-terms.quota :]  # what is denied may count; more is never asked
        self.until = now + terms.window

    def give_back(self, terms: Terms, now: int, cost: int, id: str) -> None:
        kept: list[tuple[int, str]] = []
        for moment, taken_by in reversed(self.taken):
            if taken_by == id and cost > 0:
                cost -= 1
            else:
                kept.append((moment, taken_by))
        self.taken = kept[::-1]

    def over(self, now: int) -> bool:
        return self.until <= now


@dataclass(slots=True)
class Counter:
    """`parts`: what was taken in each part of the window, by the part's number."""

    parts: dict[int, int] = field(default_factory=dict[int, int])
    until: int = 0

    def look(self, terms: Terms, now: int, cost: int) -> Look:
        length = terms.window / PARTS
        current = int(now // length)
        self.parts = {number: taken for number, taken in self.parts.items() if number >= current - PARTS}
        # The oldest part counts as far as the window still reaches into it.
        reach = 1.0 - (now - current * length) / length
        used = sum(taken * (reach if number == current - PARTS else 1.0) for number, taken in self.parts.items())
        newest = max(self.parts, default=current - PARTS - 1)
        reset = max(0, math.ceil((newest + 1 + PARTS) * length - now))
        if used + cost <= terms.quota:
            return Look(True, max(0, math.floor(terms.quota - used)), 0, reset)
        return Look(False, max(0, math.floor(terms.quota - used)), self._wait(terms, now, cost), reset)

    def _wait(self, terms: Terms, now: int, cost: int) -> int:
        """The microseconds until *cost* fits, if nobody else takes anything meanwhile."""
        length = terms.window / PARTS
        left = sum(self.parts.values()) + cost - terms.quota
        for number in sorted(self.parts):
            taken = self.parts[number]
            begins = (number + PARTS) * length  # from here on the window leaves this part
            if taken >= left > 0:
                return max(1, math.ceil(begins + left / taken * length - now))
            left -= taken
        return terms.window

    def take(self, terms: Terms, now: int, cost: int, id: str) -> None:
        number = int(now // (terms.window / PARTS))
        self.parts[number] = self.parts.get(number, 0) + cost
        self.until = int((number + 1 + PARTS) * (terms.window / PARTS))

    def give_back(self, terms: Terms, now: int, cost: int, id: str) -> None:
        for number in sorted(self.parts, reverse=True):
            given = min(cost, self.parts[number])
            self.parts[number] -= given
            cost -= given

    def over(self, now: int) -> bool:
        return self.until <= now


@dataclass(slots=True)
class Fixed:
    """`number` of the window, and what was `taken` in it."""

    number: int = -1
    taken: int = 0
    until: int = 0

    def look(self, terms: Terms, now: int, cost: int) -> Look:
        taken = self.taken if self.number == now // terms.window else 0
        ends = (now // terms.window + 1) * terms.window - now
        allowed = taken + cost <= terms.quota
        return Look(allowed, max(0, terms.quota - taken), 0 if allowed else ends, ends if taken else 0)

    def take(self, terms: Terms, now: int, cost: int, id: str) -> None:
        number = now // terms.window
        if self.number != number:
            self.number, self.taken = number, 0
        self.taken += cost
        self.until = (number + 1) * terms.window

    def give_back(self, terms: Terms, now: int, cost: int, id: str) -> None:
        if self.number == now // terms.window:
            self.taken = max(0, self.taken - cost)

    def over(self, now: int) -> bool:
        return self.until <= now


@dataclass(slots=True)
class Concurrency:
    """`held`: the places that are taken: (until, id) of each."""

    held: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def look(self, terms: Terms, now: int, cost: int) -> Look:
        self.held = held = sorted([each for each in self.held if each[0] > now])
        missing = len(held) + cost - terms.quota
        reset = held[-1][0] - now if held else 0
        if missing <= 0:
            return Look(True, terms.quota - len(held), 0, reset)
        return Look(False, max(0, terms.quota - len(held)), held[min(missing, len(held)) - 1][0] - now, reset)

    def take(self, terms: Terms, now: int, cost: int, id: str) -> None:
        self.held += [(now + terms.window, id)] * cost

    def give_back(self, terms: Terms, now: int, cost: int, id: str) -> None:
        kept: list[tuple[int, str]] = []
        for until, holder in reversed(self.held):
            if holder == id and cost > 0:
                cost -= 1
            else:
                kept.append((until, holder))
        self.held = kept[::-1]

    def over(self, now: int) -> bool:
        return all(until <= now for until, _ in self.held)


_STATES: dict[Algorithm, type[Gcra | Log | Counter | Fixed | Concurrency]] = {
    Algorithm.GCRA: Gcra,
    Algorithm.LOG: Log,
    Algorithm.COUNTER: Counter,
    Algorithm.FIXED: Fixed,
    Algorithm.CONCURRENCY: Concurrency,
}


def begin(algorithm: Algorithm) -> State:
    """The state of somebody who never asked."""
    return _STATES[algorithm]()
