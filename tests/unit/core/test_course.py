"""Which command follows which reply: each case is a short play against the reference of the store."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from evercache.core.course import Ask, Course, Decode, Encode, Failed, Load, Loaded, Wait
from evercache.core.flight import Flight, Flights, Landing, Ticks
from evercache.core.freshness import Age
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
    Reserve,
    Tags,
    Terms,
)
from evercache.core.record import Record
from evercache.errors import CodecError, StoreUnavailable
from evercache.stores.memory import Partition

TERMS = Terms()
KEY = Key(b"id", "users:1")
SCHEMA = b"\0" * 8


class Stage:
    """A partition, one process, and a script of what happens at which step."""

    def __init__(self) -> None:
        self.partition = Partition(lambda: 1_000_000)
        self.ticks = Ticks()
        self.flights = Flights()
        self.course = Course(self.ticks, self.flights)
        self.played: list[Any] = []
        self.age = Age.FRESH
        self.owed: set[bytes] = set()
        self.heard: bytes | None = None
        self.names = 0
        self.at: dict[type, Callable[[], Any]] = {}

    def ask(self, *declared: bytes, **more: Any) -> Ask:
        facts: dict[str, Any] = {
            "key": KEY,
            "schema": SCHEMA,
            "lock": self.unique(),
            "terms": TERMS,
            "age": lambda record: self.age,
            "counter": lambda: 0,
            "candidate": self.unique,
            "quarantined": lambda tags: not self.owed.isdisjoint({KEY.id, *tags}),
            "untouched": lambda since, tags: True,
            "heard": lambda: self.heard,
            "declared": declared,
        }
        return Ask(**{**facts, **more})

    def unique(self) -> bytes:
        self.names += 1
        return b"c%d" % self.names

    def fly(self, ask: Ask, answer: Any = None) -> tuple[Flight, Landing]:
        """One flight; *answer* is the loader's. `at[kind]` is called before a step of that kind."""
        flight = Flight("place", ask.declared, KEY)
        self.flights.depart(flight)
        landing = self.play(self.course.fly(flight, ask), answer)
        self.flights.land(flight, landing)
        return flight, landing

    def play(self, course: Any, answer: Any = None) -> Landing:
        answer = Loaded("loaded") if answer is None else answer
        self.played.clear()
        reply: Any = None
        error: Exception | None = None
        while True:
            try:
                step = course.send(reply) if error is None else course.throw(error)
            except StopIteration as stop:
                return stop.value
            self.played.append(type(step))
            reply = error = None
            try:
                if (act := self.at.get(type(step))) is not None:
                    act()
                reply = self.reply(step, answer)
            except (StoreUnavailable, CodecError) as failure:
                error = failure

    def reply(self, step: Any, answer: Any) -> Any:
        match step:
            case Load():
                return answer
            case Encode():
                return Record(self.unique(), b"", b"", schema=SCHEMA, payload=step.loaded.value), 60_000
            case Decode():
                return step.record.payload
            case Wait():
                return False
            case _:
                return self.partition.execute(step)

    def say(self, command: Command[Any]) -> Any:
        return self.partition.execute(command)


def away() -> None:
    raise StoreUnavailable("no answer", reason="timeout")


def broken() -> None:
    raise CodecError("bytes of another age")


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_miss_fills_and_the_next_read_hits(stage):
    """Three commands for the one, one for the other; the cause says what had to be done."""
    flight, landing = stage.fly(stage.ask(b"t"))
    assert stage.played == [Look, Begin, Load, Encode, Fill]
    assert (landing.value, landing.source, landing.cause, flight.proved) == ("loaded", "load", "absent", True)
    flight, landing = stage.fly(stage.ask(b"t"))
    assert stage.played == [Look, Decode]
    assert (landing.value, landing.source, flight.proved) == ("loaded", "l2", True)


@pytest.mark.row("PR1", "W40")
@pytest.mark.parametrize(
    "command",
    [
        InvalidateKey(b"id"),
        InvalidateTag(b"t", b"i", TERMS),
        ExpireTag(b"t", b"i", TERMS),
        Ban("users:*", b"i", TERMS),
        Distrust(b"i", TERMS),
    ],
)
@pytest.mark.parametrize("when", [Load, Encode, Fill])
def test_an_invalidation_during_a_load_rejects_its_fill(stage, command, when):
    """The classic race: a slow reader stores the old value after the invalidation. Here it can't."""
    stage.at = {when: lambda: stage.say(command)}
    flight, landing = stage.fly(stage.ask(b"t"))
    assert (landing.value, landing.rejected, flight.proved) == ("loaded", True, False)
    assert stage.partition.data.get(("e", b"id")) is None
    assert not [slot for slot in stage.partition.data if slot[0] == "l"]


@pytest.mark.row("PR1")
@pytest.mark.parametrize(
    ("command", "cause"),
    [
        (InvalidateKey(b"id"), "absent"),
        (InvalidateTag(b"t", b"i", TERMS), "tag t"),
        (Ban("users:*", b"i", TERMS), "banned"),
        (Distrust(b"i", TERMS), "namespace invalidated"),
    ],
)
def test_what_was_invalidated_is_loaded_anew_and_says_why(stage, command, cause):
    """The cause is what users see when they ask why something was loaded."""
    stage.fly(stage.ask(b"t"))
    stage.say(command)
    _, landing = stage.fly(stage.ask(b"t"), Loaded("new"))
    assert (landing.value, landing.cause) == ("new", cause)


def test_a_ban_of_other_keys_leaves_the_entry(stage):
    """One more question, for the patterns since, and a hit."""
    stage.fly(stage.ask(b"t"))
    stage.say(Ban("posts:*", b"i", TERMS))
    flight, landing = stage.fly(stage.ask(b"t"))
    assert (landing.source, flight.proved) == ("l2", True)


@pytest.mark.row("PR4")
def test_a_ban_list_of_another_server_proves_nothing(stage):
    """The look was answered by a primary that died; the replica that took over has never heard of the ban."""
    stage.fly(stage.ask(b"t"))
    replica = deepcopy(stage.partition)
    stage.say(Ban("users:*", b"i", TERMS))
    stage.at = {Bans: lambda: setattr(stage, "partition", replica)}
    _, landing = stage.fly(stage.ask(b"t"), Loaded("new"))
    assert (landing.value, landing.cause) == ("new", "banned")


@pytest.mark.row("PR1")
@pytest.mark.parametrize("slot", [("n", b""), ("b", b""), ("t", b"t"), ("g", b"id")])
@pytest.mark.parametrize("when", [Look, Fill])
def test_evicted_proofs_prove_nothing(stage, slot, when):
    """Before a hit it is a miss, before a fill a rejection."""
    stage.fly(stage.ask(b"t"))
    if when is Fill:
        stage.say(InvalidateKey(b"id"))
    stage.at = {when: lambda: stage.partition.data.pop(slot, None)}
    flight, landing = stage.fly(stage.ask(b"t"), Loaded("new"))
    if when is Look and slot == ("g", b"id"):
        assert landing.source == "l2"  # a stored entry needs no generation any more
    else:
        assert (landing.value, flight.proved) == ("new", when is Look)


def test_late_tags_cost_one_more_command_and_are_looked_up_again(stage):
    """Known after the load only; a process that doesn't remember them looks twice, one that does looks once."""
    stage.fly(stage.ask(b"t"), Loaded("loaded", tags=(b"late",)))
    assert stage.played == [Look, Begin, Load, Tags, Encode, Fill]
    stage.fly(stage.ask(b"t"))
    assert stage.played == [Look, Look, Decode]
    stage.fly(stage.ask(b"t", remembered=(b"late",)))
    assert stage.played == [Look, Decode]


@pytest.mark.row("PR1")
@pytest.mark.parametrize("lost", ["invalidated", "trimmed"])
def test_a_late_tag_is_refused_if_it_was_invalidated_or_nobody_knows(stage, lost):
    """The stamp a late tag had when the load began is unknown: the log has to tell, from its beginning on."""

    def act() -> None:
        if lost == "trimmed":
            stage.partition.log.clear()
        else:
            stage.say(InvalidateTag(b"late", b"i", TERMS))

    stage.at = {Tags: act}
    flight, landing = stage.fly(stage.ask(b"t"), Loaded("loaded", tags=(b"late",)))
    assert (landing.value, landing.rejected, flight.proved) == ("loaded", True, False)


@pytest.mark.row("PR1", "W40")
@pytest.mark.parametrize(
    "command",
    [
        InvalidateTag(b"t", b"i", TERMS),
        InvalidateTag(b"late", b"i", TERMS),
        ExpireTag(b"late", b"i", TERMS),
        InvalidateKey(b"inner"),
        ExpireKey(b"inner"),
        Ban("inner*", b"i", TERMS),
        Distrust(b"i", TERMS),
    ],
    ids=lambda command: type(command).__name__,
)
def test_what_this_process_has_not_heard_of_is_not_built_into_an_entry(stage, command):
    """
    A load that read from memory read what was true at the position heard of before it: whatever came since and names a
    tag or a key of that, even before Begin, keeps the value out of the store. It is served all the same.
    """
    made = Loaded("made of others", tags=(b"late", b"t"), near=(b"inner", b"late", b"t"))
    stage.heard = stage.partition.open_log()
    stage.say(command)
    flight, landing = stage.fly(stage.ask(b"t"), made)
    assert (landing.value, landing.rejected, flight.proved) == ("made of others", True, False)
    assert stage.say(Look(KEY, ())).record is None
    stage.heard = stage.partition.open_log()
    flight, landing = stage.fly(stage.ask(b"t"), made)
    assert (landing.rejected, flight.proved, landing.record.tags) == (False, True, (b"t", b"late"))


def test_who_cannot_tell_what_it_has_heard_of_stores_nothing_made_of_memory(stage):
    """
    Without a position there is no question to ask; what was read from the store is younger than Begin, and needs none.
    """
    flight, landing = stage.fly(stage.ask(), Loaded("served", tags=(b"late",), near=(b"inner", b"late")))
    assert (landing.value, landing.rejected, flight.proved) == ("served", True, False)
    assert Tags not in stage.played
    flight, landing = stage.fly(stage.ask(), Loaded("stored", tags=(b"late",)))
    assert (landing.value, landing.rejected, flight.proved) == ("stored", False, True)


def test_what_was_read_before_a_load_failed_is_known(stage):
    """
    An error is an answer of what was read, too: whoever makes something of it depends on the same.
    """
    _, landing = stage.fly(stage.ask(), Failed(LookupError("no such row"), tags=(b"late",)))
    assert landing.extra.tags == (b"late",)


def test_other_tags_and_schemas_are_misses(stage):
    """A deployment that adds a tag or changes a type never reads what the other one stored."""
    stage.fly(stage.ask(b"t"))
    assert stage.fly(stage.ask(b"t", b"more"))[1].cause == "tags changed"
    assert stage.fly(stage.ask(b"t", b"more", schema=b"\1" * 8))[1].cause == "schema changed"


def test_bytes_that_cannot_be_read_are_replaced(stage):
    """A corrupt entry is a miss, and it isn't offered again."""
    stage.fly(stage.ask())
    stage.at = {Decode: broken}
    flight, landing = stage.fly(stage.ask(), Loaded("new"))
    assert (landing.value, landing.cause, flight.proved) == ("new", "corrupt", True)


@pytest.mark.parametrize(
    ("age", "source", "stale", "refresh"),
    [
        (Age.FRESH, "l2", False, False),
        (Age.EARLY, "l2", False, True),
        (Age.STALE, "l2", True, True),
        (Age.SPARE, "load", False, False),
        (Age.DEAD, "load", False, False),
    ],
)
def test_each_age_has_its_answer(stage, age, source, stale, refresh):
    """Fresh and early answer, stale answers and says so, spare and dead load."""
    stage.fly(stage.ask())
    stage.age = age
    _, landing = stage.fly(stage.ask(), Loaded("new"))
    assert (landing.source, landing.stale, landing.refresh) == (source, stale, refresh)


def test_an_expired_tag_makes_a_fresh_entry_stale(stage):
    """Soft: the entry is kept, marked, and loaded anew behind the answer."""
    stage.fly(stage.ask(b"t"))
    stage.say(ExpireTag(b"t", b"i", TERMS))
    _, landing = stage.fly(stage.ask(b"t"))
    assert (landing.value, landing.stale, landing.refresh) == ("loaded", True, True)


def test_a_spare_value_waits_for_a_load_that_fails(stage):
    """And a loader may say that it still holds."""
    stage.fly(stage.ask())
    stage.age = Age.SPARE
    flight, landing = stage.fly(stage.ask(), Failed(LookupError("down")))
    assert isinstance(landing.error, LookupError)
    assert flight.spare is not None
    assert flight.spare.value == "loaded"
    _, landing = stage.fly(stage.ask(), Loaded(None, keep=True))
    assert landing.value == "loaded"


@pytest.mark.row("PR1")
def test_a_value_that_still_holds_keeps_the_tags_it_had(stage):
    """The loader that said so has not seen it, so it can't name the tags that came from it."""
    stage.fly(stage.ask(b"t"), Loaded("loaded", tags=(b"late",)))
    stage.age = Age.SPARE
    _, landing = stage.fly(stage.ask(b"t"), Loaded(None, keep=True, tags=(b"more",)))
    assert landing.record.tags == (b"t", b"late", b"more")
    flight = Flight("place", (b"t",), KEY)
    flight.spare = Landing("in L1", tags=(b"t", b"remembered"))
    stage.say(InvalidateKey(b"id"))
    landing = stage.play(stage.course.fly(flight, stage.ask(b"t")), Loaded(None, keep=True))
    assert (landing.value, landing.record.tags) == ("in L1", (b"t", b"remembered"))


@pytest.mark.parametrize("when", [Look, Begin, Tags, Fill])
def test_a_store_that_does_not_answer_never_costs_the_answer(stage, when):
    """The value is loaded and given out; without a proof, to those who came before its load."""
    stage.at = {when: away}
    flight, landing = stage.fly(stage.ask(b"t"), Loaded("loaded", tags=(b"late",)))
    assert (landing.value, landing.error, flight.proved) == ("loaded", None, False)
    assert not flight.serves(flight.load_began)
    assert flight.serves(flight.load_began - 1)


@pytest.mark.parametrize("owed", [b"id", b"t"])
def test_quarantine_goes_past_the_store(stage, owed):
    """While an invalidation of this process is on its way, the store is neither read nor filled."""
    stage.fly(stage.ask(b"t"))
    stage.owed = {owed}
    flight, landing = stage.fly(stage.ask(b"t"), Loaded("new"))
    assert stage.played == [Load]
    assert (landing.value, landing.cause, flight.proved) == ("new", "bypass", False)


def test_quarantine_of_a_late_tag_neither_reads_nor_fills(stage):
    """It is known only when the entry or the loader names it."""
    stage.fly(stage.ask(), Loaded("loaded", tags=(b"late",)))
    stage.owed = {b"late"}
    flight, landing = stage.fly(stage.ask(), Loaded("new", tags=(b"late",)))
    assert (landing.value, landing.cause, flight.proved) == ("new", "quarantined", False)


@pytest.mark.parametrize(
    "answer", [Failed(LookupError()), Loaded("loaded", skip=True)], ids=["a failed load", "a value not to be stored"]
)
def test_the_herd_lock_is_given_back(stage, answer):
    """Other processes wait for it."""
    stage.fly(stage.ask(), answer)
    assert stage.played[-1] is Release
    assert not [slot for slot in stage.partition.data if slot[0] == "l"]


def test_a_value_that_cannot_be_encoded_is_given_out(stage):
    """It costs the entry, not the answer; and gives the lock back."""
    stage.at = {Encode: broken}
    _, landing = stage.fly(stage.ask())
    assert landing.value == "loaded"
    assert stage.played[-1] is Release


def test_two_vain_waits_for_others_and_it_loads_itself(stage):
    """A waiter counts what others completed; it never waits for ever behind processes that keep failing."""
    stage.say(Begin(KEY, (), b"other", b"another's lock", TERMS))
    course = stage.course.fly(Flight("place", (), KEY), stage.ask())
    step, waits = next(course), 0
    while not isinstance(step, Load):
        waits += isinstance(step, Wait)
        step = course.send(True if isinstance(step, Wait) else stage.partition.execute(step))
    assert waits == 2


def test_who_only_refreshes_waits_for_nobody(stage):
    """Somebody else is at it: that is enough."""
    stage.say(Begin(KEY, (), b"other", b"another's lock", TERMS))
    flight, landing = stage.fly(stage.ask(patient=False))
    assert (landing.source, landing.cause) == ("none", "held elsewhere")
    assert not flight.serves(0)


def test_a_load_on_demand_rejects_those_that_began_before(stage):
    """Otherwise an older load could take its place."""
    begun = stage.say(Begin(KEY, (), b"other", b"another's lock", TERMS))
    stage.fly(stage.ask(force=True, rotate=True), Loaded("demanded"))
    old = Record(b"f", begun.namespace, begun.ban, schema=SCHEMA, payload="old")
    assert not stage.say(Fill(KEY, old, begun.generation, b"another's lock", 60_000, TERMS))
    assert stage.fly(stage.ask())[1].value == "demanded"


def test_nobody_boards_after_the_load(stage):
    """Who comes between load and fill could only use the value if the fill was accepted later than it came."""
    boarded = []
    stage.at = {
        Load: lambda: boarded.append(stage.flights.board("place")),
        Encode: lambda: boarded.append(stage.flights.board("place")),
    }
    flight, _ = stage.fly(stage.ask())
    assert boarded == [flight, None]


def test_without_a_store_an_invalidation_during_the_load_leaves_no_proof(stage):
    """This process is the whole world, and knows all there is to know."""
    flight, _ = stage.fly(stage.ask(shared=False, alone=True))
    assert (stage.played, flight.proved) == ([Load], True)
    flight, _ = stage.fly(stage.ask(shared=False, alone=True, untouched=lambda since, tags: False))
    assert not flight.proved


def test_a_put_invalidates_first(stage):
    """A put that is lost half-way leaves a miss; one that arrives late can't outlive an invalidation."""
    stage.fly(stage.ask(b"t"))
    flight = Flight("place", (b"t",), KEY)
    landing = stage.play(stage.course.put(flight, stage.ask(b"t"), Loaded("given", tags=(b"late",))))
    assert stage.played == [Encode, Reserve, Fill]
    assert (flight.proved, landing.record.tags) == (True, (b"late", b"t"))
    assert stage.fly(stage.ask(b"t"))[1].value == "given"
    stage.at = {Fill: lambda: stage.say(InvalidateKey(b"id"))}
    landing = stage.play(stage.course.put(Flight("place", (b"t",), KEY), stage.ask(b"t"), Loaded("late")))
    assert landing.rejected
    assert stage.partition.data.get(("e", b"id")) is None


def test_loads_during_a_put_do_not_fill(stage):
    """The generation is the put's alone."""
    stage.say(Reserve(KEY, (), b"put", TERMS))
    flight, landing = stage.fly(stage.ask())
    assert stage.played == [Look, Begin, Load, Release]
    assert (landing.value, flight.proved) == ("loaded", False)


def test_peeking_never_loads(stage):
    """What the store has, fresh or stale, or why there is nothing."""
    peek = lambda: stage.play(stage.course.peek(Flight("place", (), KEY), stage.ask()))  # noqa: E731
    assert (peek().source, stage.played) == ("none", [Look])
    stage.fly(stage.ask())
    assert (peek().value, stage.played) == ("loaded", [Look, Decode])
    stage.age = Age.SPARE
    assert (peek().value, peek().stale) == ("loaded", True)
    stage.at = {Look: away}
    assert peek().cause == "timeout"
