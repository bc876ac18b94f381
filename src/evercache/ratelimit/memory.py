"""Counting in this process: for tests, for one process, and while the store doesn't answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evercache.ratelimit.algorithms import State, begin
from evercache.ratelimit.backend import Asked, Counted

__all__ = ["MemoryBackend"]

MOST = 100_000
"""Who asks, times limits. Beyond them, what is over is forgotten; then whoever asked longest ago."""


class MemoryBackend:
    """`backend.Backend` over the algorithms themselves. *clock* gives seconds, which never go back."""

    def __init__(self, clock: Callable[[], float], *, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._states: dict[tuple[str, str, str], State] = {}

    def now(self) -> int:
        """Microseconds."""
        return int(self._clock() * 1_000_000)

    async def take(self, identity: str, asked: Sequence[Asked], id: str) -> list[Counted]:
        return self.count(identity, asked, id)

    async def give_back(self, identity: str, asked: Sequence[Asked], id: str) -> None:
        self.return_to(identity, asked, id)

    def count(self, identity: str, asked: Sequence[Asked], id: str) -> list[Counted]:
        """`take`, at once."""
        now = self.now()
        states = [self._state(identity, each) for each in asked]
        looks = [state.look(each.terms, now, each.cost) for state, each in zip(states, asked, strict=True)]
        allowed = all(look.allowed or each.shadow for look, each in zip(looks, asked, strict=True))
        counted: list[Counted] = []
        for state, each, look in zip(states, asked, looks, strict=True):
            taken = (allowed and look.allowed) or each.terms.count_denied
            if taken:
                state.take(each.terms, now, each.cost, id)
                after = state.look(each.terms, now, 1)
                counted.append(Counted(look.allowed, after.remaining, look.retry, after.reset))
            else:
                counted.append(Counted(look.allowed, look.remaining, look.retry, look.reset))
        return counted

    def return_to(self, identity: str, asked: Sequence[Asked], id: str) -> None:
        """`give_back`, at once."""
        now = self.now()
        for each in asked:
            self._state(identity, each).give_back(each.terms, now, each.cost, id)

    def _state(self, identity: str, asked: Asked) -> State:
        place = identity, asked.name, asked.algorithm.value
        state = self._states.pop(place, None)  # who asked last stands last
        if state is None:
            state = begin(asked.algorithm)
            if len(self._states) >= self._most:
                self._make_room()
        self._states[place] = state
        return state

    def _make_room(self) -> None:
        now = self.now()
        self._states = {place: state for place, state in self._states.items() if not state.over(now)}
        for place in list(self._states)[: max(0, len(self._states) - self._most * 9 // 10)]:
            del self._states[place]

    def __len__(self) -> int:
        return len(self._states)
