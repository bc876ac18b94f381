"""What can be seen of a cache: why(), statistics, events. None of it may change an answer."""

from __future__ import annotations

import asyncio

import pytest

from evercache import Cache, current
from evercache.core import events as happened
from evercache.stores.local import MemoryStore
from evercache.testing.chaos import ChaosStore
from tests.support.source import Source, alone, pair_over_memory

# -- why ---------------------------------------------------------------------------------------------------------------


@pytest.mark.row("S2.16", "S2.17")
async def test_why_alone(manual_clock):
    """
    cold, hit with the remaining life, expired, evicted, and how it was invalidated.
    """
    source = Source()
    cache = alone(manual_clock, l1_items=10)
    thing = source.on(cache, ttl=60)
    assert str(await thing.why()) == "miss: cold"
    await thing()
    manual_clock.advance(18)
    assert str(await thing.why()) == "hit in l1, fresh for 42.0 s"
    manual_clock.advance(42)
    assert str(await thing.why()) == "miss: expired"
    await thing()
    await thing.invalidate()
    assert str(await thing.why()) == "miss: invalidated"
    await thing()
    await cache.invalidate_tags("thing:0")
    await thing.why()
    assert str(await thing.why()) == "miss: invalidated by tag thing:0"
    await thing()
    await cache.invalidate_prefix("thing:")
    await thing.why()
    assert str(await thing.why()) == "miss: invalidated by a pattern"
    await thing()
    for number in range(1, 100):
        await thing(number)
    assert str(await thing.why()) == "miss: evicted"
    assert source.loads == 104


@pytest.mark.row("S2.16", "S2.17")
async def test_why_with_a_shared_store(manual_clock):
    """
    Where the answer is, and what the store holds against an entry: the tag, the pattern, the namespace, the schema.
    """
    source = Source()
    async with pair_over_memory(manual_clock) as (one, two):
        first, second = source.on(one, ttl=60), source.on(two, ttl=60)
        assert str(await second.why()) == "miss: cold"
        await first()
        assert str(await first.why()) == "hit in l1, fresh for 60.0 s"
        assert str(await second.why()) == "hit in l2, fresh for 60.0 s"
        assert two.statistics()["l1"]["items"] == 0
        for acting, cause in (
            (lambda: one.invalidate_tags("thing:0"), "miss: invalidated by tag thing:0"),
            (lambda: one.invalidate_pattern("th*"), "miss: invalidated by a pattern"),
            (one.invalidate_all, "miss: namespace invalidated"),
        ):
            await first()
            await acting()
            assert str(await second.why()) == cause
        await first()
        other = source.on(two.named("x"), version=2)
        assert str(await other.why()) == "miss: cold"
        manual_clock.advance(60)
        assert (await second.why()).state == "miss"


async def test_why_says_stale(manual_clock):
    """
    An entry in its stale time answers; that is no plain hit.
    """
    source = Source()
    thing = source.on(alone(manual_clock), ttl=60, stale_for=60)
    await thing()
    manual_clock.advance(70)
    answer = await thing.why()
    assert (answer.state, answer.level) == ("stale", "l1")


@pytest.mark.expects_logs
async def test_why_names_the_reason_when_the_store_cannot_be_asked(manual_clock):
    """
    Not started, switched off, or down and why.
    """
    source, store = Source(), MemoryStore(manual_clock)
    chaos = []

    def join():
        chaos.append(ChaosStore(store.join(), clock=manual_clock))
        return chaos[-1]

    cache = Cache(store=join, clock=manual_clock)
    thing = source.on(cache, l1=False)
    assert str(await thing.why()) == "miss: not started"
    async with cache:
        await thing()
        chaos[0].down()
        assert (await thing.why()).cause == "refused"
        await chaos[0].up()


# -- statistics --------------------------------------------------------------------------------------------------------


@pytest.mark.row("S2.25", "S2.23", "S2.101")
async def test_every_request_is_counted_once(manual_clock):
    """
    requests = hits + l2_hits + stale + misses by cause, whoever loaded; refreshes behind are no requests.
    """
    source = Source()
    async with pair_over_memory(manual_clock) as (one, two):
        first, second = source.on(one, ttl=60, stale_for=60), source.on(two, ttl=60, stale_for=60)
        opened = source.shut()
        calls = [asyncio.ensure_future(first()) for _ in range(10)]
        await manual_clock.tick(0.0)
        opened.set()
        await asyncio.gather(*calls)
        await first()
        await second()
        await second()
        manual_clock.advance(61)
        await first()
        await manual_clock.tick(0.0)
        await one.invalidate_tags("things")
        await first()
        stats = one.statistics()["functions"]["thing"]
        assert stats["requests"] == 13
        assert stats["misses"] == {"absent": 10, "tag": 1}
        assert (stats["hits"], stats["l2_hits"], stats["stale"], stats["joined"]) == (1, 0, 1, 9)
        assert (stats["loads"], stats["fills"], stats["refreshes"]) == (3, 3, 1)
        assert stats["hit_rate"] == pytest.approx(2 / 13)
        other = two.statistics()
        assert (other["functions"]["thing"]["l2_hits"], other["functions"]["thing"]["hits"]) == (1, 1)
        assert other["hit_rate"] == 1.0
        assert one.statistics()["invalidations"] == {"confirmed": 1, "pending": 0}


@pytest.mark.row("S2.25", "S2.101")
async def test_sets_gets_deletes_and_errors_are_counted(manual_clock):
    """
    The direct calls too: get counts hits and misses, set puts, delete invalidations, a failed load its failure.
    """
    cache = alone(manual_clock)
    await cache.set("k", 1)
    await cache.get("k")
    await cache.get("other")
    await cache.delete("k")

    async def broken():
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        await cache.get_or_load("k", broken)
    stats = cache.statistics()["functions"]["direct"]
    assert (stats["puts"], stats["hits"], stats["invalidations"], stats["load_failures"]) == (1, 1, 1, 1)
    assert sum(stats["misses"].values()) == 2
    assert stats["requests"] == 3


@pytest.mark.row("S2.25")
async def test_rejected_negative_and_uncacheable_values_are_counted(manual_clock, caplog):
    """
    What could not be kept, and why, is in the numbers; the log says it once.
    """
    source = Source()
    async with pair_over_memory(manual_clock) as (one, two):
        thing, opened = source.on(one), source.shut()
        loading = asyncio.ensure_future(thing())
        await manual_clock.tick(0.0)
        await two.invalidate_tags("things")
        opened.set()
        await loading

        @one.cached(key="find", negative_ttl={KeyError: 5})
        async def find() -> int:
            raise KeyError

        @one.cached(key="odd")
        async def odd() -> object:
            return object()

        for _ in range(2):
            with pytest.raises(KeyError):
                await find()
            await odd()
        functions = one.statistics()["functions"]
        assert functions["thing"]["rejected"] == 1
        assert (functions["find"]["negative"], functions["find"]["loads"]) == (1, 1)
        assert functions["odd"]["uncacheable"] == 2
    assert len([record for record in caplog.records if "odd" in record.getMessage()]) == 1


# -- events ------------------------------------------------------------------------------------------------------------


@pytest.mark.row("S2.16", "S2.101")
async def test_each_event_is_told_at_its_moment(manual_clock):
    """
    What happens off the hit path is told, in order; a hit tells nothing.
    """
    source, heard = Source(), []
    cache = alone(manual_clock)
    remove = cache.observe(heard.append)
    thing = source.on(cache)
    await thing()
    await thing()
    await cache.invalidate_tags("things")
    source.failing = ValueError("no")
    with pytest.raises(ValueError, match="no"):
        await thing()
    key = thing.key()
    assert heard == [
        happened.Loaded("thing", key, 0.0),
        happened.Missed("thing", key, "absent"),
        happened.Invalidated("tag", "hard", 1, "confirmed", 0.0),
        happened.LoadFailed("thing", key, "ValueError", 0.0),
        happened.Missed("thing", key, "absent"),
    ]
    remove()
    await cache.invalidate_tags("things")
    assert len(heard) == 5


@pytest.mark.row("S2.16", "S2.101", "S2.28")
async def test_rejections_outages_and_what_cannot_be_stored_are_told(manual_clock, caplog):
    """
    FillRejected, Degraded, Recovered, Uncacheable, and invalidations that are only pending.
    """
    store, heard, source, chaos = MemoryStore(manual_clock), [], Source(), []

    def join():
        chaos.append(ChaosStore(store.join(), clock=manual_clock))
        return chaos[-1]

    async with Cache(store=join, clock=manual_clock) as one, Cache(store=store.join, clock=manual_clock) as two:
        one.observe(heard.append)
        thing, opened = source.on(one), source.shut()
        loading = asyncio.ensure_future(thing())
        await manual_clock.tick(0.0)
        await two.invalidate_tags("things")
        opened.set()
        await loading

        @one.cached(key="odd")
        async def odd() -> object:
            return object()

        await odd()
        chaos[0].down()
        await one.invalidate_tags("things")
        await manual_clock.tick(3.0)
        await chaos[0].up()
        await manual_clock.tick(1.0)
        kinds = [type(event) for event in heard]
        assert kinds.count(happened.FillRejected) == 1
        assert kinds.count(happened.Uncacheable) == 1
        assert happened.Degraded(0, "refused") in heard
        assert happened.Recovered(0, 3.0) in heard
        pending = [event for event in heard if isinstance(event, happened.Invalidated)]
        assert [event.confirmation for event in pending] == ["pending"]
        assert one.statistics()["degradations"] == {"refused": 1}
        assert one.statistics()["recoveries"] == 2
        assert one.health().owed == 0


@pytest.mark.row("S2.16", "S2.26")
async def test_an_observer_that_fails_breaks_nothing_and_is_logged_once(manual_clock, caplog):
    """
    Its errors are its own: the request goes on, the other observers hear everything.
    """

    class Bad:
        __hash__ = None

        def __call__(self, event):
            raise RuntimeError("a broken observer")

    source, heard = Source(), []
    cache = alone(manual_clock)
    cache.observe(Bad())
    cache.observe(heard.append)
    thing = source.on(cache)
    for number in range(5):
        await thing(number)
    assert len(heard) == 10
    assert len(caplog.records) == 1


async def test_the_hit_path_knows_no_hooks(manual_clock):
    """
    Observers cost nothing where there are none: the function that answers hits doesn't even name them.
    """
    source = Source()
    cache = alone(manual_clock)
    thing = source.on(cache)
    await thing()
    assert not [name for name in thing.__code__.co_names if "hook" in name or "emit" in name or "observ" in name]


async def test_no_event_tells_an_argument_or_a_tag(manual_clock):
    """
    Names of functions and ids of keys only.
    """
    heard = []
    cache = alone(manual_clock)
    cache.observe(lambda event: heard.append(repr(event)))

    @cache.cached(tags=["user:{email}"])
    async def profile(email: str) -> str:
        current().tags(f"seen:{email}")
        return email

    await profile("alice@example.com")
    await cache.invalidate_tags("user:alice@example.com")
    await profile("alice@example.com")
    assert heard
    assert not [event for event in heard if "alice" in event]
