"""The clock of production."""

import time

import pytest

from evercache.engine.clock import SystemClock


@pytest.mark.row("PR2")
def test_the_clock_goes_on_while_the_machine_sleeps() -> None:
    """
    On Linux it is CLOCK_BOOTTIME, which counts the time of a suspension; a lease must not outlive one.
    """
    clock = time.CLOCK_BOOTTIME if hasattr(time, "CLOCK_BOOTTIME") else time.CLOCK_MONOTONIC
    before = time.clock_gettime(clock)
    now = SystemClock().monotonic()
    assert before <= now <= time.clock_gettime(clock)
