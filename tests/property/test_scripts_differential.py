"""The Lua scripts against their reference in Python.

Hypothesis makes up sequences of commands; the same sequence runs through `stores.memory.Partition` and, script by script,
through a real Redis. Stamps differ by nature, so both histories are brought to a common form: every token is replaced by
the number of its first appearance. Then every reply, every key, every record of the logs and every life must be equal.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evercache.core import protocol as say
from evercache.core.record import Record
from evercache.stores.memory import Partition
from evercache.stores.redis.keyspace import Keyspace
from evercache.stores.redis.looks import look_call
from evercache.stores.redis.scripts import Call, Setting, call, run_script
from evercache.testing.servers import RedisServer, ServerBinary, Wire, find_all

KEYS = (b"a", b"b")
TAGS = (b"x", b"y", b"z")
OWNERS = (b"L1", b"L2", b"")
TERMS = say.Terms(lease=40_000, lock=20_000)
MAX_BANS = 3
RUN = b"run-of-this-server"
SLACK = 2_500  # milliseconds: a second that scripts save on purpose, and the time the test takes


@pytest.fixture(scope="module", params=find_all(), ids=str)
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    binary: ServerBinary = request.param
    with RedisServer(binary=binary) as server, server.connect() as wire:
        yield wire


@dataclass
class Both:
    """The two stores, what they have said, and what later commands may refer to."""

    wire: Wire
    keys: Keyspace = field(default_factory=lambda: Keyspace("differential", 0))
    setting: Setting = field(default_factory=lambda: Setting(RUN, b"", MAX_BANS))
    said: tuple[list[Any], list[Any]] = field(default_factory=lambda: ([], []))
    begun: list[tuple[say.Key, tuple[bytes, ...], say.Begun, say.Begun]] = field(default_factory=list)
    bans: list[tuple[bytes, bytes]] = field(default_factory=list)
    fills: int = 0

    def __post_init__(self) -> None:
        self.wire.command("FLUSHALL")
        self.partition = Partition(lambda: time.time_ns() // 1_000_000, run=RUN, max_bans=MAX_BANS)

    def ask(self, what: Call) -> Any:
        return what.read(self.wire.command(*what.whole()))

    def call(self, command: say.Command[Any]) -> Call:
        if isinstance(command, say.Look):
            return look_call(command, self.keys)
        return call(command, self.keys, self.setting)

    def run(self, mine: say.Command[Any], theirs: say.Command[Any] | None = None) -> tuple[Any, Any]:
        replies = self.partition.execute(mine), self.ask(self.call(theirs or mine))
        for said, reply in zip(self.said, replies, strict=True):
            said.append((type(mine).__name__, reply))
        return replies

    # -- steps: each takes the numbers that Hypothesis chose ---------------------------------------------------------

    def look(self, key: int, tags: int, *_: int) -> None:
        looked, other = self.run(say.Look(_key(key), _tags(tags)))
        if looked.ban is not None and other.ban is not None:
            self.bans.append((looked.ban, other.ban))

    def begin(self, key: int, tags: int, owner: int, flags: int) -> None:
        where, names = _key(key), _tags(tags)
        seen = _record_fill(self.partition, where) if flags & 1 else None
        command = say.Begin(
            where, names, b"c", OWNERS[owner % 2], TERMS, seen, force=bool(flags & 2), rotate=bool(flags & 4)
        )
        self.begun.append((where, names, *self.run(command)))

    def reserve(self, key: int, tags: int, *_: int) -> None:
        where, names = _key(key), _tags(tags)
        self.begun.append((where, names, *self.run(say.Reserve(where, names, b"r", TERMS))))

    def fill(self, which: int, owner: int, ttl: int, _: int) -> None:
        if not self.begun:
            return
        key, tags, mine, theirs = self.begun[-1 - which % min(3, len(self.begun))]
        if mine.generation is None or theirs.generation is None:
            return
        self.fills += 1
        commands = [
            say.Fill(key, self._record(tags, begun), begun.generation or b"", OWNERS[owner % 3], _ttl(ttl), TERMS)
            for begun in (mine, theirs)
        ]
        self.run(*commands)

    def _record(self, tags: tuple[bytes, ...], begun: say.Begun) -> Record:
        fresh_until = begun.now + 10**9 if self.fills % 3 else 0
        return Record(
            b"%016d" % self.fills, begun.namespace or b"", begun.ban or b"", tags, begun.stamps, 1, fresh_until, 0, 7,
            b"schema..", b"payload",
        )  # fmt: skip

    def tags(self, which: int, tags: int, key: int, also: int, *_: int) -> None:
        if self.begun:
            *_, mine, theirs = self.begun[which % len(self.begun)]
            if mine.anchor and theirs.anchor:
                names, also = _tags(tags), (_key(key).id, TAGS[also % 3])[: also % 4]
                self.run(*[say.Tags(begun.anchor, names, b"t", TERMS, also) for begun in (mine, theirs)])

    def renew(self, which: int, owner: int, *_: int) -> None:
        if self.begun:
            key, _, mine, theirs = self.begun[which % len(self.begun)]
            lock = OWNERS[owner % 3]
            commands = [say.Renew(key, begun.generation or b"?", lock, TERMS) for begun in (mine, theirs)]
            self.run(*commands)

    def release(self, key: int, owner: int, *_: int) -> None:
        self.run(say.Release(_key(key), OWNERS[owner % 3]))

    def invalidate_key(self, key: int, *_: int) -> None:
        self.run(say.InvalidateKey(_key(key).id))

    def expire_key(self, key: int, *_: int) -> None:
        self.run(say.ExpireKey(_key(key).id))

    def invalidate_tag(self, tag: int, *_: int) -> None:
        self.run(say.InvalidateTag(TAGS[tag % 3], b"i", TERMS))

    def expire_tag(self, tag: int, *_: int) -> None:
        self.run(say.ExpireTag(TAGS[tag % 3], b"e", TERMS))

    def ban(self, pattern: int, *_: int) -> None:
        self.run(say.Ban(("a*", "zoë?", "")[pattern % 3], b"b", TERMS))

    def distrust(self, *_: int) -> None:
        self.run(say.Distrust(b"d", TERMS))

    def banned(self, which: int, *_: int) -> None:
        if self.bans:
            mine, theirs = self.bans[which % len(self.bans)]
            my_last, their_last = self.bans[-1]
            self.run(say.Bans(mine, my_last), say.Bans(theirs, their_last))

    def restart(self, other: int, *_: int) -> None:
        """Another process of the server, or the same: `Partition.adopt` against adopt.lua."""
        run = (RUN, b"another-run")[other % 2]
        keys = self.keys
        self.setting = self.setting._replace(run=run)
        names = (keys.namespace, keys.ban, keys.bans, keys.log)
        theirs = self.ask(run_script("adopt", names, (b"a", TERMS.horizon), self.setting, bool))
        assert self.partition.adopt(run, b"a", TERMS) is theirs

    def evict(self, kind: int, key: int, *_: int) -> None:
        """A store may lose any key at any time."""
        slot = self._slots()[(kind * 3 + key) % len(self._slots())]
        self.partition.data.pop(slot, None)
        self.wire.command("DEL", self._name(slot))

    def age(self, kind: int, key: int, *_: int) -> None:
        """Time goes by for one key: it has ten seconds left. What is prolonged afterwards shows."""
        slot = self._slots()[(kind * 3 + key) % len(self._slots())]
        if self.partition._get(slot) is not None and self.partition.data[slot][1] is not None:
            self.partition._set(slot, self.partition._get(slot), 10_000)
            self.wire.command("PEXPIRE", self._name(slot), 10_000)

    def nothing(self, *_: int) -> None:
        """Lets Hypothesis shorten a history that must have some length."""

    # -- comparison --------------------------------------------------------------------------------------------------

    def _slots(self) -> list[tuple[str, bytes]]:
        per_key = [(kind, key) for kind in "eglw" for key in KEYS]
        return [*per_key, ("n", b""), ("b", b""), *[("t", tag) for tag in TAGS]]

    def _name(self, slot: tuple[str, bytes]) -> bytes:
        kind, name = slot
        return b"{differential.0}:" + kind.encode() + (b":" + name if kind in "eglwt" else b"")

    def compare(self) -> None:
        for slot in self._slots():
            mine = self.partition._get(slot)
            theirs = self.wire.command("GET", self._name(slot))
            for said, value in zip(self.said, (mine, theirs), strict=True):
                # Entries are compared through looks; here it is enough that both or neither are there.
                said.append((slot, value is not None if slot[0] == "e" else value))
            if mine is not None and theirs is not None:
                self._compare_life(slot)
        for key in KEYS:
            self.run(say.Look(say.Key(key, ""), TAGS))
        assert normal(self.said[1]) == normal(self.said[0])
        for name, mine in ((self.keys.log, self.partition.log), (self.keys.wake, self.partition.wakes)):
            theirs = [(fields[0].decode(), fields[1]) for _, fields in self.wire.command("XRANGE", name, "-", "+")]
            assert theirs == [("k", item) if isinstance(item, bytes) else tuple(item) for _, item in mine]

    def _compare_life(self, slot: tuple[str, bytes]) -> None:
        dies = self.partition.data[slot][1]
        left = self.wire.command("PTTL", self._name(slot))
        mine = -1 if dies is None else dies - self.partition.now()
        assert (left == -1) == (mine == -1), (slot, left, mine)
        # The position in the ban list lives longer than the reference asks for, with the list itself.
        assert abs(left - mine) < SLACK or (slot[0] == "b" and left > mine), (slot, left, mine)


def normal(value: Any) -> Any:
    """*value* with every token replaced by the number of its first appearance, and times by what they mean."""
    seen: dict[bytes, int] = {}

    def number(token: bytes) -> Any:
        if token in (*KEYS, *TAGS, *OWNERS, b"1"):
            return token
        parts = token.split(b"/")
        return token[:1] == b"!", [seen.setdefault(part, len(seen)) for part in parts]

    def walk(item: Any) -> Any:
        match item:
            case bytes():
                return number(item)
            case Record():
                fresh = item.fresh_until and 1 + (item.fresh_until > time.time() * 1000)
                return fresh, item.fill, [walk(x) for x in (item.namespace, item.ban, *item.stamps)], item.tags
            case say.Begun():
                # Positions in the log and the clock are this server's own.
                return walk(tuple(item._replace(anchor=b"", now=0, wait=item.wait > 0)))
            case tuple() | list():
                return [walk(x) for x in item]
            case _:
                return item

    return walk(value)


def _key(number: int) -> say.Key:
    return say.Key(KEYS[number // 6], "")


def _tags(bits: int) -> tuple[bytes, ...]:
    return tuple(tag for bit, tag in enumerate(TAGS) if bits >> bit & 1)


def _ttl(number: int) -> int | None:
    return (None, 5_000, 200_000_000)[number % 3]


def _record_fill(partition: Partition, key: say.Key) -> bytes | None:
    record = partition._get(("e", key.id))
    return None if record is None else record.fill


STEPS = [
    *(
        "nothing",
        "age",
        "age",
        "release",
        "look",
        "begin",
        "begin",
        "begin",
        "reserve",
        "fill",
        "fill",
        "fill",
        "tags",
        "renew",
        "release",
        "evict",
    ),
    *("invalidate_key", "expire_key", "invalidate_tag", "expire_tag", "ban", "distrust", "banned", "restart"),
]
NUMBER = st.integers(0, 7)


@pytest.mark.row("PR1", "S1.11")
@settings(max_examples=200)
@example(
    [("begin", 0, 0, 0, 0), ("evict", 2, 2, 0, 0), ("begin", 6, 0, 0, 0), ("fill", 1, 0, 1, 0)]
)  # a new namespace stamp
@example(
    [("begin", 0, 0, 0, 0), ("begin", 0, 0, 1, 0), ("begin", 0, 0, 1, 2), ("fill", 0, 2, 1, 0)]
)  # not the lock's owner
@given(st.lists(st.tuples(st.sampled_from(STEPS), NUMBER, NUMBER, NUMBER, NUMBER), min_size=20, max_size=60))
def test_every_script_says_and_does_what_its_reference_does(wire, steps):
    """Any sequence of commands gives equal replies, equal state, equal logs and equal lives."""
    both = Both(wire)
    for name, *numbers in steps:
        getattr(both, name)(*numbers)
    both.compare()
    for key in wire.command("KEYS", "*"):
        forever = any(ttl is None for ttl in _ttls(steps))
        assert wire.command("PTTL", key) > 0 or forever, key


def _ttls(steps: list[tuple[str, int, int, int, int]]) -> list[int | None]:
    return [_ttl(ttl) for name, _, _, ttl, _ in steps if name == "fill"]
