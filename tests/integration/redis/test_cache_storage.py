"""What stands in Redis: how many bytes, under which names, and for how long."""

import json
from random import Random

import pytest

from tests.support.ears import until
from tests.support.outage import opened_cache
from tests.support.popular import zipf

TEXT = (
    "review the contract with the supplier before the meeting on monday and send a short summary to everybody who was "
    "invited because the numbers of the last quarter changed again after the audit found two invoices without an order"
)
WORDS = TEXT.split()


def tasks(count: int) -> list[dict[str, object]]:
    """A page of a task list as JSON has it: identifiers and times that never repeat, states that do, sentences."""
    draw = Random(7)
    words = iter(zipf(count * 20, things=len(WORDS), seed=7))
    return [
        {
            "id": f"{draw.getrandbits(128):032x}",
            "title": " ".join(WORDS[next(words)] for _ in range(5)),
            "description": " ".join(WORDS[next(words)] for _ in range(15)),
            "status": draw.choice(["todo", "in_progress", "done"]),
            "owner_id": draw.randrange(10_000),
            "created_at": f"2030-0{draw.randrange(1, 10)}-1{draw.randrange(10)}T0{draw.randrange(10)}:15:{draw.randrange(10, 60)}Z",
            "assignees": [draw.randrange(10_000) for _ in range(draw.randrange(4))],
        }
        for _ in range(count)
    ]


def entries(server, namespace: str) -> list[bytes]:
    """The keys of the namespace's entries, as Redis has them."""
    return [key for key in server.command("KEYS", f"*{namespace}*") if b":e:" in key]


async def entry(server, namespace: str) -> bytes:
    """The only entry of the namespace, as soon as it has been written."""
    await until(lambda: entries(server, namespace))
    (key,) = entries(server, namespace)
    return key


@pytest.mark.row("S2.74", "S2.18", "S4.71")
async def test_a_page_of_tasks_takes_forty_per_cent_less_than_its_json(redis_server, redis_url, redis_namespace):
    """Counted by Redis itself, key, proofs and times included, with the default settings."""
    page = tasks(50)
    async with opened_cache(redis_url, redis_namespace) as (cache, _):

        @cache.cached
        async def task_list() -> list[dict[str, object]]:
            return page

        await task_list()
        key = await entry(redis_server, redis_namespace)
        stored = redis_server.command("STRLEN", key) + len(key)
    assert stored < 0.6 * len(json.dumps(page).encode())


@pytest.mark.row("S2.18")
async def test_a_small_value_takes_no_detour(redis_server, redis_url, redis_namespace):
    """What compression can't make smaller is stored as compact JSON that anybody can read in a dump."""
    async with opened_cache(redis_url, redis_namespace) as (cache, _):

        @cache.cached
        async def flags() -> dict[str, bool]:
            return {"beta": True}

        await flags()
        stored = redis_server.command("GET", await entry(redis_server, redis_namespace))
    assert b'{"beta":true}' in stored


@pytest.mark.row("S2.27", "S4.19", "S2.111", "S1.11")
@pytest.mark.parametrize(
    ("name", "options", "seconds"),
    [("users", {"ttl": "1h"}, 3600), ("searches", {"ttl": 20, "stale_for": 40}, 60), ("other", {}, 300)],
)
async def test_each_kind_of_data_has_its_own_life_in_redis(
    redis_server, redis_url, redis_namespace, name, options, seconds
):
    """A named cache's ttl, plus what stale answers need; what says nothing gets CACHE_DEFAULT_TTL, 300 s."""
    async with opened_cache(redis_url, redis_namespace) as (cache, _):

        @cache.named(name, **options).cached(key="one", jitter=0.0)
        async def one() -> int:
            return 1

        await one()
        left = redis_server.command("PTTL", await entry(redis_server, redis_namespace)) / 1000
    assert seconds - 30 < left <= seconds + 1


@pytest.mark.row("S2.27", "S4.62")
async def test_the_default_life_is_a_setting(redis_server, redis_url, redis_namespace):
    """CACHE_DEFAULT_TTL changes what has no ttl of its own."""
    async with opened_cache(redis_url, redis_namespace, default_ttl=5_000) as (cache, _):

        @cache.cached(jitter=0.0)
        async def one() -> int:
            return 1

        await one()
        left = redis_server.command("PTTL", await entry(redis_server, redis_namespace)) / 1000
    assert 4_900 < left <= 5_001
