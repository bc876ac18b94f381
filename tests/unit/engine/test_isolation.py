"""A value that was handed out is its reader's; L1 stays within its bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

import pydantic
import pytest

from tests.support.source import Source, alone, pair_over_memory


@dataclass
class Order:
    id: int
    items: list[str] = field(default_factory=list)


class Profile(pydantic.BaseModel):
    name: str
    groups: list[str]


def spoil(value):
    match value:
        case dict():
            value["list"].append("spoilt")
            value["new"] = 1
        case list():
            value[0].append("spoilt")
        case Order():
            value.items.append("spoilt")
            value.id = 99
        case Profile():
            value.groups.append("spoilt")
            value.name = "spoilt"


CASES = {
    "dict": (dict[str, list[str]], lambda: {"list": ["a"]}),
    "list": (list[list[str]], lambda: [["a"]]),
    "dataclass": (Order, lambda: Order(1, ["a"])),
    "pydantic": (Profile, lambda: Profile(name="a", groups=["a"])),
    "unannotated": (None, lambda: {"list": ["a"]}),
}


@pytest.mark.row("W29", "S1.10")
@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
async def test_what_a_reader_does_to_its_value_is_its_own_business(manual_clock, kind, shared):
    """
    The loader's object, the first reader's and every later one are different objects all the way down.
    """
    annotation, make = CASES[kind]
    async with pair_over_memory(manual_clock) as pair:
        cache = pair[0] if shared else alone(manual_clock)
        loaded = make()

        async def value():
            return loaded

        value.__annotations__ = {} if annotation is None else {"return": annotation}
        value = cache.cached(key="value")(value)
        for _ in range(3):
            spoil(await value())
        spoil(loaded)
        assert await value() == make()
        await cache.set("k", make(), type=annotation)
        spoil(await cache.get("k", type=annotation))
        assert await cache.get("k", type=annotation) == make()


async def test_share_hands_out_the_object_itself(manual_clock):
    """
    share=True: one object for all, for those who promise not to change it.
    """
    source = Source()
    thing = source.on(alone(manual_clock), share=True)
    await thing()
    assert await thing() is await thing()


@pytest.mark.row("W29")
async def test_l1_is_bounded_by_items(manual_clock):
    """
    More keys than l1_items: the number holds, and what was put out is loaded again.
    """
    source = Source()
    cache = alone(manual_clock, l1_items=100)
    thing = source.on(cache)
    for number in range(1_000):
        await thing(number)
    memory = cache.statistics()["l1"]
    assert memory["items"] == 100
    assert memory["evictions"] == 900
    assert cache.statistics()["functions"]["thing"]["evictions"] == 900
    assert sum(len(site.table) for site in cache.engine.sites.values()) == 100


@pytest.mark.row("W29")
async def test_l1_is_bounded_by_bytes(manual_clock):
    """
    Large values push others out before the estimate passes the limit.
    """
    cache = alone(manual_clock, l1="1MiB")
    for number in range(100):
        await cache.set(("blob", number), "x" * 50_000)
        assert cache.statistics()["l1"]["bytes_estimated"] <= 1 << 20
    assert 10 <= cache.statistics()["l1"]["items"] <= 21


async def test_without_l1_every_read_asks_the_shared_store(manual_clock):
    """
    l1=False keeps a function out of the process's memory, puts included.
    """
    source = Source()
    async with pair_over_memory(manual_clock) as (one, _):
        thing = source.on(one, l1=False)
        await thing.put({"number": 0, "version": 5}, 0)
        for _ in range(3):
            assert (await thing())["version"] == 5
        stats = one.statistics()["functions"]["thing"]
        assert (stats["hits"], stats["l2_hits"], source.loads) == (0, 3, 0)
        assert one.statistics()["l1"]["items"] == 0


async def test_without_l2_a_value_stays_in_this_process_and_follows_invalidations(manual_clock):
    """
    l2=False: nothing of it is in the shared store, and another process's invalidation still reaches it.
    """
    source = Source()
    async with pair_over_memory(manual_clock) as (one, two):
        first, second = source.on(one, l2=False), source.on(two, l2=False)
        await first()
        await second()
        assert source.loads == 2
        source.version = 1
        assert await two.invalidate_tags("thing:0")
        assert (await first())["version"] == 1
