"""In which order the log is asked, as the server sees it."""

import asyncio

import pytest

from evercache import Cache


@pytest.mark.row("PR2")
async def test_the_anchor_is_asked_for_after_the_records(redis_server, redis_url, redis_namespace):
    """
    The other way round, a log that is lost between the two questions would move the reader on behind what it missed.
    """
    with redis_server.connect() as watching:
        watching.command("MONITOR")
        told: list[str] = []
        async with Cache(redis_url, namespace=redis_namespace):
            while not {"XREAD", "XRANGE"} <= set(told):
                line = await asyncio.to_thread(watching.read)
                told += [word for word in ("XREAD", "XRANGE") if f'"{word}"'.encode() in bytes(line)]
    assert told[0] == "XREAD"
