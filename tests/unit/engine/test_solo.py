"""A flight without a task: what others may rely on is what they may rely on with one."""

from __future__ import annotations

from typing import Any

import pytest

from evercache import Cache
from evercache.codecs.packer import Packer
from evercache.core.events import Loaded, Missed
from evercache.core.options import Options
from evercache.core.protocol import Key
from evercache.engine.choosy import Choosy
from evercache.engine.site import Request, Site
from evercache.engine.solo import Solo
from evercache.http.frame import FrameCodec


async def nobody(*_: object) -> None:
    raise AssertionError("a solo flight loads by itself")


def site_of(cache: Cache) -> Site:
    site = Site(
        "pages",
        policy=Options(ttl=60, jitter=0.0).resolve("pages"),
        packer=Packer(FrameCodec(), compressor=cache.workshop.compressor),
        load=nobody,
        request=lambda key, _: Request(Key(f"pages#{key}".encode(), str(key)), ("declared",)),
        text=str,
        stats=cache.engine.statistics.of("pages"),
    )
    cache.engine.open(site)
    return site


class Pages:
    """One site of a cache, and who reads it."""

    def __init__(self, cache: Cache) -> None:
        self.cache, self.site, self.choosy = cache, site_of(cache), Choosy(cache.engine)

    def take_off(self, **options: Any) -> Solo:
        solo = self.choosy.solo(self.site, "a", (), **options)
        assert solo is not None
        return solo

    def held(self) -> object:
        found = self.choosy.held(self.site, "a")
        return None if found is None else found.value


@pytest.fixture
async def pages(manual_clock):
    async with Cache(clock=manual_clock, environ={}) as cache:
        yield Pages(cache)


async def test_what_it_brings_is_kept_and_counted(pages, manual_clock):
    """Under its own ttl, with one load, one fill and the events of any other load."""
    events = []
    pages.cache.observe(events.append)
    solo = pages.take_off()
    manual_clock.advance(2.0)
    solo.land("page", keep=True, ttl=5.0)
    assert pages.held() == "page"
    assert (pages.site.stats.loads, pages.site.stats.fills, pages.site.stats.load_seconds) == (1, 1, 2.0)
    assert {type(event) for event in events} >= {Loaded, Missed}
    assert pages.choosy.held(pages.site, "a").left == 5.0


async def test_who_comes_meanwhile_joins_it(pages):
    """Who has come before the load began may use what it brings; who comes later boards the same flight, and asks."""
    early = pages.choosy.arrive()
    solo = pages.take_off()
    flight = pages.choosy.joinable(pages.site, "a")
    late = pages.choosy.arrive()
    assert flight is solo.flight
    assert not flight.waiter.done()
    solo.land("page", keep=True, ttl=60.0)
    assert flight.waiter.done()
    assert pages.choosy.landed(flight).value == "page"
    assert flight.serves(early)
    assert flight.serves(late)  # its proof came after both
    assert not flight.serves(pages.choosy.arrive())
    assert pages.choosy.joinable(pages.site, "a") is None


@pytest.mark.parametrize("tag", ["declared", "by name", "by id"])
async def test_what_an_invalidation_has_overtaken_is_not_kept(pages, tag):
    """Whichever of its tags it was, and whether it was known before the load or after it."""
    early = pages.choosy.arrive()
    solo = pages.take_off()
    await pages.cache.invalidate_tags(tag)
    late = pages.choosy.arrive()
    solo.land("old", keep=True, ttl=60.0, tags=["by name"], ids=[pages.cache.engine.tag_id("by id")])
    assert pages.held() is None
    assert solo.flight.serves(early)
    assert not solo.flight.serves(late)


async def test_what_it_brings_goes_with_each_of_its_tags(pages):
    """Those that were declared, and those that the load has added by name and by id."""
    for tag in ("declared", "by name", "by id"):
        solo = pages.take_off()
        solo.land("page", keep=True, ttl=60.0, tags=["by name"], ids=[pages.cache.engine.tag_id("by id")])
        assert pages.held() == "page"
        await pages.cache.invalidate_tags(tag)
        assert pages.held() is None


async def test_a_forced_one_overtakes_what_is_loading(pages):
    """The older load may end later, and doesn't bring the older value back; nobody joins the newer one."""
    older, newer = pages.take_off(), pages.take_off(force=True)
    assert pages.choosy.joinable(pages.site, "a") is None
    newer.land("new", keep=True, ttl=60.0)
    older.land("old", keep=True, ttl=60.0)
    assert pages.held() == "new"


async def test_what_is_not_to_be_kept_is_for_those_who_wait(pages):
    """It lands all the same, and memory has nothing."""
    solo = pages.take_off()
    solo.land("nothing", keep=False)
    assert solo.flight.waiter.done()
    assert solo.flight.landing.value == "nothing"
    assert pages.held() is None
    assert pages.site.stats.fills == 0
