"""Which key holds what. Everything of one partition shares a hash tag, so that a Cluster keeps it in one slot.

{ns.p}:e:<key>   entry          {ns.p}:n      namespace stamp        {ns.p}:log    invalidations (stream)
{ns.p}:g:<key>   generation     {ns.p}:b      ban position           {ns.p}:wake   fills others wait for (stream)
{ns.p}:l:<key>   herd lock      {ns.p}:bans   patterns (stream)      {ns.p}:hb     heartbeat
{ns.p}:w:<key>   somebody waits {ns.p}:t:<tag>  tag stamp            {ns.p}:contract  what processes agree on
"""

from __future__ import annotations

from binascii import crc32

__all__ = ["Keyspace", "bell_channel", "partition_of"]


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of *key*. All processes must agree, so this never changes."""
    return crc32(key) % partitions if partitions > 1 else 0


class Keyspace:
    """The names of one partition."""

    __slots__ = (
        "_entry",
        "_generation",
        "_lock",
        "_tag",
        "_waiting",
        "ban",
        "bans",
        "contract",
        "heartbeat",
        "log",
        "namespace",
        "partition",
        "wake",
    )

    def __init__(self, namespace: str, partition: int) -> None:
        tag = f"{{{namespace}.{partition}}}:".encode()
        self.partition = partition
        self._entry = tag + b"e:"
        self._generation = tag + b"g:"
        self._lock = tag + b"l:"
        self._waiting = tag + b"w:"
        self._tag = tag + b"t:"
        self.namespace = tag + b"n"
        self.ban = tag + b"b"
        self.bans = tag + b"bans"
        self.log = tag + b"log"
        self.wake = tag + b"wake"
        self.contract = tag + b"contract"
        self.heartbeat = tag + b"hb"

    def entry(self, key: bytes) -> bytes:
        return self._entry + key

    def generation(self, key: bytes) -> bytes:
        return self._generation + key

    def lock(self, key: bytes) -> bytes:
        return self._lock + key

    def waiting(self, key: bytes) -> bytes:
        return self._waiting + key

    def tag(self, tag: bytes) -> bytes:
        return self._tag + tag

    def tags(self, tags: tuple[bytes, ...]) -> list[bytes]:
        prefix = self._tag
        return [prefix + tag for tag in tags]


def bell_channel(namespace: str) -> bytes:
    """On which channel a Cluster rings when a log grows."""
    return f"{namespace}:bell".encode()
