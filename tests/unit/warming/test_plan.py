"""A plan refuses what could never be warmed, with the reason, when it is written down."""

from __future__ import annotations

from typing import Annotated

import pytest

from evercache import Cache
from evercache.decorators.plumbing import Skip
from evercache.errors import ConfigurationError
from evercache.stores.local import MemoryStore
from evercache.warming import Plan, Warmer
from tests.support.source import Source, alone


def test_what_can_not_be_warmed_is_refused(manual_clock):
    """
    Not cached, one text for many, an iterator that is used up after the first time, nothing at all.
    """
    thing = Source().on(alone(manual_clock))

    async def numbers():
        yield 1

    for function, arguments, why in (
        (print, (1,), "print is not cached"),
        (thing, "abc", "is one argument"),
        (thing, iter([1]), "once only"),
        (thing, numbers(), "once only"),
        (thing, 5, "an iterable or a function"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            Plan().add(function, arguments)
    with pytest.raises(ConfigurationError, match="limit=0"):
        Plan().add(thing, (1,), limit=0)
    with pytest.raises(ConfigurationError, match="has a name"):
        Plan("")
    assert repr(Plan("p").add(thing, (1,))) == "<Plan 'p': thing>"


def test_a_function_that_borrows_from_its_caller_is_refused(manual_clock):
    """
    A session of a request is not there when nobody asks; `using` opens one for each load.
    """
    cache = alone(manual_clock)

    @cache.cached(key="borrows")
    async def borrows(number: int, session: Annotated[object, Skip]) -> int:
        return number

    with pytest.raises(ConfigurationError, match="using"):
        Plan().add(borrows, (1,))


@pytest.mark.expects_logs
async def test_a_function_that_keeps_nothing_in_the_shared_store_is_told(manual_clock):
    """
    With l2=False every process has answers of its own: one process can't warm the others'.
    """
    cache = Cache(store=MemoryStore(manual_clock).join, clock=manual_clock, environ={})
    thing = Source().on(cache, l2=False)
    async with cache:
        result = await Warmer(cache, Plan().add(thing, (1,)), background=False).run()
    assert (result.success, result.errors) == (False, ("thing: ConfigurationError",))
