"""`RedisStore`: the contract of `stores.base` on Redis, Sentinel or Cluster.

execute ──▶ Shard (may it be asked?) ──▶ Looks / scripts ──▶ Link ──▶ Wire ──▶ Redis
              ▲ opened, shut                                   │ lost
Node: connect, adopt, follow the logs, come back ◀─────────────┘
  ▲ assign, withdraw
the director: asks the topology which server holds which partition
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, TypeVar, cast

from evercache.config import Settings
from evercache.core.clock import Clock
from evercache.core.protocol import (
    Ban,
    Begin,
    Begun,
    Command,
    Distrust,
    ExpireKey,
    ExpireTag,
    Fill,
    InvalidateKey,
    InvalidateTag,
    Look,
    Looked,
    Reserve,
    Tags,
    Terms,
)
from evercache.errors import CodecError, StoreOverloaded, StoreUnavailable, WritesRefused
from evercache.stores.base import Listener, ServerFacts
from evercache.stores.redis.bell import Bell
from evercache.stores.redis.contract import contract_of
from evercache.stores.redis.epoch import send
from evercache.stores.redis.facts import facts_of
from evercache.stores.redis.faults import classify, redirect_of
from evercache.stores.redis.health import PartitionHealth, health_of
from evercache.stores.redis.keyspace import Keyspace, bell_channel, partition_of
from evercache.stores.redis.link import LARGE, Link
from evercache.stores.redis.looks import look_call
from evercache.stores.redis.placement import Placement
from evercache.stores.redis.report import report
from evercache.stores.redis.scripts import Call, Corrupt, call
from evercache.stores.redis.setup import Setup
from evercache.stores.redis.shard import Shard
from evercache.stores.redis.topology import Topology, topology_of

__all__ = ["RedisStore"]

R = TypeVar("R")
_FILLS = frozenset({Begin, Tags, Fill})
_INVALIDATIONS = frozenset({Ban, Distrust, ExpireKey, ExpireTag, InvalidateKey, InvalidateTag, Reserve})


class RedisStore:
    """A shared store on Redis; see `stores.base.Store` for what it promises.

    *settings* may be a URL. *topology* replaces the one that the URL names.
    """

    def __init__(
        self, settings: Settings | str, *, clock: Clock, topology: Topology | None = None, terms: Terms | None = None
    ) -> None:
        self.settings = Settings.resolve(settings) if isinstance(settings, str) else settings
        self.topology = topology or topology_of(self.settings)
        self._clock = clock
        self._terms = terms or Terms()
        self._setup: Setup | None = None
        self._shards: list[Shard] = []
        self._placement: Placement | None = None
        self._bell: Bell | None = None

    # -- the contract ------------------------------------------------------------------------------------------------

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return self.topology.partitions

    def partition_of(self, key: bytes) -> int:
        """Where *key* lives."""
        return partition_of(key, self.topology.partitions)

    async def start(self, listener: Listener) -> None:
        """Begin to connect and to follow the logs; waits for the first answer at most the connect budget."""
        settings = self.settings
        many = settings.address.kind == "cluster"
        bell = bell_channel(settings.namespace) if many else b""
        self._setup = setup = Setup(
            settings=settings,
            listener=listener,
            clock=self._clock,
            contract=contract_of(settings, self.partitions),
            delta=settings.delta,
            has_replicas=settings.address.kind != "standalone",
            bell=bell,
            relocate=self._relocate,
            candidate=_candidate,
            terms=self._terms,
        )
        self._shards = shards = [
            Shard(Keyspace(settings.namespace, p), listener, self._clock.monotonic, self._clock.wall, bell)
            for p in range(self.partitions)
        ]
        self._placement = Placement(self.topology, setup, shards)
        self._placement.start()
        if many:
            self._bell = Bell(settings, self.topology, bell, self._ring)
            self._bell.start()
        waits = [asyncio.create_task(shard.opened.wait()) for shard in shards]
        try:
            await asyncio.wait(waits, timeout=settings.connect_timeout)
        finally:
            for wait in waits:
                wait.cancel()

    async def close(self) -> None:
        """End every task and connection. Idempotent."""
        placement, self._placement = self._placement, None
        bell, self._bell = self._bell, None
        if bell is not None:
            await bell.aclose()
        if placement is not None:
            await placement.aclose()

    def trusted(self, partition: int) -> bool:
        """Whether commands may be sent to *partition* right now."""
        return bool(self._shards) and self._shards[partition].trusted

    def now(self, partition: int) -> int:
        """The server's clock in milliseconds, never behind."""
        return self._shards[partition].clock.now() if self._shards else int(self._clock.wall() * 1000)

    async def execute(self, partition: int, command: Command[R]) -> R:
        """Run *command* on *partition*."""
        if not self._shards:
            raise StoreUnavailable("The store is not started.", reason="starting")
        shard = self._shards[partition]
        if type(command) is Look:
            return cast("R", await self._look(shard, command))
        try:
            return cast("R", await self._run(shard, command))
        except StoreUnavailable:
            if type(command) in _INVALIDATIONS and shard.link is not None:
                self._owe(shard)
            raise

    def look(self, partition: int, key: bytes, tags: tuple[bytes, ...]) -> asyncio.Future[Looked]:
        """The future of a look; what the server says instead of an entry is its exception, not yet understood."""
        if not self._shards:
            raise StoreUnavailable("The store is not started.", reason="starting")
        shard = self._shards[partition]
        link = shard.link
        if link is None or not shard.trusted:
            raise shard.refusal()
        return shard.look(key, tags, link)

    def heard(self, partition: int) -> bytes | None:
        """The position of the log up to which the listener was told everything."""
        return self._shards[partition].heard if self._shards else None

    def note_load(self, seconds: float) -> None:
        """The engine has loaded a value in *seconds*: how slow the store may be."""
        if self._placement is not None:
            for node in self._placement.nodes.values():
                node.slowness.loaded(seconds)

    async def facts(self) -> ServerFacts | None:
        """What one of the servers says about itself; None if none is there or it doesn't tell."""
        link = next((shard.link for shard in self._shards if shard.link is not None), None)
        return None if link is None else await facts_of(link)

    def health(self) -> tuple[PartitionHealth, ...]:
        """How each partition is."""
        return tuple([health_of(shard) for shard in self._shards])

    @property
    def hears_the_bell(self) -> bool:
        """Whether the bell of a Cluster is connected; without it, invalidations are heard within Δ/4."""
        return self._bell is not None and self._bell.connected

    @property
    def delta(self) -> float:
        """Δ, as the processes of this namespace have agreed."""
        return self.settings.delta if self._setup is None else self._setup.delta

    # -- one command -------------------------------------------------------------------------------------------------

    async def _look(self, shard: Shard, look: Look) -> Looked:
        link = shard.link
        if link is None or not shard.trusted:
            raise shard.refusal()
        try:
            return await shard.look(look.key.id, look.tags, link)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - what the server answered; the table of faults knows
            return cast("Looked", await self._redirected(shard, look, error, link))

    async def _run(self, shard: Shard, command: Command[Any]) -> Any:
        link = self._admit(shard, command)
        what = call(command, shard.keys, shard.setting)
        large = type(command) is Fill and len(command.record.payload) > LARGE
        if large:
            await link.make_room()
        sent = self._clock.monotonic()
        try:
            reply = await send(link, what, large=large)
        except (StoreUnavailable, CodecError):
            raise
        except Corrupt:
            # Bytes that are no entry: begin as if there were none, and see to it.
            if isinstance(command, Begin):
                shard.clear(command.key.id, link)
            return await self._run(shard, _forced(command))
        except Exception as error:  # noqa: BLE001 - what the server answered; the table of faults knows
            return await self._redirected(shard, command, error, link)
        if type(reply) is Begun:
            shard.clock.sample(sent, reply.now)
        return reply

    def _admit(self, shard: Shard, command: Command[Any]) -> Link:
        """The link to send *command* on; raises at once if it may not be sent."""
        link, kind = shard.link, type(command)
        if link is None or (not shard.trusted and kind not in _INVALIDATIONS):
            raise shard.refusal()
        if kind in _FILLS:
            shard.admit_fill()
        return link

    async def _redirected(self, shard: Shard, command: Command[Any], error: Exception, link: Link) -> Any:
        """What to do with an error reply: follow it to another server once, or say what it means."""
        redirect, placement = redirect_of(error, link.address), self._placement
        if redirect is None or placement is None:
            raise self._meaning(shard, error) from error
        try:
            async with asyncio.timeout(self.settings.operation_timeout):
                if redirect.ask:
                    return await placement.node(redirect.address).ask_once(_plain(command, shard))
                if shard.link is link:
                    placement.moved(shard, redirect)
                await shard.opened.wait()
                again = shard.link
                if again is None:
                    raise shard.refusal()
                if type(command) is Look:
                    return await shard.look(command.key.id, command.tags, again)
                return await send(again, call(command, shard.keys, shard.setting))
        except TimeoutError:
            raise StoreUnavailable("The key has moved, and its new server is not ready.", reason="moved") from error
        except StoreUnavailable:
            raise
        except Exception as second:
            raise self._meaning(shard, second) from second

    def _meaning(self, shard: Shard, error: Exception) -> StoreUnavailable:
        fault = classify(error)
        if self._placement is not None and (node := self._placement.node_of(shard)) is not None:
            node.faulted(shard, fault)
        if fault.kind == "write_refused":
            return WritesRefused(f"Redis refuses writes ({fault.reason}).", reason=fault.reason)
        if fault.kind == "overload":
            return StoreOverloaded(str(error), reason=fault.reason)
        if fault.kind == "bug":
            report("bug", partition=shard.partition, error=f"{type(error).__name__}: {error}"[:300])
        return StoreUnavailable(f"Redis answered with an error ({fault.reason}).", reason=fault.reason)

    # -- what others ask of the placement ----------------------------------------------------------------------------

    def _relocate(self, reason: str) -> None:
        if self._placement is not None:
            self._placement.doubt(reason)

    def _owe(self, shard: Shard) -> None:
        """The caller journals what could not be confirmed; have it repeated."""
        if self._placement is not None and (node := self._placement.node_of(shard)) is not None:
            node.owes(shard)

    def _ring(self, partition: int) -> None:
        placement = self._placement
        if placement is not None and (node := placement.node_of(self._shards[partition])) is not None:
            node.ring()


def _forced(command: Command[Any]) -> Command[Any]:
    if not isinstance(command, Begin) or command.force:
        raise StoreUnavailable("Redis returned an entry that can't be read.", reason="protocol")
    return Begin(
        command.key, command.tags, command.candidate, command.lock, command.terms, command.seen, True, command.rotate
    )


def _plain(command: Command[Any], shard: Shard) -> Call:
    """*command* as one call of its own, looks included."""
    if isinstance(command, Look):
        return look_call(command, shard.keys)
    return call(command, shard.keys, shard.setting)


def _candidate() -> bytes:
    return os.urandom(12).hex().encode()
