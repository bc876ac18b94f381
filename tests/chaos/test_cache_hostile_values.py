"""Loaders return what nobody expects: it is served, whatever becomes of the cache."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tests.support.outage import opened_cache

pytestmark = pytest.mark.expects_logs


class Hostile:
    """Answers every question that a cache might have with an exception."""

    def _raise(self, *_: object) -> Any:
        raise RuntimeError("hands off")

    __eq__ = __hash__ = __len__ = __iter__ = __bool__ = __sizeof__ = __reduce__ = _raise
    __reduce_ex__ = __deepcopy__ = __copy__ = __getstate__ = __repr__ = __str__ = _raise


class HostileDict(dict):
    def items(self):
        raise RuntimeError("hands off")

    def __iter__(self):
        raise RuntimeError("hands off")

    def __len__(self):
        raise RuntimeError("hands off")


def nested(depth):
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def cyclic():
    value: list[Any] = []
    value.append(value)
    return value


VALUES = {
    "hostile": Hostile,
    "hostile dict": lambda: HostileDict(a=1),
    "in a list": lambda: [Hostile()],
    "in a dict": lambda: {"a": {"b": Hostile()}},
    "lock": threading.Lock,
    "generator": lambda: (number for number in range(3)),
    "deep": lambda: nested(100_000),
    "cyclic": cyclic,
    "surrogate": lambda: {"text": "\ud800"},
    "nan": lambda: float("nan"),
    "huge int": lambda: 10**5_000,
    "class": lambda: Hostile,
    "function": lambda: cyclic,
    "exception": lambda: ValueError("as a value"),
}


@pytest.mark.row("FT13", "S2.26", "W23")
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("shared", [True, False], ids=["redis", "memory"])
async def test_what_cant_be_cached_is_served(redis_url, redis_namespace, name, shared):
    """
    No type, no size and no misbehaviour of a value is the caller's problem; the cache stays well.
    """
    async with opened_cache(redis_url, redis_namespace) as (cache, _):

        @cache.cached(key="hostile", l2=shared, share=not shared)
        async def load(number: int) -> Any:
            return VALUES[name]()

        for number in (1, 1, 2):
            assert type(await load(number)) is type(VALUES[name]())
        assert cache.health().status == "healthy"
        await load.invalidate(1)


@pytest.mark.row("S2.26")
async def test_observers_and_conditions_that_fail_are_nobodys_problem(redis_url, redis_namespace):
    """
    An observer that raises is logged once; the value arrives.
    """
    async with opened_cache(redis_url, redis_namespace) as (cache, _):

        def broken(event):
            raise RuntimeError("I only watch")

        cache.observe(broken)

        @cache.cached(key="watched")
        async def watched(number: int) -> int:
            return number

        assert [await watched(number) for number in range(10)] == list(range(10))


@pytest.mark.row("S2.26")
async def test_callers_never_share_what_cant_be_copied(redis_url, redis_namespace):
    """
    Five callers at once of a function that returns a generator: each one has a whole one of its own.
    """
    async with opened_cache(redis_url, redis_namespace) as (cache, _):

        @cache.cached(key="numbers")
        async def numbers(count: int) -> Any:
            return (number for number in range(count))

        for streams in (await asyncio.gather(*[numbers(3) for _ in range(5)]), [await numbers(3), await numbers(3)]):
            assert [list(stream) for stream in streams] == [[0, 1, 2]] * len(streams)
