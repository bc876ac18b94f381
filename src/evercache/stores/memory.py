"""The reference of the store: every command of `core.protocol` on a plain dictionary.

`Partition` says in Python what the Lua scripts say on Redis, and is what the simulation breaks: a differential test
runs the same commands through both. `MemoryStore` offers it to a cache: several `Cache` objects over one `MemoryStore`
behave like several processes over one Redis, without a server.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from evercache.core.protocol import (
    Ban,
    Bans,
    Begin,
    Begun,
    Command,
    Distrust,
    ExpireKey,
    ExpireTag,
    Fill,
    InvalidateKey,
    InvalidateTag,
    LogRecord,
    Look,
    Looked,
    Release,
    Renew,
    Reserve,
    Tags,
    Terms,
)
from evercache.core.record import Record
from evercache.core.stamps import soften

__all__ = ["Partition"]

Slot = tuple[str, bytes]
RESERVED = b"!"
MARGIN = 60_000
"""A stamp outlives the entries that name it by this many milliseconds."""


class Partition:
    """One partition: a dictionary with lives, an invalidation log, a wake-up log and a ban list.

    *now* gives the server's clock in milliseconds; *run* names this incarnation of the server, as Redis' `run_id`.
    """

    def __init__(self, now: Callable[[], int], *, run: bytes = b"run", log_length: int = 10_000, max_bans: int = 1_000):
        self.now = now
        self.run = run
        self.log_length = log_length
        self.max_bans = max_bans
        self.data: dict[Slot, tuple[Any, int | None]] = {}
        self.log: list[tuple[int, LogRecord]] = []
        self.wakes: list[tuple[int, bytes]] = []
        self.bans: list[tuple[bytes, str]] = []
        self._serial = 0

    # -- the dictionary ------------------------------------------------------------------------------------------

    def _get(self, slot: Slot) -> Any:
        found = self.data.get(slot)
        if found is None:
            return None
        value, dies = found
        if dies is not None and dies <= self.now():
            del self.data[slot]
            return None
        return value

    def _set(self, slot: Slot, value: Any, life: int | None) -> None:
        self.data[slot] = (value, None if life is None else self.now() + life)

    def _prolong(self, slot: Slot, life: int | None) -> None:
        """Let *slot* live at least *life* from now."""
        found = self.data.get(slot)
        if found is None or found[1] is None:
            return
        dies = None if life is None else max(found[1], self.now() + life)
        self.data[slot] = (found[0], dies)

    def _left(self, slot: Slot) -> float:
        dies = self.data[slot][1]
        return 0.0 if dies is None else (dies - self.now()) / 1000

    def _serial_of(self, candidate: bytes) -> bytes:
        """*candidate*, made unique by this server: a repeated command never yields the same stamp."""
        self._serial += 1
        return b"%s.%d.%d" % (candidate, self.now(), self._serial)

    def _or_new(self, slot: Slot, candidate: bytes, life: int) -> bytes:
        value: bytes | None = self._get(slot)
        if value is None:
            value = self._serial_of(candidate)
            self._set(slot, value, life)
        else:
            self._prolong(slot, life)
        return value

    # -- the logs ------------------------------------------------------------------------------------------------

    def _append(self, kind: str, name: bytes) -> int:
        self._serial += 1
        self.log.append((self._serial, LogRecord(kind, name)))
        if len(self.log) > self.log_length:
            del self.log[: -self.log_length]
        return self._serial

    def open_log(self) -> bytes:
        """The last position of the log; makes sure that there is one."""
        position = self.log[-1][0] if self.log else self._append("o", b"")
        return b"%d" % position

    def read_log(self, position: bytes) -> tuple[bool, list[tuple[bytes, LogRecord]]]:
        """Whether *position* is still in the log, and the records behind it."""
        at = int(position)
        later = bisect_right(self.log, at, key=_number)
        present = later > 0 and self.log[later - 1][0] == at
        return present, [(b"%d" % number, record) for number, record in self.log[later:]]

    def woken_since(self, position: int) -> list[tuple[int, bytes]]:
        """Whose waiters were woken after *position*."""
        return self.wakes[bisect_right(self.wakes, position, key=_number) :]

    def _wake(self, key: bytes) -> None:
        if self.data.pop(("w", key), None) is not None:
            self._serial += 1
            self.wakes.append((self._serial, key))
            del self.wakes[:-1_000]

    # -- commands ------------------------------------------------------------------------------------------------

    def execute(self, command: Command[Any]) -> Any:
        """Run one command; atomic, as a script is."""
        return _DISPATCH[type(command)](self, command)

    def _namespace(self, candidate: bytes, terms: Terms) -> bytes:
        return self._or_new(("n", b""), candidate + b"|" + self.run, terms.horizon)

    def _ban_position(self, terms: Terms) -> bytes:
        position: bytes | None = self._get(("b", b""))
        if position is None:
            position = self._serial_of(b"b")
            self.bans.append((position, ""))
            self._set(("b", b""), position, terms.horizon)
        return position

    def look(self, command: Look) -> Looked:
        return Looked(
            self._get(("e", command.key.id)),
            self._get(("n", b"")),
            self._get(("b", b"")),
            tuple([self._get(("t", tag)) for tag in command.tags]),
        )

    def begin(self, command: Begin) -> Begun:
        key, terms = command.key.id, command.terms
        record: Record | None = self._get(("e", key))
        if record is not None and not command.force and record.fill != command.seen:
            looked = self.look(Look(command.key, command.tags))
            return Begun(*looked[:4], generation=None, anchor=b"", holder=False, wait=0.0, now=self.now())
        namespace = self._namespace(command.candidate, terms)
        ban = self._ban_position(terms)
        generation: bytes | None = self._get(("g", key))
        if generation is None or command.rotate:
            generation = self._serial_of(command.candidate)
            self._set(("g", key), generation, terms.lease)
        elif generation.startswith(RESERVED):
            generation = None
        else:
            self._prolong(("g", key), terms.lease)
        stamps = tuple([self._or_new(("t", tag), command.candidate, terms.horizon) for tag in command.tags])
        holder, wait = self._lock(command)
        return Begun(None, namespace, ban, stamps, generation, self.open_log(), holder, wait, self.now())

    def _lock(self, command: Begin) -> tuple[bool, float]:
        key, terms = command.key.id, command.terms
        owner = self._get(("l", key))
        if owner is None or owner == command.lock:
            self._set(("l", key), command.lock, terms.lock)
            return True, 0.0
        if not command.force:
            self._set(("w", key), b"1", terms.lock)
        return False, self._left(("l", key))

    def reserve(self, command: Reserve) -> Begun:
        key, terms = command.key.id, command.terms
        self.data.pop(("e", key), None)
        namespace = self._namespace(command.candidate, terms)
        ban = self._ban_position(terms)
        generation = RESERVED + self._serial_of(command.candidate)
        self._set(("g", key), generation, terms.lock)
        stamps = tuple([self._or_new(("t", tag), command.candidate, terms.horizon) for tag in command.tags])
        self._append("k", key)
        return Begun(None, namespace, ban, stamps, generation, self.open_log(), False, 0.0, self.now())

    def tags(self, command: Tags) -> tuple[bytes, ...] | None:
        present, records = self.read_log(command.anchor)
        wanted = {*command.tags, *command.also}
        if not present or any(record.kind in "nb" or record.name in wanted for _, record in records):
            return None
        return tuple([self._or_new(("t", tag), command.candidate, command.terms.horizon) for tag in command.tags])

    def fill(self, command: Fill) -> bool:
        key, record = command.key.id, command.record
        own = self._get(("l", key)) == command.lock
        if own:
            del self.data["l", key]
        accepted = self.may_fill(command)
        if accepted:
            self._set(("e", key), record, command.ttl)
            del self.data["g", key]
            life = None if command.ttl is None else max(command.ttl + MARGIN, command.terms.horizon)
            for slot in (("n", b""), ("b", b""), *[("t", tag) for tag in record.tags]):
                self._prolong(slot, life)
        if own or accepted:
            self._wake(key)
        return accepted

    def may_fill(self, command: Fill) -> bool:
        """The heart: generation, namespace, ban position and every stamp are what they were when the load began."""
        record = command.record
        return (
            self._get(("g", command.key.id)) == command.generation
            and self._get(("n", b"")) == record.namespace
            and self._get(("b", b"")) == record.ban
            and all(self._get(("t", tag)) == stamp for tag, stamp in zip(record.tags, record.stamps, strict=True))
        )

    def renew(self, command: Renew) -> bool:
        key = command.key.id
        if self._get(("l", key)) == command.lock:
            self._prolong(("l", key), command.terms.lock)
        if self._get(("g", key)) != command.generation:
            return False
        self._prolong(("g", key), command.terms.lease)
        return True

    def release(self, command: Release) -> None:
        key = command.key.id
        if self._get(("l", key)) == command.lock:
            del self.data["l", key]
            self._wake(key)

    def invalidate_key(self, command: InvalidateKey) -> None:
        self.data.pop(("e", command.id), None)
        self.data.pop(("g", command.id), None)
        self._append("k", command.id)

    def expire_key(self, command: ExpireKey) -> None:
        self.data.pop(("g", command.id), None)
        record: Record | None = self._get(("e", command.id))
        if record is not None and (record.fresh_until == 0 or record.fresh_until > self.now()):
            dies = self.data["e", command.id][1]
            self.data["e", command.id] = (replace(record, fresh_until=self.now()), dies)
        self._append("x", command.id)

    def invalidate_tag(self, command: InvalidateTag) -> None:
        self._set(("t", command.tag), self._serial_of(command.candidate), command.terms.horizon)
        self._append("t", command.tag)

    def expire_tag(self, command: ExpireTag) -> None:
        stamp: bytes | None = self._get(("t", command.tag))
        if stamp is not None:
            dies = self.data["t", command.tag][1]
            self.data["t", command.tag] = (soften(stamp, self._serial_of(command.candidate)), dies)
        self._append("y", command.tag)

    def ban(self, command: Ban) -> None:
        if len(self.bans) >= self.max_bans:
            self.distrust(Distrust(command.candidate, command.terms))
            return
        position = self._serial_of(command.candidate)
        self.bans.append((position, command.pattern))
        self._set(("b", b""), position, command.terms.horizon)
        self._append("b", command.pattern.encode("utf-8", "surrogatepass"))

    def distrust(self, command: Distrust) -> None:
        self.bans.clear()
        self.data.pop(("b", b""), None)
        stamp = self._serial_of(command.candidate + b"|" + self.run)
        self._set(("n", b""), stamp, command.terms.horizon)
        self._append("n", b"")

    def banned(self, command: Bans) -> tuple[str, ...] | None:
        positions = [position for position, _ in self.bans]
        if command.since not in positions or command.upto not in positions:
            return None
        return tuple(pattern for _, pattern in self.bans[positions.index(command.since) + 1 :])

    def adopt(self, run: bytes, candidate: bytes, terms: Terms) -> bool:
        """This server is another one than before: distrust what it holds. True if that was news."""
        self.run = run
        namespace: bytes | None = self._get(("n", b""))
        if namespace is None or b"|" + run + b"." in namespace:
            return False
        self.distrust(Distrust(candidate, terms))
        return True

    def flush(self) -> None:
        """FLUSHALL, or a restart to empty."""
        self.data.clear()
        self.log.clear()
        self.wakes.clear()
        self.bans.clear()


def _number(numbered: tuple[int, object]) -> int:
    return numbered[0]


_DISPATCH: dict[type, Callable[[Partition, Any], Any]] = {
    Look: lambda partition, command: partition.look(command),
    Begin: lambda partition, command: partition.begin(command),
    Reserve: lambda partition, command: partition.reserve(command),
    Tags: lambda partition, command: partition.tags(command),
    Fill: lambda partition, command: partition.fill(command),
    Renew: lambda partition, command: partition.renew(command),
    Release: lambda partition, command: partition.release(command),
    InvalidateKey: lambda partition, command: partition.invalidate_key(command),
    ExpireKey: lambda partition, command: partition.expire_key(command),
    InvalidateTag: lambda partition, command: partition.invalidate_tag(command),
    ExpireTag: lambda partition, command: partition.expire_tag(command),
    Ban: lambda partition, command: partition.ban(command),
    Distrust: lambda partition, command: partition.distrust(command),
    Bans: lambda partition, command: partition.banned(command),
}
