"""The clock of the tests, itself under test."""

import asyncio
import threading

import pytest

from evercache.core.clock import Clock
from evercache.testing.clock import ManualClock


async def test_time_stands_still_until_it_is_moved():
    """Nothing but advance and tick moves the time, and wall and monotonic move together."""
    clock: Clock = ManualClock(monotonic=50.0, wall=1000.0)
    await asyncio.sleep(0)
    assert (clock.monotonic(), clock.wall()) == (50.0, 1000.0)


def test_it_never_starts_at_zero():
    """Code that takes 0 for "not set" must not pass by luck."""
    assert ManualClock().monotonic() > 0


async def test_advance_wakes_the_due_in_order_of_their_due_times():
    """Who is due first runs first, whatever the order in which they lay down; who isn't due sleeps on."""
    clock, woken = ManualClock(), []

    async def sleeper(seconds):
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2, 9)]
    await clock.until_asleep(4)
    clock.advance(3)
    assert woken == []
    await asyncio.gather(*tasks[:3])
    assert woken == [1, 2, 3]
    assert clock.sleepers == 1
    tasks[3].cancel()


async def test_equal_due_times_wake_in_the_order_in_which_they_lay_down():
    """There is one order, and it is the one people expect."""
    clock, woken = ManualClock(), []

    async def sleeper(name):
        await clock.sleep(1)
        woken.append(name)

    tasks = [asyncio.create_task(sleeper(name)) for name in "abc"]
    await clock.until_asleep(3)
    await clock.tick(1)
    assert woken == ["a", "b", "c"]
    await asyncio.gather(*tasks)


async def test_tick_lets_a_heartbeat_beat_at_every_moment_it_is_due():
    """tick walks from due moment to due moment; a leap would beat once."""
    clock = ManualClock()
    start, beats = clock.monotonic(), []

    async def heart():
        while True:
            await clock.sleep(0.1)
            beats.append(clock.monotonic() - start)

    task = asyncio.create_task(heart())
    await clock.tick(1.05)
    assert len(beats) == 10
    assert beats == pytest.approx([0.1 * beat for beat in range(1, 11)], abs=1e-6)
    assert clock.monotonic() == start + 1.05
    task.cancel()


async def test_a_cancelled_sleeper_is_forgotten():
    """Cancellation ends a sleep at once and leaves nothing behind."""
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(5))
    await clock.until_asleep()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.sleepers == 0
    assert clock.next_due is None


async def test_no_time_to_sleep_is_one_turn_of_the_loop():
    """sleep(0) and less return without the clock being moved."""
    clock = ManualClock()
    await clock.sleep(0)
    await clock.sleep(-1)


def test_monotonic_time_never_goes_back_but_the_wall_may():
    """An administrator can set the date back; nothing can set the monotonic clock back."""
    clock = ManualClock(monotonic=10.0, wall=100.0)
    with pytest.raises(ValueError, match="jump_wall"):
        clock.advance(-1)
    clock.jump_wall(-60)
    assert (clock.monotonic(), clock.wall()) == (10.0, 40.0)


async def test_another_thread_may_move_the_time():
    """A sleeper wakes in its own loop, whoever moved the clock."""
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(5))
    await clock.until_asleep()
    mover = threading.Thread(target=clock.advance, args=(5,))
    mover.start()
    await asyncio.wait_for(task, timeout=60)
    mover.join()


async def test_waiting_for_a_sleeper_that_never_comes_ends_with_an_error():
    """until_asleep is bounded: a test that hangs says nothing."""
    with pytest.raises(TimeoutError, match="0 of 2"):
        await ManualClock().until_asleep(2, turns=10)
