"""The laws of `history` hold in every schedule: the library's own decisions against a network that does what it likes."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from tests.simulation.campaign import campaign, first_violation
from tests.simulation.world import MIXES, Kit, World

FAILOVER = next(mix for mix in MIXES if mix.name == "failover")


@pytest.mark.row("PR1", "PR2", "PR4", "W40", "S2.17")
@pytest.mark.timeout(900)
def test_no_schedule_breaks_a_law(capsys):
    """
    After a confirmed invalidation nobody gets a value loaded before it, whatever is late, lost, repeated or evicted.
    """
    total = campaign(at_least=100_000, seconds=55)
    with capsys.disabled():
        sys.stdout.write(f"\n{total}\n")
    story = "\n".join(World.traced(total.broken[0][0])[-60:]) if total.broken else ""
    assert not total.broken, f"seeds {[seed for seed, _ in total.broken]}; the first one:\n{story}"
    assert total.hits > total.schedules / 10, "L1 has hardly answered: the worlds have lost their point"


@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: mix.name)
def test_the_same_seed_is_the_same_schedule(mix):
    """
    A violation can be told again: one seed, one story.
    """
    for seed in range(40):
        assert World.traced(seed, Kit(), mix) == World.traced(seed, Kit(), mix)


@pytest.mark.row("PR4")
@pytest.mark.parametrize("policy", ["ignore", "replay"])
def test_a_failover_that_lost_writes_shows_without_distrust(policy):
    """
    A lost suffix is a real danger: the weaker answers to a failover return old values, and the laws see it.
    """
    assert first_violation(Kit(), replace(FAILOVER, policy=policy), 5_000) is not None
