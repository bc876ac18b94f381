"""The planner of a warm-up, whatever it is given: who comes next, and how much a budget lets through."""

from __future__ import annotations

import heapq
import math
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.core.protocol import LogRecord
from evercache.engine.warmth import State, Warmth
from evercache.warming.budget import Pace, Pulse
from evercache.warming.call import Call
from evercache.warming.schedule import Schedule, lead_of

PRIORITIES = st.integers(-3, 3)
TAGS = st.frozensets(st.sampled_from([b"x", b"y", b"z"]))


def call(number: int, priority: float = 0.0, tags: frozenset[bytes] = frozenset()) -> Call:
    site = cast("Any", SimpleNamespace(name="thing", policy=SimpleNamespace(ttl=300.0)))
    return Call(site, number, (number,), b"%d" % number, tags, priority, number, lambda: f"thing:{number}")


@pytest.mark.row("S4.58")
@given(st.lists(st.tuples(PRIORITIES, st.sampled_from([-math.inf, 10.0, 20.0])), max_size=30))
def test_wanted_calls_come_by_priority_then_by_the_end_of_their_life_then_as_given(wanted):
    """
    Whatever order they are wanted in, each is handed out once, in this order.
    """
    schedule = Schedule(call(number, priority) for number, (priority, _) in enumerate(wanted))
    items = schedule.due(0.0, 1_000)
    assert len(items) == len(wanted)
    for item, (_, until) in zip(items, wanted, strict=True):
        schedule.saw(item, Warmth(State.FRESH, until))
    for item in reversed(items):
        schedule.want(item)
    taken = []
    while schedule.wanting:
        item = schedule.take()
        assert item is not None
        taken.append((-item.call.priority, item.warmth.until, item.call.number))
    assert taken == sorted(taken)
    assert len(taken) == len(wanted)
    assert schedule.take() is None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("watch"), st.integers(0, 5), st.integers(0, 50)),
        st.tuples(st.just("want"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("hasten"), st.integers(0, 5), st.integers(0, 50)),
        st.tuples(st.just("look"), st.just(0), st.integers(0, 50)),
        st.tuples(st.just("take"), st.just(0), st.just(0)),
        st.tuples(st.just("forget"), st.integers(0, 5), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS)
def test_a_call_is_in_one_place_only_and_none_is_lost(steps):
    """
    Against a plain dictionary: whatever is watched, wanted, hastened, handed out, put back or forgotten, a call is never
    handed out while somebody has it, and one that was put back is found when it is due.
    """
    schedule = Schedule(call(number) for number in range(6))
    items = {int(item.call.id): item for item in schedule.due(0.0, 100)}
    where: dict[int, tuple[str, float]] = dict.fromkeys(items, ("held", math.inf))
    for what, number, moment in steps:
        state, at = where.get(number, ("gone", 0.0))
        if what in ("watch", "want") and state == "held":
            if what == "watch":
                schedule.watch(items[number], moment)
                where[number] = "watched", min(moment, at)
            else:
                schedule.want(items[number])
                where[number] = "wanted", 0.0
        elif what == "hasten" and state != "gone":
            schedule.hasten(items[number], moment)
            if state != "wanted":
                where[number] = state, min(at, moment)
        elif what == "look":
            found = {int(item.call.id) for item in schedule.due(moment, 100)}
            assert found == {n for n, (s, due) in where.items() if s == "watched" and due <= moment}
            where |= dict.fromkeys(found, ("held", math.inf))
        elif what == "take" and (item := schedule.take()) is not None:
            assert where[int(item.call.id)][0] == "wanted"
            where[int(item.call.id)] = "held", math.inf
        elif what == "forget" and state != "gone":
            del where[number]
            schedule.keep_only({b"%d" % n for n in where})
    assert len(schedule) == len(where)
    assert len(schedule._watch) <= 4 * 6 + 65  # what is void doesn't pile up
    assert schedule.wanting == any(state == "wanted" for state, _ in where.values())
    assert schedule.next_due == min((due for state, due in where.values() if state == "watched"), default=math.inf)


@given(st.lists(st.tuples(TAGS, TAGS), max_size=12), st.sampled_from("ktyxbn"), st.integers(0, 12))
def test_an_invalidation_concerns_who_it_names(calls, kind, which):
    """
    Declared tags and those of the stored answer; keys by their id; patterns by the readable key; a namespace all.
    """
    schedule = Schedule(call(number, tags=declared) for number, (declared, _) in enumerate(calls))
    for item in schedule:
        schedule.saw(item, Warmth(State.FRESH, 1.0, (b"w", b"z")))
        schedule.saw(item, Warmth(State.FRESH, 1.0, tuple(calls[item.call.number][1])))
    tag = (b"x", b"y", b"z", b"w")[which % 4]
    name = {"k": b"%d" % which, "x": b"%d" % which, "t": tag, "y": tag, "b": b"thing:1*", "n": b""}[kind]
    found = {item.call.number for item in schedule.concerned(LogRecord(kind, name))}
    expected = {
        "k": lambda n: n == which,
        "x": lambda n: n == which,
        "t": lambda n: tag in calls[n][0] | calls[n][1],
        "y": lambda n: tag in calls[n][0] | calls[n][1],
        "b": lambda n: str(n).startswith("1"),
        "n": lambda n: True,
    }[kind]
    assert found == {number for number in range(len(calls)) if expected(number)}


@given(st.floats(0.5, 200.0), st.lists(st.floats(0.0, 3.0), min_size=1, max_size=80))
def test_a_pace_never_lets_more_through_than_it_says(per_second, waits):
    """
    Whenever somebody comes, in no window are there more starts than the rate allows, and who waits as told may start.
    """
    pace, now, starts = Pace(per_second), 0.0, []
    for wait in waits:
        now += wait
        if (more := pace.wait(now)) > 0:
            now += more
        assert pace.wait(now) <= 1e-9
        pace.start(now)
        starts.append(now)
    for begin in range(len(starts)):
        for end in range(begin, len(starts)):
            window = starts[end] - starts[begin]
            assert end - begin + 1 <= per_second * (window + Pace.SLACK) + 1 + 1e-6


@given(
    st.floats(1.0, 1e5), st.floats(0.0, 1e4), st.floats(0.0, 1e5), st.floats(0.01, 0.5)
)  # fmt: skip
def test_a_lead_leaves_time_for_what_is_to_come_and_never_takes_more_than_half(life, load, backlog, ahead):
    """
    At least the fraction and four loads, where half of the life has room for them.
    """
    lead = lead_of(life, load, backlog, ahead)
    assert 0 < lead <= life / 2
    assert lead == life / 2 or (lead >= life * ahead and lead >= 4 * load and lead >= backlog)
    assert lead_of(math.inf, load, backlog, ahead) == 0.0


@pytest.mark.row("W17")
@given(st.integers(1, 40), st.floats(30.0, 600.0), st.floats(1.0, 50.0), st.floats(0.0, 0.5))
def test_nothing_dies_as_long_as_the_budget_can_carry_the_plan(count, life, per_second, jitter):
    """
    If all calls can be loaded within half of the shortest life, none of them is ever cold after its first load.
    """
    shortest = life * (1 - jitter)
    if count / per_second > shortest / 2:
        per_second = count / (shortest / 2)
    pace, now = Pace(per_second), 0.0
    # All die together, at the first moment at which they can.
    waiting = [(shortest - lead_of(life, 0.0, pace.round_of(count), 0.2), shortest, n) for n in range(count)]
    heapq.heapify(waiting)
    for turn in range(count * 6):
        due, dies, number = heapq.heappop(waiting)
        now = max(now, due)
        now += pace.wait(now)
        pace.start(now)
        assert now <= dies + 1e-6
        lived = life * (1 - jitter * ((turn * 7 % 10) / 10))
        heapq.heappush(waiting, (now + lived - lead_of(lived, 0.0, pace.round_of(count), 0.2), now + lived, number))


@given(st.lists(st.floats(0.001, 10.0), min_size=2, max_size=60))
def test_a_pulse_rests_for_a_bounded_time_and_is_well_after_quick_loads(seconds):
    """
    Whatever it has seen: it never asks for more than its longest rest, and quick loads make it well.
    """
    pulse, now = Pulse(3.0), 0.0
    for each in seconds:
        pulse.note(each, now)
        assert pulse.wait(now) <= Pulse.LONGEST + 1e-9
        now += pulse.wait(now) + 0.001
    for _ in range(20):
        pulse.note(0.001, now)
    assert not pulse.slow
    assert pulse.wait(now) == 0.0
