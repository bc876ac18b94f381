"""A Redis Cluster on the loopback, whose failures a test can order.

Built by hand, without redis-cli: give out the slots, different config epochs so that no election is needed, MEET,
REPLICATE, then wait until every node tells the same story. Ready in about two seconds, nearly all of it gossip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from evercache.errors import EvercacheError
from evercache.testing.ports import BUS_DISTANCE
from evercache.testing.servers.standalone import RedisServer
from evercache.testing.servers.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from evercache.testing.servers.binaries import ServerBinary

__all__ = ["SLOTS", "RedisCluster"]

SLOTS = 16_384


@dataclass(frozen=True, slots=True)
class _Node:
    """One line of CLUSTER NODES."""

    id: str
    port: int
    flags: frozenset[str]
    primary: str
    epoch: int
    linked: bool
    slots: tuple[range, ...]

    def owns(self, slot: int) -> bool:
        return "master" in self.flags and any(slot in part for part in self.slots)


class RedisCluster:
    """*primaries* nodes that share the slots, each with *replicas* replicas (3 and 1: six servers).

        with RedisCluster() as cluster:
            killed = cluster.kill(cluster.primary_of("user:1"))
            cluster.wait_promoted("user:1", instead_of=killed)

    - A *place* is a slot number or a key.
    - A dead primary is replaced after about *node_timeout* plus a second; `heal` brings the dead back as replicas.
    - *options*, *binary* and *password* are those of `RedisServer`, for every node.
    """

    def __init__(
        self,
        *options: str,
        primaries: int = 3,
        replicas: int = 1,
        node_timeout: float = 1.0,
        binary: ServerBinary | Path | str | None = None,
        password: str | None = None,
    ) -> None:
        self._primaries = primaries
        lines = ["cluster-enabled yes", f"cluster-node-timeout {int(node_timeout * 1000)}"]
        # Replicas stay with their primary: what a test kills is then the only thing that changes.
        lines += ["cluster-migration-barrier 99", "cluster-replica-validity-factor 0"]
        self.nodes: tuple[RedisServer, ...] = tuple(
            RedisServer(*lines, *options, binary=binary, password=password, bus=True)
            for _ in range(primaries * (1 + replicas))
        )

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def urls(self) -> tuple[str, ...]:
        """The URL of every node; any one of them that lives is enough for a client."""
        return tuple(node.url for node in self.nodes)

    @property
    def url(self) -> str:
        """`redis+cluster://` with the addresses of all nodes."""
        hosts = ",".join(f"{node.host}:{node.port}" for node in self.nodes)
        return f"redis+cluster://{self.nodes[0].credentials}{hosts}"

    def start(self) -> None:
        """Start the nodes and make one cluster of them; returns when every node says that it is whole."""
        self._start_nodes()
        share = -(-SLOTS // self._primaries)
        for number, node in enumerate(self.nodes):
            node.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < self._primaries:
                # ADDSLOTSRANGE is shorter, and absent from Redis 6.2.
                slots = range(number * share, min(SLOTS, (number + 1) * share))
                node.command("CLUSTER", "ADDSLOTS", *slots)
            self.nodes[0].command("CLUSTER", "MEET", node.host, node.port, node.port + BUS_DISTANCE)
        wait_until(self._all_met, "every node of the cluster knows all others")
        for number, node in enumerate(self.nodes[self._primaries :]):
            node.command("CLUSTER", "REPLICATE", self._id_of(self.nodes[number % self._primaries]))
        self.wait_whole()

    def close(self) -> None:
        """Kill all nodes and leave nothing behind; may be called twice."""
        for node in self.nodes:
            node.close()

    def primary_of(self, place: int | str | bytes) -> RedisServer:
        """The node that serves *place* now, in the eyes of the nodes that live; raises if none does."""
        slot = self.slot_of(place)
        owners = [(mine.epoch, node) for node in self._live() if (mine := self._myself(node)).owns(slot)]
        if not owners:
            raise EvercacheError(f"No living node serves slot {slot}; wait_promoted() or heal() first.")
        return max(owners, key=lambda owner: owner[0])[1]

    def replicas_of(self, place: int | str | bytes) -> list[RedisServer]:
        """The living replicas of the primary of *place*."""
        wanted = self._id_of(self.primary_of(place))
        return [node for node in self._live() if self._myself(node).primary == wanted]

    def slot_of(self, place: int | str | bytes) -> int:
        """The slot of a key; a number is a slot already."""
        return place if isinstance(place, int) else int(self._live()[0].command("CLUSTER", "KEYSLOT", place))

    def kill(self, node: RedisServer) -> RedisServer:
        """`kill -9` one node, and return it."""
        node.kill()
        return node

    def wait_promoted(self, place: int | str | bytes, *, instead_of: RedisServer, seconds: float = 60.0) -> RedisServer:
        """Return the new primary of *place* as soon as the living nodes agree that it isn't *instead_of*."""
        slot = self.slot_of(place)
        what = f"slot {slot} moved away from {instead_of!r} and the rest of the cluster is well"
        wait_until(lambda: self._agree(slot, instead_of), what, seconds=seconds, every=0.02)
        return self.primary_of(slot)

    def failover(self, place: int | str | bytes) -> RedisServer:
        """Swap the primary of *place* with its replica in good order (CLUSTER FAILOVER); return the new primary."""
        slot = self.slot_of(place)
        old = self.primary_of(slot)
        self.replicas_of(slot)[0].command("CLUSTER", "FAILOVER")
        return self.wait_promoted(slot, instead_of=old)

    def open_migration(self, slot: int, to: RedisServer) -> None:
        """From now on *slot* is on the move: its primary answers ASK for keys that it doesn't have."""
        source = self.primary_of(slot)
        to.command("CLUSTER", "SETSLOT", slot, "IMPORTING", self._id_of(source))
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", self._id_of(to))

    def move_keys(self, slot: int, to: RedisServer) -> int:
        """Move the keys of an open migration; return how many."""
        source, moved = self.primary_of(slot), 0
        password = [] if to.password is None else ["AUTH", to.password]
        while keys := source.command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.command("MIGRATE", to.host, to.port, "", 0, 5000, *password, "KEYS", *keys)
            moved += len(keys)
        return moved

    def close_migration(self, slot: int, to: RedisServer) -> None:
        """The slot belongs to *to*, and all nodes know it."""
        source = self.primary_of(slot)
        new = self._id_of(to)
        for node in (to, source):
            node.command("CLUSTER", "SETSLOT", slot, "NODE", new)
        wait_until(lambda: self._agree(slot, source), f"all nodes know that slot {slot} is at {to!r}")

    def migrate_slot(self, slot: int, to: RedisServer) -> int:
        """Move *slot* with its keys to the primary *to*, as resharding does; return how many keys moved."""
        self.open_migration(slot, to)
        moved = self.move_keys(slot, to)
        self.close_migration(slot, to)
        return moved

    def heal(self) -> None:
        """Resume and restart whoever isn't well, and wait until the cluster is whole again."""
        self._start_nodes()
        self.wait_whole()

    def wait_whole(self, *, seconds: float = 90.0) -> None:
        """Return when all nodes live, agree, and every replica follows its primary."""
        wait_until(self._is_whole, "all nodes of the cluster live and agree", seconds=seconds, every=0.02)

    def _start_nodes(self) -> None:
        for node in self.nodes:
            if node.paused:
                node.resume()
            node.launch()
        for node in self.nodes:
            node.wait_ready()

    def _live(self) -> list[RedisServer]:
        live = [node for node in self.nodes if node.is_running and not node.paused]
        if not live:
            raise EvercacheError("No node of the cluster lives; heal() it first.")
        return live

    def _id_of(self, node: RedisServer) -> str:
        return str(node.command("CLUSTER", "MYID").decode())

    def _view(self, node: RedisServer) -> list[_Node]:
        lines = node.command("CLUSTER", "NODES").decode().splitlines()
        return [_parse(line) for line in lines if line]

    def _myself(self, node: RedisServer) -> _Node:
        return next(seen for seen in self._view(node) if "myself" in seen.flags)

    def _all_met(self) -> bool:
        return all(
            len(view := self._view(node)) == len(self.nodes) and all(seen.linked for seen in view)
            for node in self.nodes
        )

    def _agree(self, slot: int, instead_of: RedisServer) -> bool:
        owners = {seen.port for node in self._live() for seen in self._view(node) if seen.owns(slot)}
        return len(owners) == 1 and instead_of.port not in owners and all(map(_is_well, self._live()))

    def _is_whole(self) -> bool:
        views = [self._view(node) for node in self.nodes]
        primaries = [seen.flags for seen in views[0] if "master" in seen.flags and seen.slots]
        stories = {
            frozenset((seen.id, "master" in seen.flags, seen.primary, seen.slots) for seen in view) for view in views
        }
        failing = any(
            not seen.linked or seen.flags & {"fail", "fail?", "handshake", "noaddr"} for view in views for seen in view
        )
        well = all(_is_well(node) and _is_synced(node) for node in self.nodes)
        return len(primaries) == self._primaries and len(stories) == 1 and not failing and well


def _is_well(node: RedisServer) -> bool:
    return b"cluster_state:ok" in node.command("CLUSTER", "INFO")


def _is_synced(node: RedisServer) -> bool:
    about = node.info("replication")
    return about["role"] == "master" or about["master_link_status"] == "up"


def _parse(line: str) -> _Node:
    name, address, flags, primary, _ping, _pong, epoch, link, *slots = line.split()
    owned = [part.split("-") for part in slots if not part.startswith("[")]
    return _Node(
        id=name,
        port=int(address.split("@")[0].rpartition(":")[2]),
        flags=frozenset(flags.split(",")),
        primary=primary,
        epoch=int(epoch),
        linked=link == "connected" or "myself" in flags,
        slots=tuple(range(int(part[0]), int(part[-1]) + 1) for part in owned),
    )
