"""Real servers for tests: a standalone one, a Cluster, a Sentinel trio. No containers, no root, nothing left behind."""

from __future__ import annotations

from evercache.testing.servers.binaries import ServerBinary, ServerNotFound, find_all, find_redis_server
from evercache.testing.servers.cluster import RedisCluster
from evercache.testing.servers.sentinel import SentinelTrio
from evercache.testing.servers.standalone import RedisServer, ServerFailed
from evercache.testing.servers.waiting import WaitedInVain, wait_until
from evercache.testing.servers.wire import Reply, ReplyError, Wire

__all__ = [
    "RedisCluster",
    "RedisServer",
    "Reply",
    "ReplyError",
    "SentinelTrio",
    "ServerBinary",
    "ServerFailed",
    "ServerNotFound",
    "WaitedInVain",
    "Wire",
    "find_all",
    "find_redis_server",
    "wait_until",
]
