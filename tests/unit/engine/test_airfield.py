"""What an event loop's airfield remembers, and how much of it."""

from __future__ import annotations

import asyncio

from evercache.engine.airfield import MAX_RESTING, Airfield


async def test_resting_places_are_bounded_while_all_of_them_rest():
    """However many sources fail at once: memory has an end, and the newest failures are those that are remembered."""
    airfield = Airfield(asyncio.get_running_loop())
    for place in range(3 * MAX_RESTING):
        airfield.throttle(place, until=100.0, now=0.0)
        assert len(airfield.throttled) <= MAX_RESTING
    assert airfield.rests(3 * MAX_RESTING - 1, now=1.0)
    assert not airfield.rests(0, now=1.0)


async def test_resting_places_make_room_when_their_time_is_over():
    """Those that rest no longer go first."""
    airfield = Airfield(asyncio.get_running_loop())
    for place in range(MAX_RESTING):
        airfield.throttle(place, until=1.0 if place else 100.0, now=0.0)
    airfield.throttle("new", until=100.0, now=2.0)
    assert set(airfield.throttled) == {0, "new"}
