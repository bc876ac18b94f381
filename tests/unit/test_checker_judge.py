"""The judge of the real processes, on histories short enough to read."""

from __future__ import annotations

import pytest

from tests.checker.judge import judge

DELTA = 1.0
KEY = ["a", 1]


def read(start, version, *, name="far", said=KEY, end=None):
    return ["r", start, start + 0.001 if end is None else end, name, *KEY, version, *said]


def write(number, called, version, *, kind="key", returned=None, confirmed=True, names=("far", "near")):
    return [
        "w",
        number,
        kind,
        called,
        called + 0.1 if returned is None else returned,
        confirmed,
        names,
        [[*KEY, version]],
    ]


def laws(readers, writers, **more):
    """Which laws the history breaks."""
    known = {("far", *KEY): 1, ("near", *KEY): 1}
    verdict = judge({"reader": readers, "writer": writers}, delta=DELTA, known=known, since=0.0, **more)
    return {violation.partition(":")[0] for violation in verdict.violations}


@pytest.mark.parametrize(
    ("event", "broken"),
    [
        (read(10.05, 1), set()),  # not yet confirmed
        (read(10.2, 2), set()),
        (read(10.2, 1), {"R1"}),
        (read(10.2, 1, name="near"), set()),  # within Δ
        (read(11.2, 1, name="near"), {"R1"}),
        (read(1.0, 0), {"R1"}),  # older than what was settled before
        (read(10.2, 2, said=["b", 1]), {"R2"}),
        (read(10.2, 3), {"R2"}),
        (read(9.0, 2), {"R2"}),
        (["x", 10.0, 10.1, "far", *KEY, "OSError()"], {"R6"}),
        (["e", "Task was destroyed but it is pending!"], {"R6"}),
    ],
)
def test_one_read_after_an_invalidation(event, broken):
    """
    Version 2 is committed and its invalidation called at 10.0, confirmed at 10.1.
    """
    assert laws([event], [write(1, 10.0, 2)]) == broken


def test_a_pending_invalidation_counts_from_its_confirmation():
    """
    PENDING binds nobody else until it is confirmed; and the process that said it at once.
    """
    pending = write(1, 10.0, 2, confirmed=False)
    assert laws([read(12.0, 1)], [pending]) == set()
    assert laws([read(12.0, 1)], [pending, ["c", 1, 12.5]]) == set()
    assert laws([read(13.0, 1)], [pending, ["c", 1, 12.5]]) == {"R1"}
    assert laws([], [pending, read(10.2, 1)]) == {"Own"}


def test_who_waited_for_everyone_leaves_no_time_to_l1():
    """
    PR3: from the return on, L1 must not answer with the old value.
    """
    waited = write(1, 10.0, 2, kind="everyone", returned=11.1)
    assert laws([read(11.0, 1, name="near")], [waited]) == set()
    assert laws([read(11.2, 1, name="near")], [waited]) == {"R1"}


def test_a_process_does_not_go_back_behind_what_was_confirmed():
    """
    R3 holds within Δ, too, but not while another read of the same key is under way.
    """
    forth, back = read(10.3, 2, name="near"), read(10.4, 1, name="near")
    assert laws([forth, back], [write(1, 10.0, 2)]) == {"R3"}
    under_way = read(10.2, 2, name="near", end=10.5)
    assert laws([under_way, forth, back], [write(1, 10.0, 2)]) == set()


def test_loads_are_few_where_nothing_goes_wrong():
    """
    R4: at most one load for each process and invalidation, and one more for each that was rejected.
    """
    loads = [["l", 10.0 + i, 10.1 + i, "far", *KEY, 2] for i in range(9)]
    more = {"without_faults": True, "processes": 4}
    assert laws(loads[:8], [write(1, 10.0, 2)], **more) == set()
    assert laws(loads, [write(1, 10.0, 2)], **more) == {"R4"}
    assert laws(loads, [write(1, 10.0, 2)], rejected=1, **more) == set()
