"""Loads that end in no usual way, and loads that end in the wrong order."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.source import Source, alone, pair_over_memory


class Stop(BaseException):
    """No Exception: what `pytest.fail()` and some frameworks raise to get through `except Exception`."""


@pytest.mark.row("S2.17")
async def test_a_loader_that_raises_no_exception_is_asked_once(manual_clock):
    """Its callers get what it raised; they don't load again and again in the hope of something else."""
    cache, loads = alone(manual_clock), 0

    async def load() -> int:
        nonlocal loads
        loads += 1
        if loads == 1:
            raise Stop
        return loads

    got = await asyncio.gather(*[cache.get_or_load("key", load) for _ in range(3)], return_exceptions=True)
    assert [type(one) for one in got] == [Stop] * 3
    assert await cache.get_or_load("key", load) == 2


@pytest.mark.row("S2.17")
async def test_a_batch_that_raises_no_exception_is_asked_once(manual_clock):
    """Each of its ids gets what it raised."""
    cache, loads = alone(manual_clock), 0

    async def load_many(ids: list[int]) -> dict[int, int]:
        nonlocal loads
        loads += 1
        raise Stop

    with pytest.raises(Stop):
        await cache.get_many_or_load("thing", [1, 2], load_many)
    assert loads == 1


@pytest.mark.row("S3.4")
@pytest.mark.parametrize("shared", [False, True])
async def test_a_load_that_began_before_a_refresh_never_replaces_what_the_refresh_brought(manual_clock, shared):
    """It ends last and is older: whoever waited for it may have it, the cache may not."""
    source = Source()
    async with pair_over_memory(manual_clock) as (one, _):
        gates = [asyncio.Event(), asyncio.Event()]
        begun = 0

        @(one if shared else alone(manual_clock)).cached(ttl=60)
        async def version() -> int:
            nonlocal begun
            gate, begun = gates[begun], begun + 1
            seen = source.version
            await gate.wait()
            return seen

        old = asyncio.ensure_future(version())
        while begun < 1:
            await asyncio.sleep(0)
        source.version = 1
        new = asyncio.ensure_future(version.refresh())
        while begun < 2:
            await asyncio.sleep(0)
        gates[1].set()
        assert await new == 1
        gates[0].set()
        assert await old == 0
        assert await version() == 1
