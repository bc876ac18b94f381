"""get, set and the others know their types; SyncCache too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, assert_type

from evercache import FOREVER, MISSING, Cache, Confirmation, SyncCache
from evercache.engine.loading import Missing

cache = Cache("redis://localhost:6379/0", namespace="shop", l1="64MiB", ttl="5m", jitter=0.2)


class User:
    """Somebody."""


async def load() -> User:
    return User()


async def load_many(ids: list[int]) -> Mapping[int, User]:
    return {id: User() for id in ids}


async def direct() -> None:
    """Keys are texts or tuples, durations what people write."""
    assert_type(await cache.get("key"), Any)
    assert_type(await cache.get("key", type=User), User | Missing)
    assert_type(await cache.get(("user", 7), type=User, default=None), User | None)
    assert_type(await cache.get_or_load("key", load, ttl=timedelta(minutes=5), type=User), User)
    assert_type(await cache.get_many_or_load("user", [1, 2], load_many, ttl=FOREVER), dict[int, User])
    assert_type(await cache.set(("user", 7), User(), ttl="1h", tags=["user:7"]), Confirmation)
    assert_type(await cache.delete("a", ("b", 1)), Confirmation)
    assert_type(await cache.invalidate_tags("a", "b", wait="everyone"), Confirmation)
    value = await cache.get("key", type=User)
    if value is not MISSING and not isinstance(value, Missing):
        assert_type(value, User)


def threads() -> None:
    """No await, and the same signatures."""
    with SyncCache(namespace="shop") as sync:

        @sync.cached(ttl="1h")
        def square(x: int, *, power: int = 2) -> float:
            return float(x**power)

        assert_type(square(3, power=3), float)
        assert_type(square.invalidate(3), Confirmation)
        assert_type(square.refresh(x=3), float)
        assert_type(square.peek(3), float | Missing)
        assert_type(sync.get_or_load("key", lambda: 1), int)
