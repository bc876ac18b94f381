"""Events as log records: name, level and facts."""

import logging

import pytest
import structlog
from structlog.testing import capture_logs

from evercache import Cache
from evercache.core.events import Degraded, FillRejected, Recovered
from evercache.insight.logging import event_name, level_of, log_events
from evercache.insight.structlog import structlog_events


@pytest.mark.row("S0.17", "S2.101")
def test_an_event_becomes_a_record_with_its_facts_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    """
    A log query needs no parsing: the event's name and each fact are fields of the record.
    """
    with caplog.at_level(logging.DEBUG, logger="evercache.events"):
        log_events()(Degraded(partition=3, reason="timeout"))

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.event == "cache.degraded"
    assert (record.partition, record.reason) == (3, "timeout")


def test_names_are_the_classes_in_snake_case() -> None:
    """
    `cache.` and the name of the event.
    """
    assert event_name(FillRejected("f", "k")) == "cache.fill_rejected"
    assert level_of(Recovered(0, 1.0)) == logging.INFO
    assert level_of(FillRejected("f", "k")) == logging.DEBUG


@pytest.mark.row("S1.16")
def test_structlog_gets_the_facts_as_pairs() -> None:
    """
    structlog receives the same name and the same facts.
    """
    structlog.reset_defaults()
    with capture_logs() as records:
        structlog_events()(Degraded(partition=0, reason="refused"))

    assert records == [{"event": "cache.degraded", "partition": 0, "reason": "refused", "log_level": "warning"}]


async def test_a_cache_tells_what_happens_off_the_hit_path(caplog: pytest.LogCaptureFixture) -> None:
    """
    A miss and an invalidation are told; no argument and no tag name appears.
    """
    cache = Cache(namespace="logs")
    remove = cache.observe(log_events())

    @cache.cached(tags=["person:{name}"])
    async def greet(name: str) -> str:
        return f"hello {name}"

    with caplog.at_level(logging.DEBUG, logger="evercache.events"):
        await greet("canary-7731")
        await cache.invalidate_tags("person:canary-7731")
    remove()
    await greet("canary-7731")

    told = [record.event for record in caplog.records]
    assert told == ["cache.loaded", "cache.missed", "cache.invalidated"]
    assert "canary-7731" not in caplog.text
