"""Which server holds which partition: the director asks the topology whenever somebody doubts what is known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from evercache.core.url import Address
from evercache.stores.redis.faults import Redirect, classify
from evercache.stores.redis.node import Node
from evercache.stores.redis.pause import pause
from evercache.stores.redis.setup import Setup
from evercache.stores.redis.shard import Shard
from evercache.stores.redis.topology import Cluster, Topology

__all__ = ["Placement"]

_REST = 0.05
_RETRY = 0.2


class Placement:
    """Owns the nodes and puts every shard on one of them. `start()` once, `aclose()` once."""

    def __init__(self, topology: Topology, setup: Setup, shards: Sequence[Shard]) -> None:
        self.nodes: dict[Address, Node] = {}
        self._topology = topology
        self._setup = setup
        self._shards = shards
        self._doubt = asyncio.Event()
        self._why = "start"
        self._director: asyncio.Task[None] | None = None
        self._retired: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._doubt.set()
        self._director = asyncio.create_task(self._direct())

    async def aclose(self) -> None:
        if self._director is not None:
            self._director.cancel()
            await asyncio.gather(self._director, return_exceptions=True)
        await asyncio.gather(*[node.aclose() for node in self.nodes.values()], *self._retired, return_exceptions=True)
        self.nodes.clear()

    def node_of(self, shard: Shard) -> Node | None:
        """Where *shard* lives, if anybody knows."""
        return next((node for node in self.nodes.values() if node.shards.get(shard.partition) is shard), None)

    def node(self, address: Address) -> Node:
        """The server at *address*, known or new."""
        node = self.nodes.get(address)
        if node is None:
            node = self.nodes[address] = Node(address, self._setup)
            node.start()
        return node

    def doubt(self, reason: str) -> None:
        """What is known proved wrong: ask again, in the background."""
        self._why = reason
        self._doubt.set()

    def moved(self, shard: Shard, redirect: Redirect) -> None:
        """A server says that *shard* lives elsewhere."""
        if isinstance(self._topology, Cluster):
            address = self._topology.moved(redirect.slot, redirect.address.host, redirect.address.port)
            self._place(shard, address)
            self.doubt("moved")

    def _place(self, shard: Shard, address: Address) -> None:
        old = self.node_of(shard)
        if old is not None:
            if old.address == address:
                return
            old.withdraw(shard.partition)
        self.node(address).assign(shard)

    async def _direct(self) -> None:
        while True:
            await self._doubt.wait()
            self._doubt.clear()
            wait = _REST
            try:
                await self._topology.refresh(self._why)
                for shard in self._shards:
                    self._place(shard, await self._topology.primary(shard.partition))
                self._retire()
            except Exception as error:  # noqa: BLE001 - nobody knows yet; ask again
                for shard in self._shards:
                    if self.node_of(shard) is None:
                        shard.shut(classify(error).reason)
                self._doubt.set()
                wait = _RETRY
            await pause(wait)

    def _retire(self) -> None:
        """Close servers that hold nothing any more."""
        for address in [address for address, node in self.nodes.items() if not node.shards]:
            task = asyncio.create_task(self.nodes.pop(address).aclose())
            self._retired.add(task)
            task.add_done_callback(self._retired.discard)
