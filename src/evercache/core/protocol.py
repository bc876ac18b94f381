"""The commands between a process and one partition of the shared store.

This is the whole vocabulary of coherence: a handful of commands, each atomic in the store (one script on Redis, one
method of `stores.memory.Partition`), each harmless when it is lost, late or executed twice. The flights
(`core.flight`) speak it, the stores execute it, the simulation delays, repeats and loses it: one protocol, simulated
and real.

    Look      read an entry with the stamps that prove it (plain MGET, no script)
    Begin     before a load: the generation that a fill must present, the stamps, the advisory herd lock
    Tags      after a load: the stamps of tags that were only known then
    Fill      store the loaded value, if nothing it depends on was invalidated since Begin
    Reserve   before a put: invalidates the key and gives a generation that nobody else shares
    Renew     keep generation and lock alive during a long load;  Release: give the lock back
    Invalidate…, Expire…, Ban, Distrust     what writers say;  every one leaves a record in the log
    Bans      the glob patterns banned after a position

A generation, a stamp and a candidate are opaque bytes. The store completes each candidate with its own clock, so that a
command that is executed twice never brings an old stamp back to life.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from evercache.core.record import Record

__all__ = [
    "Ban",
    "Bans",
    "Begin",
    "Begun",
    "Command",
    "Distrust",
    "ExpireKey",
    "ExpireTag",
    "Fill",
    "InvalidateKey",
    "InvalidateTag",
    "Key",
    "LogRecord",
    "Look",
    "Looked",
    "Release",
    "Renew",
    "Reserve",
    "Tags",
    "Terms",
]

R_co = TypeVar("R_co", covariant=True)


class Key:
    """One logical key as the store sees it.

    - `id`: what stands in Redis and in the log: a readable name and a digest, never an argument's text.
    - `text()`: the readable logical key with its arguments, for globs; it never leaves this process.
    """

    __slots__ = ("_text", "id")

    def __init__(self, id: bytes, text: Callable[[], str] | str) -> None:
        self.id = id
        self._text = text

    @property
    def text(self) -> str:
        text = self._text
        if not isinstance(text, str):
            text = self._text = text()
        return text

    def __repr__(self) -> str:
        return f"Key({self.id.decode('ascii', 'replace')})"


class Terms(NamedTuple):
    """The life times that all processes of a namespace agree on, in milliseconds.

    - `lease`: a generation that nobody renews is forgotten after this; 10 s.
    - `lock`: the herd lock of a holder that died; 1.5 s.
    - `horizon`: stamps and bans live at least this long, and at least as long as any entry that names them; 24 h.
    """

    lease: int = 10_000
    lock: int = 1_500
    horizon: int = 86_400_000


class Command(Generic[R_co]):
    """A command; the parameter is the type of its reply."""

    __slots__ = ()


class Looked(NamedTuple):
    """An entry and the current stamps, read in one step. `None` means "not there"; *corrupt*: something is there,
    and it is no entry; Begin removes it."""

    record: Record | None
    namespace: bytes | None
    ban: bytes | None
    stamps: tuple[bytes | None, ...]
    corrupt: bool = False


class Begun(NamedTuple):
    """The answer to Begin and Reserve.

    With a `record`, somebody has filled in the meantime and nothing was begun: judge it with the stamps beside it.
    Otherwise `generation` is what Fill must present (None: somebody is putting a value right now, load without filling),
    `holder` tells who has the herd lock, and `wait` is the remaining life of another one's lock in seconds.
    `anchor` is the last position of the log, for Tags; `now` the store's clock in milliseconds.
    """

    record: Record | None
    namespace: bytes | None
    ban: bytes | None
    stamps: tuple[bytes | None, ...]
    generation: bytes | None
    anchor: bytes
    holder: bool
    wait: float
    now: int


class LogRecord(NamedTuple):
    """One record of the invalidation log. Kinds: `k` key, `x` key expired, `t` tag, `y` tag expired, `b` ban,
    `n` namespace, `o` the log was opened (nothing happened)."""

    kind: str
    name: bytes


@dataclass(slots=True)
class Look(Command[Looked]):
    key: Key
    tags: tuple[bytes, ...]


@dataclass(slots=True)
class Begin(Command[Begun]):
    """*seen* is the fill that the caller has already judged useless; *force* begins although an entry is there and
    although another one holds the lock; *rotate* makes every earlier generation useless."""

    key: Key
    tags: tuple[bytes, ...]
    candidate: bytes
    lock: bytes
    terms: Terms
    seen: bytes | None = None
    force: bool = False
    rotate: bool = False


@dataclass(slots=True)
class Reserve(Command[Begun]):
    key: Key
    tags: tuple[bytes, ...]
    candidate: bytes
    terms: Terms


@dataclass(slots=True)
class Tags(Command["tuple[bytes, ...] | None"]):
    """Stamps for *tags*; None if the log was lost since *anchor*, or if a record since names one of them or of *also*
    (ids of tags and keys), a pattern or the namespace."""

    anchor: bytes
    tags: tuple[bytes, ...]
    candidate: bytes
    terms: Terms
    also: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Fill(Command[bool]):
    """Store *record* for *ttl* milliseconds (None: for ever); False if anything it names is no longer current."""

    key: Key
    record: Record
    generation: bytes
    lock: bytes
    ttl: int | None
    terms: Terms


@dataclass(slots=True)
class Renew(Command[bool]):
    """False if the generation is gone; the load goes on, its fill will be rejected."""

    key: Key
    generation: bytes
    lock: bytes
    terms: Terms


@dataclass(slots=True)
class Release(Command[None]):
    key: Key
    lock: bytes


@dataclass(slots=True)
class InvalidateKey(Command[None]):
    """Drops the entry and rejects every load that began before."""

    id: bytes


@dataclass(slots=True)
class ExpireKey(Command[None]):
    """Makes the entry stale, keeps it for fail-safe, and rejects every load that began before. *now*: see `Fill`."""

    id: bytes


@dataclass(slots=True)
class InvalidateTag(Command[None]):
    tag: bytes
    candidate: bytes
    terms: Terms


@dataclass(slots=True)
class ExpireTag(Command[None]):
    tag: bytes
    candidate: bytes
    terms: Terms


@dataclass(slots=True)
class Ban(Command[None]):
    """Invalidates every key whose text matches the glob *pattern* (`core.patterns`)."""

    pattern: str
    candidate: bytes
    terms: Terms


@dataclass(slots=True)
class Distrust(Command[None]):
    """A new namespace stamp: everything stored so far is invalid. O(1)."""

    candidate: bytes
    terms: Terms


@dataclass(slots=True)
class Bans(Command["tuple[str, ...] | None"]):
    """The patterns banned after position *since*, up to *upto* at least; None when one of the two is not in the list.

    *upto* is what the look before has seen. A list without it is another one: of a server that took over and had not
    received everything.
    """

    since: bytes
    upto: bytes
