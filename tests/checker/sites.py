"""Where a fleet's cache lives: one server, a Cluster, or a Sentinel trio; and one proxy per process and server.

A site knows how to bring itself back to health, whatever a fault has left behind.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from evercache.testing import TcpProxy
from evercache.testing.servers import RedisCluster, RedisServer, ReplyError, SentinelTrio

__all__ = ["ClusterSite", "SentinelSite", "Site", "StandaloneSite"]


class Site:
    """Servers, and the proxies through which each process sees them."""

    def __init__(self) -> None:
        self.proxies: dict[str, list[TcpProxy]] = {}

    def servers(self) -> list[RedisServer]:
        """All servers that may be asked or hurt."""
        raise NotImplementedError

    def primaries(self) -> list[RedisServer]:
        raise NotImplementedError

    def address(self, process: str) -> dict[str, Any]:
        """`url` and settings for *process*, through proxies of its own."""
        raise NotImplementedError

    def revive(self) -> None:
        raise NotImplementedError

    def heal(self) -> None:
        """Take back every order, start what was killed; returns when all of it answers."""
        self.revive()
        for server in self.servers():
            server.command("CONFIG", "SET", "maxmemory", 0)
        for proxy in self.all_proxies():
            proxy.heal()

    def all_proxies(self) -> list[TcpProxy]:
        return [proxy for proxies in self.proxies.values() for proxy in proxies]

    def close(self) -> None:
        for proxy in self.all_proxies():
            proxy.close()

    def _through(self, process: str, servers: list[RedisServer]) -> list[TcpProxy]:
        self.proxies[process] = proxies = [TcpProxy(server.address) for server in servers]
        for proxy in proxies:
            proxy.start()
        return proxies


class StandaloneSite(Site):
    """One server; it can be replaced by another one behind the same addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.server = RedisServer()
        self.server.start()

    def servers(self) -> list[RedisServer]:
        return [self.server]

    def primaries(self) -> list[RedisServer]:
        return [self.server]

    def address(self, process: str) -> dict[str, Any]:
        (proxy,) = self._through(process, [self.server])
        return {"url": proxy.rewrite(self.server.url)}

    def replace(self, server: RedisServer) -> None:
        """From now on *server* answers; the old one is gone for good."""
        old, self.server = self.server, server
        for proxy in self.all_proxies():
            proxy.target = server.address
            proxy.cut()
        old.close()

    def revive(self) -> None:
        if self.server.paused:
            self.server.resume()
        self.server.start()

    def close(self) -> None:
        super().close()
        self.server.close()


class ClusterSite(Site):
    """A Cluster that somebody else owns. Processes are told other addresses than the nodes announce."""

    def __init__(self, cluster: RedisCluster) -> None:
        super().__init__()
        self.cluster = cluster

    def servers(self) -> list[RedisServer]:
        return [node for node in self.cluster.nodes if node.is_running]

    def primaries(self) -> list[RedisServer]:
        return [node for node in self.servers() if node.info("replication")["role"] == "master"]

    def address(self, process: str) -> dict[str, Any]:
        proxies = self._through(process, list(self.cluster.nodes))
        hosts = ",".join(f"{proxy.host}:{proxy.port}" for proxy in proxies)
        return {"url": f"redis+cluster://{hosts}", "address_map": _map(self.cluster.nodes, proxies)}

    def revive(self) -> None:
        self.cluster.heal()


class SentinelSite(Site):
    """A trio that somebody else owns; the sentinels are asked directly, the servers through proxies."""

    def __init__(self, trio: SentinelTrio) -> None:
        super().__init__()
        self.trio = trio

    def servers(self) -> list[RedisServer]:
        return [server for server in self.trio.servers if server.is_running]

    def primaries(self) -> list[RedisServer]:
        return [self.trio.primary]

    def address(self, process: str) -> dict[str, Any]:
        proxies = self._through(process, list(self.trio.servers))
        return {"url": self.trio.url, "address_map": _map(self.trio.servers, proxies)}

    def revive(self) -> None:
        self.trio.heal()


def _map(servers: tuple[RedisServer, ...], proxies: list[TcpProxy]) -> str:
    pairs = zip(servers, proxies, strict=True)
    return ",".join(f"{server.host}:{server.port}={proxy.host}:{proxy.port}" for server, proxy in pairs)


def attempt(work: Callable[[], object]) -> bool:
    """Whether *work* could be done on a server that may be away."""
    with contextlib.suppress(OSError, ReplyError):
        work()
        return True
    return False
