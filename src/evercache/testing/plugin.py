"""pytest fixtures: real servers, a proxy in front of them, a clock in your hand.

    # conftest.py
    pytest_plugins = ["evercache.testing.plugin"]

| fixture | scope | gives |
|---|---|---|
| `manual_clock` | test | a `ManualClock` |
| `redis_binary` | session | the path of the server program, or the sentence that says what to install |
| `redis_server` | module | a running `RedisServer` |
| `redis_url` | test | its URL; the server is well when the test begins, whatever the test before did to it |
| `redis_namespace` | test | a name that no other test uses |
| `make_redis` | test | a function that starts servers of the test's own, with options |
| `tcp_proxy` | test | a `TcpProxy` in front of `redis_server` |
| `redis_cluster` | test | a `RedisCluster`, shared by the session, whole when the test begins |
| `redis_sentinel` | test | a `SentinelTrio`, shared by the session, whole when the test begins |

Nothing is started before a test asks for it. The shared topologies start once: their tests separate their keys by
`redis_namespace` and may kill what they like.
"""

from __future__ import annotations

import re
import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from evercache.testing.clock import ManualClock
from evercache.testing.proxy import TcpProxy
from evercache.testing.servers import RedisCluster, RedisServer, SentinelTrio, find_redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["MakeRedis"]


class MakeRedis(Protocol):
    """Starts a server that ends with the test; the arguments are those of `RedisServer`."""

    def __call__(self, *options: str, password: str | None = None, tls: bool = False) -> RedisServer: ...


@pytest.fixture
def manual_clock() -> ManualClock:
    """A clock that only moves when it is told to."""
    return ManualClock()


@pytest.fixture(scope="session")
def redis_binary() -> Path:
    """The server program; the error of its absence says what to install."""
    return find_redis_server()


@pytest.fixture(scope="module")
def redis_server(redis_binary: Path) -> Iterator[RedisServer]:
    """A server for the tests of one module."""
    with RedisServer(binary=redis_binary) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of `redis_server`, which is running now."""
    _revive(redis_server)
    return redis_server.url


@pytest.fixture
def redis_namespace(request: pytest.FixtureRequest) -> str:
    """A namespace of this test alone, with its name in it so that a dump can be read."""
    node: pytest.Item = request.node
    name = re.sub(r"\W+", "-", node.name).strip("-")[:40]
    return f"{name}-{secrets.token_hex(4)}"


@pytest.fixture
def make_redis(redis_binary: Path) -> Iterator[MakeRedis]:
    """Servers of the test's own, closed after it in reverse order."""
    with ExitStack() as stack:

        def make(*options: str, password: str | None = None, tls: bool = False) -> RedisServer:
            return stack.enter_context(RedisServer(*options, binary=redis_binary, password=password, tls=tls))

        yield make


@pytest.fixture
def tcp_proxy(redis_server: RedisServer) -> Iterator[TcpProxy]:
    """A proxy in front of `redis_server`, without faults as yet."""
    _revive(redis_server)
    with TcpProxy(redis_server.address) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def shared_redis_cluster(redis_binary: Path) -> Iterator[RedisCluster]:
    """The cluster of the session, as the last test left it; tests ask for `redis_cluster`."""
    with RedisCluster(binary=redis_binary) as cluster:
        yield cluster


@pytest.fixture
def redis_cluster(shared_redis_cluster: RedisCluster) -> RedisCluster:
    """Three primaries and three replicas, all well."""
    shared_redis_cluster.heal()
    return shared_redis_cluster


@pytest.fixture(scope="session")
def shared_redis_sentinel(redis_binary: Path) -> Iterator[SentinelTrio]:
    """The trio of the session, as the last test left it; tests ask for `redis_sentinel`."""
    with SentinelTrio(binary=redis_binary) as trio:
        yield trio


@pytest.fixture
def redis_sentinel(shared_redis_sentinel: SentinelTrio) -> SentinelTrio:
    """Three sentinels, a primary and two replicas, all well."""
    shared_redis_sentinel.heal()
    return shared_redis_sentinel


def _revive(server: RedisServer) -> None:
    if server.paused:
        server.resume()
    server.start()
