"""The small parts of the Redis store that need no server."""

from __future__ import annotations

import pytest

from evercache.stores.redis.contract import Contract
from evercache.stores.redis.keyspace import Keyspace, partition_of
from evercache.stores.redis.server_clock import ServerClock
from evercache.stores.redis.slowness import Slowness
from evercache.stores.redis.topology import key_slot


def test_everything_of_a_partition_is_in_one_slot():
    """One hash tag, whatever stands in the name of a key."""
    keys = Keyspace("shop", 3)
    names = [
        *(keys.entry(b"{x}"), keys.generation(b"}"), keys.lock(b"k"), keys.waiting(b"{"), keys.tag(b"{t}")),
        *(keys.namespace, keys.ban, keys.bans, keys.log, keys.wake, keys.heartbeat, keys.contract),
    ]
    assert len({key_slot(name) for name in names}) == 1
    assert len(set(names)) == len(names)


def test_the_partition_of_a_key_never_changes():
    """Processes of all versions must agree."""
    assert [partition_of(b"key-%d" % number, 16) for number in range(6)] == [12, 10, 0, 6, 5, 3]
    assert partition_of(b"anything", 1) == 0


def test_the_servers_clock_takes_the_fastest_answer():
    """An answer that took long says little; the smallest difference is the best, and is never behind."""
    now = [100.0]
    clock = ServerClock(lambda: now[0], lambda: 5.0)
    assert clock.now() == 5_000
    clock.sample(100.0, 1_000_050)  # 50 ms on its way
    clock.sample(100.0, 1_000_010)
    clock.sample(100.0, 1_000_080)
    assert clock.now() == 1_000_011
    now[0] = 101.0
    assert clock.now() == 1_001_011


def test_the_servers_clock_forgets_what_is_old():
    """Clocks drift: after two windows the best of long ago no longer counts."""
    now = [0.0]
    clock = ServerClock(lambda: now[0], lambda: 0.0)
    for second in range(0, 100, 5):
        now[0] = float(second)
        clock.sample(now[0], 1_000_000 + second * 1_010)  # 1 % faster than ours
    assert clock.now() >= 1_000_000 + 95 * 1_010 - 700


@pytest.mark.row("FT4")
def test_slow_means_slower_than_half_of_the_loads_and_than_20_ms():
    """Fewer than 20 samples prove nothing, and without loads there is nothing to be slower than."""
    slowness = Slowness()
    assert sum(slowness.answered(1.0) for _ in range(64)) == 0
    slowness = Slowness()
    slowness.loaded(0.001)
    assert sum(slowness.answered(0.019) for _ in range(64)) == 0
    assert sum(slowness.answered(0.1) for _ in range(3)) == 0  # 3 of 64
    assert sum(slowness.answered(0.1) for _ in range(8)) == 1
    assert not slowness.recovered([0.1] * 20)
    assert not slowness.recovered([0.001] * 7)
    assert slowness.recovered([0.1, *[0.001] * 8])
    assert not slowness.is_slow


def test_a_contract_is_adopted_in_part_and_refused_in_part():
    """Δ and the answer to failovers are taken over; partitions, format and secret must be equal."""
    mine = Contract(1, 1, "", 1_000, "distrust")
    theirs = Contract(1, 1, "", 250, "replay")
    assert mine.against(theirs.text().encode()) == (theirs, "")
    for other in (
        Contract(16, 1, "", 1_000, "distrust"),
        Contract(1, 2, "", 1_000, "distrust"),
        Contract(1, 1, "f", 1_000, "distrust"),
    ):
        agreed, problem = mine.against(other.text().encode())
        assert agreed == mine
        assert problem
    assert mine.against(b"not json")[1]
    assert mine.against(b"{}")[1]
