"""When L1 may answer, and what it must forget."""

from __future__ import annotations

import pytest

from evercache.core.lease import LogReader
from evercache.core.protocol import LogRecord

RECORD = LogRecord("k", b"users:1")


def opened() -> LogReader:
    reader = LogReader(1.0)
    reader.opened(b"7", sent=100.0)
    return reader


@pytest.mark.row("PR2")
def test_a_lease_counts_from_the_moment_its_question_was_sent():
    """What was confirmed between question and answer may be missing in the answer."""
    heard = opened().heard(101.0, 101.9, anchored=True, records=[])
    assert (heard.flush, heard.until) == (False, 102.0)


def test_opening_the_log_forgets_everything():
    """Nothing is known of the time before."""
    heard = LogReader(1.0).opened(b"7", sent=100.0)
    assert (heard.flush, heard.records, heard.until) == (True, (), 101.0)


def test_records_move_the_position():
    """The next question begins behind the last record heard."""
    reader = opened()
    heard = reader.heard(101.0, 101.1, anchored=True, records=[(b"8", RECORD), (b"9", RECORD)])
    assert (heard.records, reader.position) == ((RECORD, RECORD), b"9")


@pytest.mark.row("PR2")
def test_a_lost_anchor_ends_the_lease_and_asks_for_another():
    """A log that was trimmed, evicted or flushed answers "nothing new"; that is no proof."""
    reader = opened()
    heard = reader.heard(101.0, 101.1, anchored=False, records=[(b"12", RECORD)])
    assert heard.flush
    assert heard.until == float("-inf")
    assert reader.position is None


def test_a_broken_link_loses_the_position():
    """The next connection may lead to another server."""
    reader = opened()
    reader.lost()
    assert reader.position is None
