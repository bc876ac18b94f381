"""The chaos of `ChaosStore`, over the reference partition."""

import asyncio
from collections import Counter

import pytest

from evercache.core.protocol import Distrust, InvalidateKey, InvalidateTag, Key, Look, Reserve, Terms
from evercache.errors import ConfigurationError, StoreUnavailable
from evercache.stores.memory import Partition
from evercache.testing.chaos import ChaosStore, by_chance, in_order, only
from evercache.testing.clock import ManualClock

TERMS = Terms()
WRITE = InvalidateKey(b"user:1")


class OnePartition:
    """The smallest store: one partition of this process, always trusted; remembers what it executed."""

    partitions = 1

    def __init__(self):
        self.partition = Partition(lambda: 1_000)
        self.executed = []
        self.closed = False
        self.listener = None

    def partition_of(self, key):
        return 0

    def trusted(self, partition):
        return True

    def now(self, partition):
        return 1_000

    async def start(self, listener):
        self.listener = listener

    async def close(self):
        self.closed = True

    async def execute(self, partition, command):
        self.executed.append(command)
        return self.partition.execute(command)


class Diary:
    """A listener that writes down what it hears."""

    def __init__(self, *owed):
        self.heard = []
        self.debts = list(enumerate(owed))

    def owed(self, partition, limit):
        return self.debts[:limit]

    def settled(self, partition, operations):
        self.heard.append("settled")
        self.debts = [debt for debt in self.debts if debt[0] not in operations]

    def changed(self, partition, *, trusted, reason):
        self.heard.append("trusted" if trusted else "untrusted")

    def flushed(self, partition):
        self.heard.append("flushed")

    def logged(self, partition, records):
        self.heard.append("logged")

    def leased(self, partition, until):
        self.heard.append("leased")

    def woken(self, partition, keys):
        self.heard.append("woken")

    def restarted(self, partition):
        self.heard.append("restarted")


async def test_in_peace_every_command_passes():
    """Without a plan the store inside answers."""
    inner = OnePartition()
    store = ChaosStore(inner)
    looked = await store.execute(0, Look(Key(b"user:1", "user:1"), ()))
    assert looked.record is None
    assert store.trusted(0)
    assert store.met == {"none": 1}


@pytest.mark.parametrize(("fault", "executed"), [("refuse", 0), ("lose", 0), ("lose_reply", 1)])
async def test_a_lost_command_looks_the_same_wherever_it_was_lost(fault, executed):
    """The caller can't know whether it was executed."""
    inner = OnePartition()
    store = ChaosStore(inner, in_order(fault))
    with pytest.raises(StoreUnavailable) as caught:
        await store.execute(0, WRITE)
    assert caught.value.reason == fault
    assert len(inner.executed) == executed
    await store.execute(0, WRITE)
    assert store.met == Counter({fault: 1, "none": 1})


async def test_twice_is_executed_two_times():
    """A client that retries executes twice."""
    inner = OnePartition()
    await ChaosStore(inner, in_order("twice")).execute(0, WRITE)
    assert inner.executed == [WRITE, WRITE]


async def test_a_delayed_command_waits_for_the_clock():
    """The delay is the clock's, not the machine's."""
    inner, clock = OnePartition(), ManualClock()
    store = ChaosStore(inner, in_order("delay"), seconds=30, clock=clock)
    task = asyncio.create_task(store.execute(0, WRITE))
    await clock.tick(29)
    assert inner.executed == []
    await clock.tick(1)
    await task
    assert inner.executed == [WRITE]


async def test_a_late_command_is_executed_after_the_caller_was_told_that_it_failed():
    """ "No answer" does not mean "not executed"."""
    inner, clock = OnePartition(), ManualClock()
    store = ChaosStore(inner, in_order("late"), seconds=30, clock=clock)
    with pytest.raises(StoreUnavailable):
        await store.execute(0, WRITE)
    assert inner.executed == []
    await clock.tick(30)
    assert inner.executed == [WRITE]


async def test_close_gives_up_what_is_late():
    """No task outlives its store."""
    inner, clock = OnePartition(), ManualClock()
    store = ChaosStore(inner, in_order("late"), clock=clock)
    with pytest.raises(StoreUnavailable):
        await store.execute(0, WRITE)
    await clock.until_asleep()
    await store.close()
    assert clock.sleepers == 0
    assert inner.closed


async def test_the_same_seed_gives_the_same_faults():
    """A failure that was found by chance can be found again."""
    plans = [by_chance(7, {"lose": 0.3, "twice": 0.2}) for _ in range(2)]
    first, second = ([plan(WRITE) for _ in range(200)] for plan in plans)
    assert first == second
    assert set(first) == {"none", "lose", "twice"}


@pytest.mark.parametrize("chances", [{"lose": 1.5}, {"lose": -0.1}, {"lose": 0.6, "twice": 0.6}])
def test_chances_that_are_none_are_refused(chances):
    """A plan that can't be thrown is an error where it is written."""
    with pytest.raises(ConfigurationError):
        by_chance(1, chances)


async def test_only_some_commands_meet_the_plan():
    """Writes can be lost while reads are well."""
    plan = only((InvalidateKey, InvalidateTag), in_order("lose", "lose"))
    assert plan(Distrust(b"c", TERMS)) == "none"
    assert plan(WRITE) == "lose"
    assert plan(Reserve(Key(b"user:1", "user:1"), (), b"c", TERMS)) == "none"
    assert plan(InvalidateTag(b"t", b"c", TERMS)) == "lose"


async def test_an_outage_is_told_and_heard_by_nobody():
    """While it is down, nothing is executed, nothing arrives, and no partition is trusted."""
    inner, diary = OnePartition(), Diary()
    store = ChaosStore(inner)
    await store.start(diary)
    store.down()
    inner.listener.leased(0, 99.0)
    inner.listener.logged(0, [])
    with pytest.raises(StoreUnavailable):
        await store.execute(0, WRITE)
    assert not store.trusted(0)
    assert diary.heard == ["untrusted"]
    assert inner.executed == []


async def test_after_an_outage_debts_are_paid_before_there_is_trust():
    """An invalidation of the outage reaches the store before any read does."""
    inner, diary = OnePartition(), Diary(WRITE, Distrust(b"c", TERMS))
    store = ChaosStore(inner)
    await store.start(diary)
    store.down()
    await store.up()
    assert len(inner.executed) == 2
    assert diary.heard == ["untrusted", "settled", "settled", "flushed", "trusted"]
    assert store.trusted(0)
    inner.listener.leased(0, 99.0)
    assert diary.heard[-1] == "leased"
