"""What an application's own monitoring and error handling can take from a cache: events, counters, health."""

import json
import logging
from collections import Counter

import pytest

from evercache import Cache
from evercache.core.events import Event, Invalidated, Loaded, LoadFailed, Missed


class DatabaseError(Exception):
    """An error of the application, not of the cache."""


def broken(cache: Cache):
    """A cached function whose source is away."""

    @cache.cached(key="report")
    async def report(user: str) -> str:
        raise DatabaseError(f"no connection for {user}")

    return report


@pytest.mark.row("S2.16")
async def test_an_error_of_the_function_reaches_its_caller_as_it_is():
    """The application's handlers see their own class and message, as without a cache."""
    with pytest.raises(DatabaseError, match="no connection for ada"):
        await broken(Cache(environ={}))("ada")


@pytest.mark.row("S2.16", "S2.101")
async def test_a_tracker_learns_which_function_failed_and_nothing_about_its_arguments():
    """Function, class and duration: enough to find it, and nothing that may not leave the process."""
    cache, tracked = Cache(environ={}), []
    cache.observe(lambda event: tracked.append(event) if isinstance(event, LoadFailed) else None)
    with pytest.raises(DatabaseError):
        await broken(cache)("ada")
    (failure,) = tracked
    assert (failure.function, failure.error) == ("report", "DatabaseError")
    assert failure.seconds >= 0
    assert "ada" not in repr(failure)
    assert cache.statistics()["functions"]["report"]["load_failures"] == 1


@pytest.mark.row("S2.16")
async def test_a_counter_of_any_monitoring_is_an_observer_and_can_be_taken_away():
    """One call per event off the hit path, none for hits; after `stop()` none at all."""
    cache = Cache(environ={})
    counted: Counter[type[Event]] = Counter()

    def count(event: Event) -> None:
        counted[type(event)] += 1

    stop = cache.observe(count)

    @cache.cached(tags=["all"])
    async def page(number: int) -> int:
        return number

    for _ in range(10):
        await page(1)
    await cache.invalidate_tags("all")
    await page(1)
    assert counted == {Missed: 2, Loaded: 2, Invalidated: 1}
    stop()
    await page(2)
    assert counted[Missed] == 2


@pytest.mark.row("S2.16")
async def test_a_monitoring_that_fails_costs_no_request(caplog: pytest.LogCaptureFixture):
    """It is said once, with the traceback; the other observers still hear everything."""
    cache, heard = Cache(environ={}), []

    def monitoring_is_down(event: Event) -> None:
        raise OSError("the collector is away")

    cache.observe(monitoring_is_down)
    cache.observe(heard.append)

    @cache.cached
    async def page(number: int) -> int:
        return number

    assert [await page(number) for number in range(3)] == [0, 1, 2]
    assert len(heard) == 6
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None


@pytest.mark.row("S2.16", "S2.25")
async def test_health_and_statistics_are_ready_for_an_endpoint():
    """Both are plain JSON; hits, misses by cause, loads and the hit rate are there."""
    cache = Cache(environ={})

    @cache.cached(key="page")
    async def page(number: int) -> int:
        return number

    for _ in range(4):
        await page(1)
    assert json.loads(json.dumps(cache.health().to_dict())) == {"status": "memory"}
    told = json.loads(json.dumps(cache.statistics()))
    assert told["hit_rate"] == 0.75
    page_counts = told["functions"]["page"]
    assert (page_counts["hits"], sum(page_counts["misses"].values()), page_counts["loads"]) == (3, 1, 1)
