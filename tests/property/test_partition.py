"""The reference of the store, against what its promises say in one sentence each."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evercache.core.protocol import (
    Ban,
    Bans,
    Begin,
    Command,
    Distrust,
    ExpireKey,
    ExpireTag,
    Fill,
    InvalidateKey,
    InvalidateTag,
    Key,
    Look,
    Release,
    Renew,
    Reserve,
    Tags,
    Terms,
)
from evercache.core.record import Record
from evercache.stores.memory import Partition

TERMS = Terms(lease=100, lock=20, horizon=1_000)
KEYS = [Key(b"a", "a"), Key(b"b", "b")]
TAGS = (b"s", b"t")

key = st.sampled_from(KEYS)
tags = st.sampled_from([(), (b"s",), (b"t",), TAGS])
tag = st.sampled_from(TAGS)
writes = st.one_of(
    st.tuples(st.just("invalidate"), key),
    st.tuples(st.just("expire"), key),
    st.tuples(st.just("invalidate tag"), tag),
    st.tuples(st.just("expire tag"), tag),
    st.tuples(st.just("ban")),
    st.tuples(st.just("distrust")),
)
steps = st.lists(
    st.one_of(
        writes,
        st.tuples(st.just("begin"), key, tags, st.booleans()),
        st.tuples(st.just("reserve"), key, tags),
        st.tuples(st.just("fill"), st.integers(0, 4)),
        st.tuples(st.just("repeat"), st.integers(0, 9)),
        st.tuples(st.just("evict"), st.integers(0, 20)),
        st.tuples(st.just("flush")),
        st.tuples(st.just("wait"), st.integers(1, 150)),
    ),
    max_size=40,
)


WRITES = {
    "invalidate": lambda name, key: InvalidateKey(key.id),
    "expire": lambda name, key: ExpireKey(key.id),
    "invalidate tag": lambda name, tag: InvalidateTag(tag, name, TERMS),
    "expire tag": lambda name, tag: ExpireTag(tag, name, TERMS),
    "ban": lambda name: Ban("*", name, TERMS),
    "distrust": lambda name: Distrust(name, TERMS),
}


class Run:
    """A partition, what was said to it, and what every slot has ever held."""

    def __init__(self) -> None:
        self.now = 1_000
        self.partition = Partition(lambda: self.now, max_bans=2)
        self.said: list[Command[Any]] = []
        self.writes: list[Command[Any]] = []
        self.begun: list[tuple[Fill, int]] = []
        self.held: dict[Any, list[Any]] = {}
        self.names = 0

    def name(self) -> bytes:
        self.names += 1
        return b"c%d" % self.names

    def say(self, command: Command[Any]) -> Any:
        self.said.append(command)
        if not isinstance(command, Begin | Fill):
            self.writes.append(command)
        reply = self.partition.execute(command)
        self.remember()
        return reply

    def remember(self) -> None:
        """A stamp that comes back after it was another one would bring dead entries back to life."""
        current = {slot: value for slot, (value, _) in self.partition.data.items() if slot[0] in "gntb"}
        for slot in current.keys() | self.held.keys():
            value, held = current.get(slot), self.held.setdefault(slot, [None])
            if held[-1] != value:
                assert value is None or value not in held, f"{slot} holds {value!r} again"
                held.append(value)

    def begin(self, command: Begin | Reserve) -> None:
        begun = self.say(command)
        if begun.generation is None:
            return
        record = Record(self.name(), begun.namespace, begun.ban, command.tags, begun.stamps, payload=len(self.writes))
        fill = Fill(command.key, record, begun.generation, b"lock", 500, TERMS)
        self.begun.append((fill, len(self.writes)))

    def fill(self, fill: Fill, since: int) -> None:
        if self.say(fill):
            between = [command for command in self.writes[since:] if concerns(command, fill)]
            assert not between, f"stored in spite of {between}"

    def play(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("begin", key, tags, rotate):
                self.begin(Begin(key, tags, self.name(), b"lock", TERMS, force=True, rotate=rotate))
            case ("reserve", key, tags):
                self.begin(Reserve(key, tags, self.name(), TERMS))
            case ("fill", index) if index < len(self.begun):
                self.fill(*self.begun[-1 - index])
            case (kind, *what) if kind in WRITES:
                self.say(WRITES[kind](self.name(), *what))
            case ("repeat", index) if index < len(self.said):
                self.say(self.said[-1 - index])
            case ("evict", index) if index < len(self.partition.data):
                del self.partition.data[list(self.partition.data)[index]]
                self.remember()
            case ("flush",):
                self.partition.flush()
                self.remember()
            case ("wait", milliseconds):
                self.now += milliseconds


def concerns(command: Command[Any], fill: Fill) -> bool:
    match command:
        case InvalidateKey() | ExpireKey():
            return command.id == fill.key.id
        case InvalidateTag() | ExpireTag():
            return command.tag in fill.record.tags
        case Reserve():
            return command.key.id == fill.key.id
        case _:
            return True


@pytest.mark.row("PR1", "W40")
@given(steps)
def test_a_fill_is_accepted_only_if_nothing_it_names_was_touched_since_its_begin(steps):
    """Whatever is evicted, flushed, repeated or forgotten in between; and no stamp ever comes back."""
    run = Run()
    for step in steps:
        run.play(step)


@pytest.mark.row("PR1", "W40")
@settings(max_examples=400)
@given(steps, key, tags, st.lists(writes, max_size=2), st.booleans())
def test_a_fill_is_rejected_exactly_by_what_concerns_it(steps, key, tags, between, puts):
    """Whatever happened before the load began; and other keys' and other tags' invalidations don't cost the entry."""
    run = Run()
    for step in steps:
        run.play(step)
    run.play(("reserve", key, tags) if puts else ("begin", key, tags, True))
    fill, since = run.begun[-1]
    for write in between:
        run.play(write)
    assert run.partition.execute(fill) == (not [command for command in run.writes[since:] if concerns(command, fill)])


@pytest.mark.row("PR1")
@given(steps, key)
def test_a_put_takes_the_generation_away(steps, key):
    """From loads that began before it; and loads that begin during it get none."""
    run = Run()
    for step in steps:
        run.play(step)
    run.play(("begin", key, (), True))
    old, _ = run.begun[-1]
    run.play(("reserve", key, ()))
    assert run.partition.execute(Begin(key, (), b"late", b"lock", TERMS)).generation is None
    assert not run.partition.execute(old)
    assert run.partition.execute(run.begun[-1][0])


@given(steps, key)
def test_a_generation_fills_once(steps, key):
    """A second fill with it could be an older load."""
    run = Run()
    for step in steps:
        run.play(step)
    begun = run.partition.execute(Begin(key, (), b"last", b"lock", TERMS, force=True, rotate=True))
    fill = Fill(key, Record(b"f", begun.namespace, begun.ban), begun.generation, b"lock", None, TERMS)
    assert run.partition.execute(fill)
    assert not run.partition.execute(fill)


@given(st.lists(st.sampled_from([b"x", b"y"]), max_size=12), st.integers(1, 4), tag)
def test_late_tags_are_given_only_if_the_log_can_tell(names, length, name):
    """All the records since the anchor are there, and none names the tag."""
    partition = Partition(lambda: 0, log_length=length)
    anchor = partition.open_log()
    for other in names:
        partition.execute(InvalidateKey(other))
    stamps = partition.execute(Tags(anchor, (name,), b"c", TERMS))
    assert (stamps is not None) == (len(names) < length)
    partition.execute(InvalidateTag(name, b"i", TERMS))
    assert partition.execute(Tags(anchor, (name,), b"c", TERMS)) is None


def test_what_stands_in_the_log_outlives_a_look():
    """The reader asks whether its position is still there; a trimmed one is not."""
    partition = Partition(lambda: 0, log_length=2)
    first = partition.open_log()
    assert partition.read_log(first) == (True, [])
    for name in (b"1", b"2"):
        partition.execute(InvalidateKey(name))
    anchored, records = partition.read_log(first)
    assert not anchored
    assert [record.name for _, record in records] == [b"1", b"2"]


def test_locks_die_with_their_holder_and_waiters_are_woken():
    """A released lock wakes who waits; a dead holder's lock ends by itself."""
    now = [0]
    partition = Partition(lambda: now[0])
    key = KEYS[0]
    assert partition.execute(Begin(key, (), b"1", b"one", TERMS)).holder
    other = partition.execute(Begin(key, (), b"2", b"two", TERMS))
    assert (other.holder, other.wait) == (False, 0.02)
    partition.execute(Release(key, b"two"))
    assert partition.wakes == []
    partition.execute(Release(key, b"one"))
    assert [woken for _, woken in partition.wakes] == [b"a"]
    begun = partition.execute(Begin(key, (), b"3", b"two", TERMS))
    now[0] += 15
    assert partition.execute(Renew(key, begun.generation, b"two", TERMS))
    now[0] += 15
    assert not partition.execute(Begin(key, (), b"4", b"one", TERMS)).holder
    now[0] += 6
    assert partition.execute(Begin(key, (), b"5", b"one", TERMS)).holder


def test_stamps_outlive_the_entries_that_name_them():
    """Otherwise a whole tag would die at once, whatever its entries' lives."""
    now = [0]
    partition = Partition(lambda: now[0])
    begun = partition.execute(Begin(KEYS[0], (b"t",), b"1", b"lock", TERMS))
    record = Record(b"f", begun.namespace, begun.ban, (b"t",), begun.stamps)
    assert partition.execute(Fill(KEYS[0], record, begun.generation, b"lock", 10_000_000, TERMS))
    now[0] += 9_999_999
    looked = partition.execute(Look(KEYS[0], (b"t",)))
    assert (looked.record, looked.namespace, looked.ban, looked.stamps) == (
        record, begun.namespace, begun.ban, begun.stamps,
    )  # fmt: skip


def test_bans_since_a_position_or_nothing():
    """A list that no longer holds the position can't tell what was banned since."""
    partition = Partition(lambda: 0, max_bans=2)
    start = partition.execute(Begin(KEYS[0], (), b"1", b"lock", TERMS)).ban
    partition.execute(Ban("x*", b"2", TERMS))
    last = partition.execute(Look(KEYS[0], ())).ban
    assert partition.execute(Bans(start, last)) == ("x*",)
    assert partition.execute(Bans(start, b"of another server")) is None
    partition.execute(Ban("y*", b"3", TERMS))  # no room: everything is distrusted instead
    assert partition.execute(Bans(start, last)) is None


def test_another_server_is_distrusted_once():
    """The first command of each connection checks; only the first of all finds something new."""
    partition = Partition(lambda: 0, run=b"one")
    partition.execute(Begin(KEYS[0], (), b"1", b"lock", TERMS))
    assert not partition.adopt(b"one", b"2", TERMS)
    assert partition.adopt(b"two", b"3", TERMS)
    assert not partition.adopt(b"two", b"4", TERMS)
