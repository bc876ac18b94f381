"""Where the primary is: fixed, named by sentinels, or one per slot of a Cluster.

    topology = topology_of(settings)
    address = await topology.primary(partition)       # remembered; asks somebody only if nothing is known
    await topology.refresh("readonly")                # what is known proved wrong

A topology opens connections only while it asks and keeps none, so there is nothing to close. Concurrent callers share
one question. Errors are redis-py's, or `StoreUnavailable` where nobody knows a primary; `faults.classify` reads both.
"""

from __future__ import annotations

import asyncio
from binascii import crc_hqx
from collections import Counter
from typing import Any, Protocol

from redis.exceptions import RedisError

from evercache.config import Settings
from evercache.core.url import Address
from evercache.errors import StoreUnavailable
from evercache.stores.redis.connection import ask, mapped, opened

__all__ = ["Cluster", "Sentinel", "Standalone", "Topology", "key_slot", "topology_of"]

SLOTS = 16384


def key_slot(key: bytes) -> int:
    """The slot of *key*: CRC16 of its hash tag, or of all of it. (Redis Cluster specification, "hash tags")"""
    start = key.find(b"{")
    end = key.find(b"}", start + 1) if start >= 0 else -1
    return crc_hqx(key[start + 1 : end] if end > start + 1 else key, 0) % SLOTS


class Topology(Protocol):
    """Who holds what.

    - `partitions`: how many parts the key space has; constant.
    - `primary(partition)`: the address to send that partition's commands to. Answers from memory whenever it can.
    - `address_of(key)`: the same for a raw key outside the partitions.
    - `primaries()`: every primary, for work that visits all of them.
    - `refresh(reason)`: ask again. Callers that come while somebody asks share the answer.
    """

    @property
    def partitions(self) -> int: ...

    async def primary(self, partition: int) -> Address: ...

    async def address_of(self, key: bytes) -> Address: ...

    async def primaries(self) -> tuple[Address, ...]: ...

    async def refresh(self, reason: str) -> None: ...


class Standalone:
    """One server, always at the same address (its name may resolve to another machine after a failover)."""

    partitions = 1

    def __init__(self, address: Address) -> None:
        self._address = address

    async def primary(self, partition: int) -> Address:
        return self._address

    async def address_of(self, key: bytes) -> Address:
        return self._address

    async def primaries(self) -> tuple[Address, ...]:
        return (self._address,)

    async def refresh(self, reason: str) -> None:
        pass


class _Asking:
    """Lets callers that come while a question is under way share its answer."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._answers = 0

    async def refresh(self, reason: str) -> None:
        before = self._answers
        async with self._lock:
            if self._answers == before:
                await self._ask(reason)
                self._answers += 1

    async def _ask(self, reason: str) -> None:
        raise NotImplementedError


class Sentinel(_Asking):
    """The primary that most sentinels name and that calls itself one."""

    partitions = 1

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._primary: Address | None = None

    async def primary(self, partition: int) -> Address:
        while self._primary is None:
            await self.refresh("unknown")
        return self._primary

    async def address_of(self, key: bytes) -> Address:
        return await self.primary(0)

    async def primaries(self) -> tuple[Address, ...]:
        return (await self.primary(0),)

    async def _ask(self, reason: str) -> None:
        """All sentinels at once: a hung one costs nobody anything once a majority has spoken."""
        sentinels = self._settings.address.addresses
        votes: Counter[Address] = Counter()
        tasks = [asyncio.create_task(self._named_by(sentinel)) for sentinel in sentinels]
        try:
            for answer in asyncio.as_completed(tasks):
                if candidate := await answer:
                    votes[candidate] += 1
                    if votes[candidate] * 2 > len(sentinels):
                        break
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for candidate, _ in votes.most_common():
            if await self._is_primary(candidate):
                self._primary = candidate
                return
        self._primary = None
        raise StoreUnavailable(
            f"{len(sentinels)} sentinels were asked for {self._settings.address.primary_name!r} ({reason}); they named "
            f"{', '.join(map(str, votes)) or 'nobody'}, and none of these is a primary. A failover may be under way.",
            reason="no_primary",
        )

    async def _named_by(self, sentinel: Address) -> Address | None:
        credentials = (self._settings.sentinel_username, self._settings.sentinel_password)
        try:
            async with opened(sentinel, self._settings, credentials=credentials, db=0) as connection:
                name = self._settings.address.primary_name
                reply = await ask(connection, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
        except (RedisError, OSError):
            return None
        return mapped(Address(reply[0].decode(), int(reply[1])), self._settings) if reply else None

    async def _is_primary(self, candidate: Address) -> bool:
        # A sentinel that was cut off names the old primary long after the others have moved on.
        try:
            async with opened(candidate, self._settings) as connection:
                reply = await ask(connection, "ROLE")
        except (RedisError, OSError):
            return False
        return bool(reply) and reply[0] == b"master"


class Cluster(_Asking):
    """One primary per slot; partitions are spread over the slots by the names of their hash tags."""

    partitions = 16

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._slots: dict[int, Address] = {}
        self._nodes: list[Address] = list(settings.address.addresses)
        self._partition_slots = [key_slot(f"{{{settings.namespace}.{p}}}".encode()) for p in range(self.partitions)]

    async def primary(self, partition: int) -> Address:
        return await self._holder(self._partition_slots[partition])

    async def address_of(self, key: bytes) -> Address:
        return await self._holder(key_slot(key))

    async def primaries(self) -> tuple[Address, ...]:
        if not self._slots:
            await self.refresh("unknown")
        return tuple(dict.fromkeys(self._slots.values()))

    def slot(self, partition: int) -> int:
        """The slot of *partition*."""
        return self._partition_slots[partition]

    def moved(self, slot: int, host: str, port: int) -> Address:
        """Learn from a MOVED reply: this slot is there now. The rest of the map is refreshed when somebody asks."""
        address = mapped(Address(host, port), self._settings)
        self._slots[slot] = address
        if address not in self._nodes:
            self._nodes.insert(0, address)
        return address

    async def _holder(self, slot: int) -> Address:
        if slot not in self._slots:
            await self.refresh("unknown")
        if slot not in self._slots:
            raise StoreUnavailable(
                f"No node of the Cluster holds slot {slot}; see CLUSTER SLOTS on {self._nodes[0]}.",
                reason="clusterdown",
            )
        return self._slots[slot]

    async def _ask(self, reason: str) -> None:
        """Any known node will do; one that doesn't answer is asked last next time."""
        failure: Exception = StoreUnavailable(f"The Cluster has no slots ({reason}).", reason="clusterdown")
        for node in [*self._nodes]:
            try:
                async with opened(node, self._settings, db=0) as connection:
                    slots = self._read(await ask(connection, "CLUSTER", "SLOTS"), node)
            except (RedisError, OSError) as error:
                failure = error
                self._nodes.remove(node)
                self._nodes.append(node)
                continue
            if slots:
                self._slots = slots
                seeds = self._settings.address.addresses
                self._nodes = list(dict.fromkeys([*slots.values(), *seeds]))
                return
        raise failure

    def _read(self, reply: list[list[Any]], asked: Address) -> dict[int, Address]:
        """First slot, last slot, [host or None, port, id, …], replicas …"""
        slots: dict[int, Address] = {}
        for first, last, primary, *_ in reply:
            # None or "" = "the address that you asked me by"; "?" = a node without an announced host name.
            host = primary[0].decode() if primary[0] else asked.host
            address = mapped(Address(asked.host if host == "?" else host, int(primary[1])), self._settings)
            slots.update(dict.fromkeys(range(first, last + 1), address))
        return slots


def topology_of(settings: Settings) -> Standalone | Sentinel | Cluster:
    """The topology that the URL names."""
    if settings.address.kind == "sentinel":
        return Sentinel(settings)
    if settings.address.kind == "cluster":
        return Cluster(settings)
    return Standalone(settings.address.addresses[0])
