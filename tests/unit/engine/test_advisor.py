"""What the advisor says about which facts."""

from __future__ import annotations

import pytest

from evercache.engine.advisor import Facts, advise
from evercache.stores.base import ServerFacts

GOOD = ServerFacts("7.2.4", "master", 512 * 1024**2, "allkeys-lru", 0, None, 10_000)


def codes(**facts):
    return [advice.code for advice in advise(Facts(**facts))]


def test_nothing_to_say():
    """
    A server as it should be, and functions that say what they mean.
    """
    assert codes(server=GOOD, max_memory=256 * 1024**2, max_connections=50) == []
    assert codes() == []


@pytest.mark.parametrize(
    ("changed", "more", "code"),
    [
        ({"version": "6.0.16"}, {}, "redis_too_old"),
        ({"version": "5.0"}, {}, "redis_too_old"),
        ({"role": "slave"}, {}, "redis_is_a_replica"),
        ({"replicas": 2, "min_replicas": 0}, {}, "no_min_replicas"),
        ({"max_memory": 0, "policy": "noeviction"}, {}, "maxmemory_unlimited"),
        ({"max_memory": 1024}, {"max_memory": 2048}, "maxmemory_below_setting"),
        ({"policy": "noeviction"}, {}, "eviction_noeviction"),
        ({"policy": "volatile-lru"}, {"endless": ("prices",)}, "eviction_volatile_and_endless"),
        ({"max_clients": 50}, {"max_connections": 50}, "connections_above_maxclients"),
    ],
)
def test_one_thing_to_say(changed, more, code):
    """
    Each trap by itself is named by its code, with a sentence that says what to do.
    """
    server = GOOD._replace(**changed)
    assert codes(server=server, **more) == [code]
    [advice] = advise(Facts(server=server, **more))
    assert advice.sentence.endswith(".")


@pytest.mark.parametrize(
    ("changed", "more"),
    [
        ({"version": "8.2.3"}, {}),
        ({"version": "6.2.14"}, {}),
        ({"version": "unknown"}, {}),
        ({"replicas": 2, "min_replicas": None}, {}),
        ({"replicas": 2, "min_replicas": 1}, {}),
        ({"policy": "volatile-lru"}, {}),
        ({"policy": "allkeys-lru"}, {"endless": ("prices",)}),
        ({"max_clients": None}, {"max_connections": 50}),
    ],
)
def test_nothing_is_said_without_reason(changed, more):
    """
    What is fine, and what nobody knows, is not talked about.
    """
    assert codes(server=GOOD._replace(**changed), **more) == []


def test_what_can_hurt_comes_first():
    """
    Warnings before what is only worth knowing; many names are counted, not listed.
    """
    names = tuple(f"f{number}" for number in range(9))
    advice = advise(Facts(server=GOOD._replace(policy="noeviction"), uncovered=names))
    assert [one.level for one in advice] == ["warning", "info"]
    assert "f0, f1, f2 and 6 more" in advice[1].sentence
