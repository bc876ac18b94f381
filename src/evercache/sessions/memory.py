"""Sessions in this process: for tests, and for an application of one process that may forget them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from evercache.sessions.backend import Listed, Lives, Record, SessionChanged, SessionGone, TooLarge
from evercache.sessions.token import Token

__all__ = ["MemorySessions"]


class _Held:
    """One session. *dies* moves on when it is seen; *to* is where one that was left leads."""

    def __init__(self, record: Record, dies: int, to: str = "") -> None:
        self.record = record
        self.dies = dies
        self.to = to


class MemorySessions:
    """`backend.Backend`, saying in Python what the script says on Redis. *clock* gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._before: dict[str, int] = {}

    def _now(self) -> int:
        return int(self._clock() * 1000)

    async def create(
        self, token: Token, fields: Mapping[bytes, bytes], user: bytes, device: bytes, ends_in: int, lives: Lives
    ) -> None:
        now = self._now()
        ends = now + ends_in
        record = Record(dict(fields), user, device, self._made(token, now), now, ends, now, 1)
        self._forget_the_dead(now)
        self._held[token.name] = _Held(record, min(now + lives.idle, ends))

    async def load(self, token: Token, lives: Lives) -> Record | None:
        held = self._alive(token.name)
        if held is None or not held.to:
            return self._seen(held, lives)
        moved = self._seen(self._alive(held.to), lives)
        return None if moved is None else moved._replace(moved=True)

    async def save(
        self,
        token: Token,
        changed: Mapping[bytes, bytes],
        dropped: Collection[bytes],
        lives: Lives,
        expected: int | None = None,
    ) -> int:
        held = self._alive(token.name)
        if held is None or held.to:
            raise SessionGone("the session has ended; nothing was stored")
        record = held.record
        if expected is not None and record.version != expected:
            raise SessionChanged("the session was changed by another request; read it again")
        fields = {name: value for name, value in record.fields.items() if name not in dropped} | dict(changed)
        if sum(1 + len(name) + len(value) for name, value in fields.items()) > lives.size:
            raise TooLarge(f"the session would hold more than {lives.size} bytes; nothing was stored")
        now = self._now()
        held.record = record._replace(fields=fields, seen=now, version=record.version + 1)
        held.dies = min(now + lives.idle, record.ends)
        return record.version + 1

    async def move(self, old: Token, new: Token, user: bytes, lives: Lives, grace: int) -> bool:
        held = self._alive(old.name)
        if held is None or held.to:
            return False
        now, record = self._now(), held.record
        moved = record._replace(user=user, renewed=now, created=self._made(new, now), version=record.version + 1)
        self._held[new.name] = _Held(moved, min(now + lives.idle, record.ends))
        self._held[old.name] = _Held(record._replace(ends=now + grace), now + grace, to=new.name)
        return True

    async def destroy(self, token: Token) -> None:
        self._held.pop(token.name, None)

    async def revoke(self, place: str) -> None:
        self._before[place] = self._now()

    async def listed(self, place: str) -> Sequence[Listed]:
        names = [name for name in self._held if name.startswith(f"{place}:")]
        found = [(name, held) for name in names if (held := self._alive(name)) is not None and not held.to]
        found.sort(key=lambda pair: pair[1].record.ends)
        return [
            Listed(name.partition(":")[2][:12], held.record.device, held.record.created, held.record.seen)
            for name, held in found
        ]

    def _made(self, token: Token, now: int) -> int:
        """One that begins in the very millisecond of a revocation begins after it."""
        return max(now, self._before.get(token.place, 0) + 1)

    def _alive(self, name: str) -> _Held | None:
        held = self._held.get(name)
        if held is None:
            return None
        now, place = self._now(), name.partition(":")[0]
        if held.dies <= now or held.record.ends <= now or held.record.created <= self._before.get(place, 0):
            del self._held[name]
            return None
        return held

    def _seen(self, held: _Held | None, lives: Lives) -> Record | None:
        if held is None:
            return None
        now = self._now()
        if now - held.record.seen >= lives.touch:
            held.record = held.record._replace(seen=now)
            held.dies = min(now + lives.idle, held.record.ends)
        return held.record._replace(now=now)

    def _forget_the_dead(self, now: int) -> None:
        if len(self._held) % 1_000 == 999:
            self._held = {name: held for name, held in self._held.items() if held.dies > now}
