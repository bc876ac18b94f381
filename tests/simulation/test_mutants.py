"""Each rule of coherence is needed: break one, and some schedule breaks a law."""

from __future__ import annotations

import pytest

from tests.simulation.campaign import first_violation
from tests.simulation.mutants import MUTANTS, WITHIN, DistrustKeepsBans
from tests.simulation.world import MIXES, Kit


@pytest.mark.row("PR1", "PR2", "PR4", "W40")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_rule_is_seen(name):
    """
    A mutant that survives means that a law is not tested or a rule is not needed.
    """
    mutant = MUTANTS[name]
    assert first_violation(mutant.kit, mutant.mix, WITHIN) is not None, f"nobody noticed: {mutant.rule}"


def test_a_store_that_keeps_its_bans_through_distrust_is_no_mutant():
    """
    The mutants of the namespace stamp stand on this store, so it has to be innocent.
    """
    for mix in MIXES:
        assert first_violation(Kit(partition=DistrustKeepsBans), mix, 300) is None
