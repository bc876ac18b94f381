"""Recorders of many threads at once: each hears of its own reads, of all of them, and of no others."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from evercache import Cache

THREADS, ROUNDS = 8, 300


@pytest.mark.row("S2.50")
async def test_no_read_of_a_recording_thread_goes_unheard():
    """
    While others open and close recorders, hit and invalidate, what a thread reads stands in its own recorder.
    """
    async with Cache(namespace="threads") as cache:

        @cache.cached(key="row", tags=["row:{number}"], ttl="1h")
        def row(number: int) -> int:
            return number

        engine, loop = cache.engine, asyncio.get_running_loop()
        ids = [engine.tag_id(f"row:{number}") for number in range(THREADS)]

        def work(number: int) -> None:
            for turn in range(ROUNDS):
                row((number + 1) % THREADS)
                with engine.recording() as recorder:
                    assert row(number) == number
                assert recorder.tags == {ids[number]}, turn
                if turn % 50 == number:
                    asyncio.run_coroutine_threadsafe(cache.invalidate_tags(f"row:{number}"), loop).result()

        with ThreadPoolExecutor(THREADS) as threads:
            await asyncio.gather(*[loop.run_in_executor(threads, work, number) for number in range(THREADS)])
        assert engine.l1.passing == engine.l1.counter
