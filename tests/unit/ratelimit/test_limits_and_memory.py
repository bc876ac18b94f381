"""Limits: what may be said, and what the algorithms admit, on a clock that stands still."""

import random

import pytest

from evercache.errors import ConfigurationError
from evercache.ratelimit import Algorithm, Limit, Limiter, OnError
from evercache.ratelimit.backend import asked_of
from evercache.ratelimit.memory import MemoryBackend
from evercache.testing.clock import ManualClock


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "a b"}, "a name has letters"),
        ({"quota": 0}, "not between 1"),
        ({"quota": 20_000, "algorithm": "log"}, "not between 1 and 10,000"),
        ({"cost": 11}, "could never be let in"),
        ({"burst": 3, "algorithm": "fixed"}, "for GCRA"),
        ({"burst": 3, "cost": 4}, "could never be let in"),
        ({"algorithm": "leaky"}, "choose gcra, log, counter, fixed, concurrency"),
        ({"on_error": "maybe"}, "choose local, open, closed"),
        ({"window": 0}, "window"),
        ({"count_denied": True}, "count_denied"),
    ],
)
def test_a_limit_without_meaning_is_refused_at_once(arguments, said):
    """With the sentence that says what is wrong."""
    with pytest.raises(ConfigurationError, match=said):
        Limit(**{"name": "api", "quota": 10, "window": "1m", **arguments})


def test_a_limit_against_abuse_is_closed_while_nobody_can_count():
    """A log guards logins; everything else goes on in this process."""
    assert Limit("login", 5, "15m", algorithm="log").on_error is OnError.CLOSED
    assert Limit("api", 5, "15m").on_error is OnError.LOCAL


async def admitted(limit: Limit, moments: list[float]) -> list[bool]:
    """Which of the requests at these moments (seconds) are let in."""
    clock = ManualClock()
    limiter = Limiter(clock=clock)
    began, found = clock.monotonic(), []
    for moment in moments:
        clock.advance(began + moment - clock.monotonic())
        found.append(bool(await limiter.hit("x", limit)))
    return found


async def test_gcra_admits_a_burst_and_then_one_by_one():
    """Four at once, and a further one each second."""
    limit = Limit("api", 60, "1m", burst=4)
    assert await admitted(limit, [0, 0, 0, 0, 0, 0.5, 1.0, 1.0, 2.0]) == [
        True, True, True, True, False, False, True, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
async def test_a_log_never_admits_more_than_the_quota_in_any_window(seed):
    """Whatever the traffic: every window of that length is looked at."""
    chance = random.Random(seed)
    moments, now = [], 0.0
    for _ in range(400):
        now += chance.choice([0.0, 0.0, 0.25, 0.5, 3.0, 9.75])  # exact in binary
        moments.append(now)
    let_in = [
        m for m, yes in zip(moments, await admitted(Limit("l", 7, "10s", algorithm="log"), moments), strict=True) if yes
    ]
    assert len(let_in) > 50
    for moment in let_in:
        assert sum(moment - 10 < other <= moment for other in let_in) <= 7


async def test_a_log_admits_as_soon_as_it_may():
    """The exact model: a request is let in if fewer than the quota were in the window before it."""
    limit = Limit("l", 2, "10s", algorithm="log")
    assert await admitted(limit, [0, 4, 5, 9.9, 10, 10.1, 14]) == [True, True, False, False, True, False, True]


async def test_what_one_limit_refuses_costs_nothing_at_the_others():
    """All or nothing."""
    limiter = Limiter(clock=ManualClock())
    wide, narrow = Limit("wide", 10, "1m", algorithm="fixed"), Limit("narrow", 1, "1m", algorithm="fixed")
    assert await limiter.hit("x", wide, narrow)
    for _ in range(5):
        refused = await limiter.hit("x", wide, narrow)
        assert [answer.limit.name for answer in refused.violated] == ["narrow"]
    assert (await limiter.hit("x", wide)).answers[0].remaining == 8


async def test_a_shadow_limit_is_counted_and_refuses_nobody():
    """To try out what it would do."""
    limiter = Limiter(clock=ManualClock())
    shadow = Limit("new", 1, "1m", shadow=True)
    assert all([await limiter.hit("x", shadow) for _ in range(4)])
    assert limiter.statistics()["new"]["shadowed"] == 3


async def test_what_was_reserved_and_not_used_comes_back():
    """Tokens of an answer: 80 reserved, 30 used."""
    limiter = Limiter(clock=ManualClock())
    tokens = Limit("tokens", 100, "1m", unit="tokens")
    reserved = await limiter.hit("x", tokens, cost=80)
    assert not await limiter.hit("x", tokens, cost=40)
    await limiter.refund(reserved, 50)
    assert await limiter.hit("x", tokens, cost=40)


async def test_a_place_is_held_until_it_is_left():
    """Two at once; the third comes in when one of them has gone, or has held its place for too long."""
    clock = ManualClock()
    limiter = Limiter(clock=clock)
    two = Limit("jobs", 2, "30s", algorithm=Algorithm.CONCURRENCY)
    first, second = await limiter.hit("x", two), await limiter.hit("x", two)
    assert first
    assert second
    assert not await limiter.hit("x", two)
    await limiter.release(first)
    assert await limiter.hit("x", two)
    assert not await limiter.hit("x", two)
    clock.advance(30)
    assert await limiter.hit("x", two)


async def test_refusals_count_where_that_is_wanted():
    """Who doesn't stop trying stays out."""
    stubborn = Limit("login", 2, "10s", algorithm="log", count_denied=True)
    assert await admitted(stubborn, [0, 0, 5, 9, 14, 18, 29]) == [True, True, False, False, False, False, True]


async def test_people_are_counted_apart():
    """One who is out is no reason for another one to be."""
    limiter = Limiter(clock=ManualClock())
    one = Limit("api", 1, "1m")
    assert await limiter.hit("a", one)
    assert not await limiter.hit("a", one)
    assert await limiter.hit("b", one)


async def test_a_cost_that_never_fits_is_an_error_and_no_refusal():
    """It would wait for ever."""
    with pytest.raises(ConfigurationError, match="never be let in"):
        await Limiter(clock=ManualClock()).hit("x", Limit("api", 5, "1m"), cost=6)


async def test_what_is_over_makes_room_for_others():
    """A million addresses in a day don't stay in memory."""
    clock = ManualClock()
    backend = MemoryBackend(clock.monotonic, most=100)
    limit = asked_of(Limit("api", 5, "1s"), 1)
    for number in range(1_000):
        await backend.take(f"ip:{number}", [limit], "i")
        clock.advance(0.1)
    assert len(backend) <= 100


async def test_when_to_come_back_is_true():
    """A refused request that comes back at `retry_after` is let in, and a moment before it is not."""
    for algorithm in Algorithm:
        if algorithm is Algorithm.CONCURRENCY:
            continue
        clock = ManualClock()
        backend = MemoryBackend(clock.monotonic)
        limit = asked_of(Limit("api", 5, "10s", algorithm=algorithm), 1)
        refused = None
        while refused is None or refused.allowed:
            (refused,) = await backend.take("x", [limit], "i")
            clock.advance(0.3)
        clock.advance(refused.retry / 1e6 - 0.3 - 0.01)
        (early,) = await backend.take("x", [limit], "i")
        assert not early.allowed, algorithm
        clock.advance(0.011)
        (now,) = await backend.take("x", [limit], "i")
        assert now.allowed, algorithm
