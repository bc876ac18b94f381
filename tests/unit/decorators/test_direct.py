"""get, set, get_or_load, get_many_or_load: the calls that name their key themselves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal

import pytest

from evercache import FOREVER, MISSING, Cache, Confirmation
from evercache.errors import ConfigurationError, KeyEncodingError
from evercache.stores.local import MemoryStore


@dataclass
class Task:
    id: int


@pytest.fixture(params=["alone", "shared"])
async def cache(request, manual_clock):
    """A cache alone in its process, and one over a shared store."""
    store = MemoryStore(manual_clock).join if request.param == "shared" else None
    async with Cache(store=store, clock=manual_clock, jitter=0, namespace="direct") as cache:
        yield cache


@pytest.mark.row("W19")
@pytest.mark.parametrize(
    "value", [None, [], {}, 0, "", False, "text", {"a": [1, 2]}, Decimal("1.0"), (1, (2,)), Task(1)]
)
async def test_what_is_set_is_got_with_its_type(cache, value):
    """Nothing is not absence: MISSING is."""
    assert await cache.get("key") is MISSING
    assert await cache.get("key", default=1) == 1
    assert await cache.set("key", value) is Confirmation.CONFIRMED
    found = await cache.get("key", type=Task) if isinstance(value, Task) else await cache.get("key", default=1)
    assert found == value
    assert type(found) is type(value)


async def test_what_is_got_is_the_callers_own(cache):
    """Changing it changes nobody else's."""
    value = {"a": [1]}
    await cache.set("key", value)
    value["a"].append(2)
    (await cache.get("key"))["a"].append(3)
    assert await cache.get("key") == {"a": [1]}


@pytest.mark.row("W3", "W35")
async def test_keys_are_texts_or_tuples_that_begin_with_one(cache):
    """("a", "b") is not "a:b", and ("a", 1) not ("a", "1"); nor is a text that looks like a digest."""
    keys = ["a:b", ("a", "b"), ("a", "b", None), ("a", 1), ("a", "1"), ("a", True), ("a",)]
    for number, key in enumerate(keys):
        await cache.set(key, number)
    assert [await cache.get(key) for key in keys] == list(range(len(keys)))
    assert await cache.get("a") == len(keys) - 1
    for key in ("", (), (1, "a"), 7, None, ["a"]):
        with pytest.raises(ConfigurationError, match="a key is a text or a tuple"):
            await cache.get(key)
    with pytest.raises(KeyEncodingError):
        await cache.get(("a", object()))


@pytest.mark.row("S2.83")
async def test_a_ttl_of_its_own_ends_on_its_own(cache, manual_clock):
    """Per call, over the cache's default of 300 s."""
    await cache.set("short", 1, ttl="10s")
    await cache.set("default", 1)
    await cache.set("forever", 1, ttl=FOREVER)
    await manual_clock.tick(11)
    assert [await cache.get(key) for key in ("short", "default", "forever")] == [MISSING, 1, 1]
    await manual_clock.tick(400)
    assert [await cache.get(key) for key in ("short", "default", "forever")] == [MISSING, MISSING, 1]
    with pytest.raises(ConfigurationError):
        await cache.set("zero", 1, ttl=0)


async def test_many_ttls_are_one_place(cache, manual_clock):
    """The last one said holds; a ttl makes no second entry."""
    for ttl in range(1, 50):
        await cache.set("key", ttl, ttl=ttl)
    assert await cache.get("key") == 49
    assert len(cache.engine.sites) <= 2


async def test_get_or_load_loads_once(cache):
    """Concurrent callers share one load, later ones its value."""
    runs = []

    async def load():
        runs.append(1)
        await asyncio.sleep(0)
        return Task(len(runs))

    assert await asyncio.gather(*(cache.get_or_load(("task", 1), load, type=Task) for _ in range(5))) == [Task(1)] * 5
    assert await cache.get(("task", 1), type=Task) == Task(1)
    await cache.delete(("task", 1))
    assert await cache.get(("task", 1), type=Task) is MISSING
    assert await cache.get_or_load(("task", 1), load, type=Task, ttl="1m") == Task(2)


async def test_deleting_drops_every_type_and_tags_drop_many(cache):
    """A key is one thing, whatever is kept under it."""
    await cache.set("key", Task(1), tags=["tasks"])
    await cache.set("other", "text", tags=["tasks", "texts"])
    assert await cache.invalidate("key", "nothing") is Confirmation.CONFIRMED
    assert await cache.get("key", type=Task) is MISSING
    await cache.invalidate_tags("texts")
    assert await cache.get("other") is MISSING
    with pytest.raises(ConfigurationError, match="functions and templates belong to decorators"):
        await cache.set("key", 1, tags=[lambda: "tag"])


async def test_many_keys_are_loaded_by_one_call(cache):
    """What is there is not asked for; what the source doesn't have is not there and not kept."""
    asked = []

    async def load_many(ids):
        asked.append(sorted(ids))
        return {id: f"user {id}" for id in ids if id < 10}

    assert await cache.get_many_or_load("user", [1, 2, 2], load_many) == {1: "user 1", 2: "user 2"}
    assert await cache.get_many_or_load("user", [1, 3, 99], load_many) == {1: "user 1", 3: "user 3"}
    assert await cache.get_many_or_load("user", [99], load_many) == {}
    assert await cache.get_many_or_load("user", [], load_many) == {}
    assert asked == [[1, 2], [3, 99], [99]]
    assert await cache.get(("user", 1)) == "user 1"
    await cache.invalidate(("user", 1))
    assert await cache.get_many_or_load("user", [1, 2], load_many) == {1: "user 1", 2: "user 2"}
    assert asked[3:] == [[1]]


async def test_an_error_of_the_batch_is_everybodys(cache):
    """And nothing is kept of it."""

    async def load_many(ids):
        raise LookupError("away")

    with pytest.raises(LookupError, match="away"):
        await cache.get_many_or_load("user", [1, 2], load_many)
    assert await cache.get(("user", 1)) is MISSING


async def test_a_named_cache_has_its_own_keys(cache):
    """The same key in two of them is two keys; dropping one cache leaves the other."""
    users, tasks = cache.named("users"), cache.named("tasks", ttl="1h")
    for number, face in enumerate((cache, users, tasks)):
        await face.set("key", number)
    assert [await face.get("key") for face in (cache, users, tasks)] == [0, 1, 2]
    await users.invalidate_all()
    assert [await face.get("key") for face in (cache, users, tasks)] == [0, MISSING, 2]
