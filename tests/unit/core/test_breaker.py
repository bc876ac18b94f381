"""The breaker: a value, so its laws are about values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercache.core.breaker import Breaker


@pytest.mark.row("FT1", "FT2", "W25")
def test_the_first_failure_opens_it_and_a_probe_is_due_at_once() -> None:
    """A hung server costs one time-out; a lost packet costs one probe."""
    breaker = Breaker().after("transient", 10.0)
    assert not breaker.allows(10.0)
    assert breaker.probe_due(10.0)


def test_requests_never_probe() -> None:
    """However much time passes, only the background may try."""
    breaker = Breaker().after("transient", 10.0)
    assert not breaker.allows(1e9)
    assert not breaker.probing(1e9).allows(1e9)


def test_one_probe_at_a_time() -> None:
    """While one is under way no other is due."""
    breaker = Breaker().after("transient", 10.0).probing(10.0)
    assert breaker.state == "half-open"
    assert not breaker.probe_due(99.0)


def test_a_successful_probe_closes_it() -> None:
    """And nothing of the outage is left."""
    breaker = Breaker().after("transient", 10.0).probing(10.0).after("ok", 11.0)
    assert (breaker.state, breaker.failures, breaker.allows(11.0)) == ("closed", 0, True)


def test_failing_probes_come_at_growing_pauses_up_to_half_a_second() -> None:
    """So a recovery is noticed within a second, however long the outage was."""
    breaker, now, pauses = Breaker().after("transient", 0.0), 0.0, []
    for _ in range(8):
        breaker = breaker.probing(now).after("transient", now)
        pauses.append(breaker.probe_at - now)
        now = breaker.probe_at
    assert pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5, 0.5])


@pytest.mark.row("FT16")
def test_a_wrong_password_is_tried_rarely() -> None:
    """Servers lock accounts out."""
    breaker = Breaker().after("permanent", 0.0)
    assert not breaker.probe_due(9.9)
    assert breaker.probe_due(10.0)


def test_late_news_from_before_the_last_change_is_ignored() -> None:
    """The time-outs of one hang arrive together, some after the server was found well again."""
    closed = Breaker().after("transient", 10.0).probing(10.0).after("ok", 11.0)
    assert closed.after("transient", 11.1, began=10.9) is closed
    half_open = Breaker().after("transient", 10.0).probing(10.5)
    assert half_open.after("ok", 10.6, began=9.0) is half_open


def test_success_while_closed_changes_nothing() -> None:
    """The usual case makes no object."""
    breaker = Breaker()
    assert breaker.after("ok", 1.0) is breaker


steps = st.lists(
    st.tuples(st.sampled_from(["ok", "transient", "permanent", "probe"]), st.floats(0.0, 20.0)), max_size=30
)


@given(steps, st.floats(0.0, 0.99))
def test_it_always_recovers_once_the_server_answers(history: list[tuple[str, float]], spread: float) -> None:
    """From any history: a probe becomes due within its longest pause, and its success closes the breaker."""
    breaker, now = Breaker(), 0.0
    for what, pause in history:
        now += pause
        breaker = breaker.probing(now) if what == "probe" else breaker.after(what, now, began=now, spread=spread)
        assert breaker.allows(now) == (breaker.state == "closed")
    if breaker.state == "open":
        assert breaker.probe_at <= now + breaker.misconfigured
        breaker = breaker.probing(breaker.probe_at)
    assert breaker.after("ok", now + 20.0).allows(now + 20.0)
