"""What every cache keeps, whatever stands behind it: one suite, run over memory, two processes' worth of caches, Redis,
Sentinel and Cluster.

A subclass gives the fixture `pair`: two caches that share what is shared (in memory alone, one cache twice).
"""

from __future__ import annotations

import asyncio
import random
from typing import Any, NamedTuple

import pytest

from evercache import MISSING, Cache, Confirmation, current
from tests.support.ears import until
from tests.support.source import Source

__all__ = ["CacheLaws", "Pair"]


class Pair(NamedTuple):
    """Two caches, and the options under which a read is held to the rule at once: L1 has Δ to hear of it."""

    one: Cache
    two: Cache
    strict: dict[str, Any]

    def things(self, source, **options):
        """The same cached function on both."""
        first = source.on(self.one, **(self.strict | options))
        return first, first if self.two is self.one else source.on(self.two, **(self.strict | options))


HOW = {
    "key": lambda cache, thing, n: thing.invalidate(n),
    "tag": lambda cache, thing, n: cache.invalidate_tags(f"thing:{n}"),
    "prefix": lambda cache, thing, n: cache.invalidate_prefix(f"thing:{n}"),
    "glob": lambda cache, thing, n: cache.invalidate_pattern(f"th?ng:{n}"),
}


class CacheLaws:
    """The laws. Versions and counts only: none of them depends on speed."""

    @pytest.mark.row("S1.5", "S2.104")
    async def test_what_was_loaded_is_not_loaded_again(self, pair):
        """
        One load for each key, seen by both; None and empty values are values.
        """
        source = Source()
        first, second = pair.things(source)
        for number in (1, 2):
            for thing in (first, second, first):
                assert await thing(number) == {"number": number, "version": 0}
        assert source.loads == 2
        for nothing in (None, [], 0, ""):
            assert await pair.one.get_or_load(("nothing", str(nothing)), _answering(nothing)) == nothing
            assert await pair.two.get(("nothing", str(nothing))) == nothing
        assert await pair.two.get("nothing") is MISSING

    @pytest.mark.row("S1.5", "S1.11", "S2.104")
    async def test_what_was_set_is_read_and_what_was_deleted_is_not(self, pair):
        """
        set, get, delete and put are seen by the other cache.
        """
        assert await pair.one.set("k", {"a": 1}, **pair.strict)
        assert await pair.two.get("k") == {"a": 1}
        assert await pair.two.delete("k") is Confirmation.CONFIRMED
        await _until_equal(lambda: pair.one.get("k"), MISSING)
        source = Source()
        first, second = pair.things(source)
        await first(1)
        assert await second.put({"number": 1, "version": 7}, 1)
        assert (await first(1))["version"] == 7
        assert source.loads == 1

    @pytest.mark.row("S2.6", "S2.17", "PR1", "W1")
    @pytest.mark.parametrize("how", HOW)
    async def test_an_invalidation_is_seen_by_everybody(self, pair, how):
        """
        Once it is confirmed, no read in either cache gets what it names; what it doesn't name stays.
        """
        source = Source()
        first, second = pair.things(source)
        for thing in (first, second):
            for number in (1, 2):
                await thing(number)
        source.version = 1
        assert await HOW[how](pair.one, first, 1) is Confirmation.CONFIRMED
        assert [(await thing(1))["version"] for thing in (second, first)] == [1, 1]
        assert (await second(2))["version"] == 0

    @pytest.mark.row("S2.6", "S4.18")
    async def test_a_namespace_and_a_named_cache_go_at_once(self, pair):
        """
        invalidate_all of a named cache drops its keys, that of the cache everything.
        """
        users, source = pair.one.named("users"), Source()
        mine, (theirs, _) = source.on(users, **pair.strict), pair.things(source)
        await mine()
        await theirs()
        source.version = 1
        await users.invalidate_all()
        assert ((await mine())["version"], (await theirs())["version"]) == (1, 0)
        source.version = 2
        await pair.two.invalidate_all()
        assert ((await mine())["version"], (await theirs())["version"]) == (2, 2)

    @pytest.mark.row("PR2", "PR3", "W29")
    async def test_after_waiting_for_everyone_no_memory_answers_with_the_old_value(self, pair):
        """
        wait="everyone" covers the process caches too.
        """
        source = Source()
        first, second = pair.things(source, l1=True)
        await first()
        await second()
        await second()
        source.version = 1
        assert await pair.one.invalidate_tags("things", wait="everyone")
        assert [(await thing())["version"] for thing in (second, first)] == [1, 1]

    @pytest.mark.row("PR2")
    async def test_process_caches_hear_of_invalidations_without_being_asked(self, pair):
        """
        Without any waiting, the other cache's memory follows by itself.
        """
        source = Source()
        first, second = pair.things(source, l1=True)
        for how, invalidate in HOW.items():
            await first(1)
            await second(1)
            await second(1)
            source.version += 1
            assert await invalidate(pair.one, first, 1), how
            wanted = source.version
            await _until_equal(lambda: second(1), {"number": 1, "version": wanted})

    @pytest.mark.row("PR1", "W40", "S2.17")
    @pytest.mark.parametrize("how", HOW)
    async def test_a_load_that_was_overtaken_is_never_seen_later(self, pair, how):
        """
        Load begun, data changed and invalidated, load ends, then read: never the old value, in either cache.
        """
        source = Source()
        first, second = pair.things(source)
        for number in range(50):
            opened = source.shut()
            loading = asyncio.ensure_future(first(number))
            await until(lambda: source.running)
            source.version += 1
            assert await HOW[how](pair.two, second, number)
            opened.set()
            source.gate = None
            await loading
            assert [(await thing(number))["version"] for thing in (first, second)] == [source.version] * 2

    @pytest.mark.row("PR1", "W40")
    async def test_readers_and_writers_at_random_never_read_back_in_time(self, pair):
        """
        Each read that starts after a confirmed invalidation returns at least the version it was called for.
        """
        chance, source = random.Random(40), Source()
        things, confirmed = pair.things(source), dict.fromkeys(range(3), 0)

        async def read():
            for _ in range(150):
                number = chance.randrange(3)
                wanted = confirmed[number]
                assert (await chance.choice(things)(number))["version"] >= wanted
                await asyncio.sleep(chance.random() * 0.002)

        async def write():
            for _ in range(40):
                number, side = chance.randrange(3), chance.randrange(2)
                source.version += 1
                version = source.version
                assert await HOW[chance.choice(list(HOW))](pair[side], things[side], number)
                confirmed[number] = max(confirmed[number], version)
                await asyncio.sleep(chance.random() * 0.004)

        await asyncio.gather(*(read() for _ in range(5)), write())

    @pytest.mark.row("W22", "S2.17")
    async def test_concurrent_callers_of_both_caches_share_one_load(self, pair):
        """
        500 callers, one load.
        """
        source = Source()
        first, second = pair.things(source)
        opened = source.shut()
        callers = [asyncio.ensure_future(thing(1)) for _ in range(250) for thing in (first, second)]
        await until(lambda: source.running)
        opened.set()
        assert await asyncio.gather(*callers) == [{"number": 1, "version": 0}] * 500
        assert source.loads == 1

    @pytest.mark.row("S2.6")
    async def test_tags_that_are_known_after_the_load_invalidate_too(self, pair):
        """
        A tag that a loader added is as good as a declared one.
        """
        loads = []

        def on(cache):
            @cache.cached(key="post", **pair.strict)
            async def post(number: int) -> str:
                loads.append(number)
                current().tags(f"author:{number % 2}")
                return f"post {number}"

            return post

        first = on(pair.one)
        second = first if pair.two is pair.one else on(pair.two)
        for post in (first, second):
            await post(1)
            await post(2)
        assert await pair.two.invalidate_tags("author:1")
        for post in (first, second):
            await post(1)
            await post(2)
        assert loads == [1, 2, 1]

    @pytest.mark.row("G26", "FT11")
    @pytest.mark.parametrize("how", ["key", "tag"])
    async def test_what_was_expired_still_covers_an_error(self, pair, how):
        """
        expire() keeps the value for fail_safe, in the other cache too; invalidate() does not.
        """
        source = Source()
        first, second = pair.things(source, fail_safe="1h")
        await first(1)
        assert await (first.expire(1) if how == "key" else pair.one.expire_tags("thing:1"))
        source.failing = ConnectionError("away")
        assert (await second(1))["version"] == 0
        await pair.one.invalidate_tags("thing:1")
        with pytest.raises(ConnectionError):
            await second(1)

    async def test_errors_reach_their_callers_and_are_not_cached(self, pair):
        """
        A failed load is everybody's who waited for it, and nobody's later; unless its class is named.
        """
        source = Source()
        first, second = pair.things(source, negative_ttl={KeyError: "1h"})
        source.failing = ValueError("no")
        for thing in (first, second):
            with pytest.raises(ValueError, match="no"):
                await thing(1)
        assert source.loads == 2
        source.failing = KeyError("none")
        for thing in (first, second):
            with pytest.raises(KeyError):
                await thing(1)
        assert source.loads == 3

    async def test_many_keys_are_one_load(self, pair):
        """
        What is missing is asked for once, by whichever cache.
        """
        asked = []

        async def load_many(ids):
            asked.append(sorted(ids))
            return {id: f"user {id}" for id in ids}

        assert await pair.one.get_many_or_load("users", range(5), load_many) == {n: f"user {n}" for n in range(5)}
        assert await pair.two.get_many_or_load("users", range(6), load_many) == {n: f"user {n}" for n in range(6)}
        assert asked == [[0, 1, 2, 3, 4], [5]]

    @pytest.mark.row("G26")
    async def test_a_refresh_is_newer_than_its_call(self, pair):
        """
        refresh() loads whatever is cached, and the other cache sees it.
        """
        source = Source()
        first, second = pair.things(source)
        await first(1)
        source.version = 1
        assert (await second.refresh(1))["version"] == 1
        assert (await first(1))["version"] == 1
        assert source.loads == 2

    @pytest.mark.row("PR1", "W40", "S2.50")
    @pytest.mark.parametrize("near", [False, True], ids=["of the store", "of memory"])
    async def test_what_is_made_of_others_never_reads_back_in_time(self, pair, near):
        """
        Values of many keys (and partitions) are made of one that is invalidated all the time. Made of what the store has,
        none is older than an invalidation that was confirmed before its read; made of what memory has, none stays old.
        """
        source = Source()
        things = pair.things(source, **({"l1": True} if near else {}))
        kinds = dict(zip(pair[:2], things, strict=True))  # alone, both are the same
        pages = [_made_of(cache, thing, pair.strict) for cache, thing in kinds.items()]
        storm = True

        async def read(page, number):
            while storm:
                before = confirmed
                version = await page(number)
                assert near or version >= before
                await asyncio.sleep(0)  # a hit in memory never lets the loop go

        confirmed = 0
        readers = [asyncio.create_task(read(page, number)) for page in pages for number in range(8)]
        for version in range(1, 40):
            source.version = version
            assert await pair[version % 2].invalidate_tags("thing:0") is Confirmation.CONFIRMED
            confirmed = version
            await asyncio.sleep(0.002)
        storm = False
        await asyncio.gather(*readers)
        await pair.one.invalidate_tags("unrelated", wait="everyone")
        await pair.two.invalidate_tags("unrelated", wait="everyone")
        versions = await asyncio.gather(*[page(number) for page in pages for number in range(8)])
        assert set(versions) == {39}

    @pytest.mark.row("S2.16")
    async def test_why_knows(self, pair):
        """
        cold, hit, and by which tag it was invalidated.
        """
        source = Source()
        first, second = pair.things(source)
        assert str(await second.why(1)) == "miss: cold"
        await first(1)
        assert (await second.why(1)).state == "hit"
        await pair.one.invalidate_tags("thing:1")
        await second.why(1)
        assert str(await second.why(1)) == "miss: invalidated by tag thing:1"


def _made_of(cache, thing, strict):
    @cache.cached(key="page", ttl="1h", **strict)
    async def page(number: int) -> int:
        return (await thing(0))["version"]

    return page


def _answering(value):
    async def load():
        return value

    return load


async def _until_equal(read, wanted):
    async with asyncio.timeout(30):
        while await read() != wanted:
            await asyncio.sleep(0.005)
