"""A fleet of real processes, each behind its own proxy, held against the laws of `tests.checker.judge` in every fault.

Each test plays one fault for a few seconds and asks two things: was a law broken, and did the fault really bite.
Nothing here depends on speed; how far L1 was behind and how soon everything was well again is reported by
`python -m tests.soak --report FILE`.
"""

from __future__ import annotations

import pytest

from tests.checker.faults import FAULTS, PAIRS
from tests.checker.fleet import Fleet
from tests.checker.rounds import play
from tests.checker.sites import ClusterSite, SentinelSite, StandaloneSite

SECONDS = 1.2
DELTA = 0.5


class Shared:
    """One fleet for the tests of this module; a new one after a round that didn't come to its end."""

    def __init__(self):
        self._fleet = None

    def whole(self):
        if self._fleet is not None and self._fleet.in_round:
            self.close()
        if self._fleet is None:
            self._fleet = Fleet(StandaloneSite(), delta=DELTA).__enter__()
        return self._fleet

    def close(self):
        if self._fleet is not None:
            self._fleet.close()
            self._fleet = None


@pytest.fixture(scope="module")
def shared_fleet(redis_binary):
    shared = Shared()
    yield shared
    shared.close()


@pytest.fixture
def keep(tmp_path):
    return tmp_path / "histories"


def demand(result, keep):
    """No law broken, and the fault was one."""
    verdict = result.verdict
    assert not verdict.violations, f"{len(verdict.violations)} in {keep}; the first: {verdict.violations[:3]}"
    assert not result.missing, f"{result.fault} left no trace of {result.missing}; found: {dict(result.proof)}"
    assert verdict.stale == verdict.exceptions == 0
    assert verdict.confirmed == verdict.writes > 0
    assert verdict.reads > 0


@pytest.mark.row("PR1", "PR2", "PR3", "FT18")
@pytest.mark.parametrize("fault", ["nothing", "stop reader", "stop writer", "kill reader", "clock jump"])
def test_processes(shared_fleet, keep, fault):
    """
    Three readers and a writer on one Redis, where processes stand still, die, or have their clocks moved: nobody gets
    what was invalidated before (from L1: Δ before; at once, if the writer waited for everyone), nobody gets an
    exception, and everything becomes true and cached again.
    """
    demand(play(shared_fleet.whole(), FAULTS[fault], SECONDS, keep=keep), keep)


@pytest.mark.row("PR1", "PR2", "FT3", "FT8", "FT9")
@pytest.mark.parametrize(
    "fault", ["freeze reader", "freeze writer", "freeze answers", "drop", "delay", "client kill", "stop redis"]
)
def test_links(shared_fleet, keep, fault):
    """
    The same, where links are half open, lose bytes, are late, or break, or the server stands still. What could not be
    confirmed is confirmed later, and counts from then on.
    """
    demand(play(shared_fleet.whole(), FAULTS[fault], SECONDS, keep=keep), keep)


@pytest.mark.row("PR1", "PR2", "FT6")
@pytest.mark.parametrize("fault", ["out of memory", "evict", "trim log", "flushall"])
def test_lost_keys(shared_fleet, keep, fault):
    """
    The same, where the server is full or loses any of the keys: what is missing is invalid.
    """
    demand(play(shared_fleet.whole(), FAULTS[fault], SECONDS, keep=keep), keep)


@pytest.mark.row("PR1", "PR2", "PR4", "FT7", "FT8", "FT9")
@pytest.mark.parametrize("fault", ["kill redis", "restore redis", "failover"])
def test_lost_writes(shared_fleet, keep, fault):
    """
    The same, where the server is killed and comes back empty, with an old snapshot, or as a replica that never heard
    of the last invalidations.
    """
    demand(play(shared_fleet.whole(), FAULTS[fault], SECONDS, keep=keep), keep)


@pytest.mark.row("PR1", "PR2", "PR4", "FT3", "FT7", "FT9")
@pytest.mark.parametrize("fault", ["freeze reader + failover", "stop reader + restore redis", "stop writer + evict"])
def test_two_at_once(shared_fleet, keep, fault):
    """
    The same, where a process or its link is away while the server loses what it had: who returns knows nothing of it.
    """
    demand(play(shared_fleet.whole(), PAIRS[fault], SECONDS, keep=keep), keep)


@pytest.mark.row("PR1", "PR2", "PR4", "FT3", "FT7")
@pytest.mark.parametrize("fault", ["kill primary", "freeze reader", "flushall"])
def test_a_cluster(redis_cluster, keep, fault):
    """
    The same on six nodes, where a primary is killed, the links of a reader freeze, a primary is flushed.
    """
    with Fleet(ClusterSite(redis_cluster), delta=DELTA) as fleet:
        demand(play(fleet, FAULTS[fault], SECONDS, keep=keep), keep)


@pytest.mark.row("PR1", "PR2", "PR4", "FT7")
def test_sentinel(redis_sentinel, keep):
    """
    The same behind sentinels that replace a killed primary.
    """
    with Fleet(SentinelSite(redis_sentinel), delta=DELTA) as fleet:
        demand(play(fleet, FAULTS["kill primary"], SECONDS, keep=keep), keep)


@pytest.mark.parametrize(
    ("sabotage", "fault"),
    [
        ("fill-unchecked", "nothing"),
        ("log-unread", "nothing"),
        ("lease-forever", "freeze reader"),
        ("says-confirmed", "freeze writer"),
    ],
)
def test_a_cache_that_breaks_a_promise_is_caught(redis_binary, keep, sabotage, fault):
    """
    The checker itself is checked: a fill without its check, a log that nobody reads, a lease without end, a
    confirmation that is none, each breaks R1.
    """
    with Fleet(StandaloneSite(), delta=DELTA, sabotage=sabotage) as fleet:
        result = play(fleet, FAULTS[fault], 2 * SECONDS, patience=1.0, keep=keep)
    assert any(violation.startswith("R1") for violation in result.verdict.violations)
    assert list(keep.iterdir())


@pytest.mark.row("PR4")
def test_ignoring_a_failover_is_caught(redis_binary, keep):
    """
    With on_failover="ignore", values come back that had been invalidated before the primary was lost: what the default
    is for, and that the failover of this checker really loses writes.
    """
    with Fleet(StandaloneSite(), delta=DELTA, on_failover="ignore") as fleet:
        result = play(fleet, FAULTS["failover"], 2 * SECONDS, patience=1.0, keep=keep)
    assert any(violation.startswith("R1") for violation in result.verdict.violations)
