"""The published fixtures: each test finds its server well, whatever the one before did to it."""

import pytest

from evercache.testing.clock import ManualClock
from evercache.testing.servers import RedisServer

KINDS_OF_HARM = ["kill", "stop", "pause"]
seen_namespaces = set()


@pytest.mark.parametrize("harm", KINDS_OF_HARM)
def test_the_next_test_finds_the_server_well(harm, redis_url, redis_server):
    """redis_url revives what the test before has killed or paused, on the same port."""
    assert redis_server.url == redis_url
    assert redis_server.command("PING") == b"PONG"
    getattr(redis_server, harm)()


def test_a_proxy_starts_in_peace_in_front_of_a_server_that_is_well(tcp_proxy, redis_server):
    """tcp_proxy revives the server as redis_url does."""
    assert tcp_proxy.target == redis_server.address
    assert redis_server.command("PING") == b"PONG"
    assert tcp_proxy.counts.accepted == 0


@pytest.mark.parametrize("time", [1, 2])
def test_namespaces_are_never_used_twice(time, redis_namespace):
    """Tests that share a server don't meet."""
    assert redis_namespace not in seen_namespaces
    assert redis_namespace.startswith("test_namespaces")
    seen_namespaces.add(redis_namespace)


def test_servers_of_ones_own_have_options(make_redis):
    """make_redis passes on what RedisServer takes."""
    server = make_redis("maxclients 50", password="secret")
    assert isinstance(server, RedisServer)
    assert server.command("CONFIG", "GET", "maxclients") == [b"maxclients", b"50"]


def test_the_clock_is_in_the_hands_of_the_test(manual_clock):
    """manual_clock is a ManualClock of this test alone."""
    assert isinstance(manual_clock, ManualClock)
    assert manual_clock.sleepers == 0
