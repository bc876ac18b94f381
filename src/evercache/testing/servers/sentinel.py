"""A primary, two replicas, and the three sentinels that watch over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from evercache.errors import EvercacheError
from evercache.testing.servers.standalone import RedisServer
from evercache.testing.servers.waiting import wait_until
from evercache.testing.servers.wire import ReplyError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from evercache.testing.servers.binaries import ServerBinary

__all__ = ["SentinelTrio"]

_QUORUM = 2


class _Sentinel(RedisServer):
    """A server in the role of a sentinel; it writes what it learns into its own configuration file."""

    def _settings(self) -> list[str]:
        return [f"bind {self.host}", f"port {self.port}", f"dir {self.folder}"]

    def _command(self) -> list[str]:
        return [*super()._command(), "--sentinel"]


class SentinelTrio:
    """Three sentinels, one primary, two replicas, under the service name *service*.

        with SentinelTrio() as trio:
            killed = trio.kill_primary()
            trio.wait_promoted(instead_of=killed)

    A primary that doesn't answer for *down_after* seconds is replaced; `heal` brings the dead back as replicas.
    """

    def __init__(
        self,
        *options: str,
        service: str = "main",
        down_after: float = 1.0,
        binary: ServerBinary | Path | str | None = None,
        password: str | None = None,
    ) -> None:
        self.service = service
        self.servers: tuple[RedisServer, ...] = tuple(
            RedisServer(*options, binary=binary, password=password) for _ in range(3)
        )
        first = self.servers[0]
        lines = [f"sentinel monitor {service} {first.host} {first.port} {_QUORUM}"]
        lines += [f"sentinel down-after-milliseconds {service} {int(down_after * 1000)}"]
        lines += [f"sentinel failover-timeout {service} {int(down_after * 5000)}"]
        if password is not None:
            lines.append(f'sentinel auth-pass {service} "{password}"')
        self.sentinels: tuple[RedisServer, ...] = tuple(_Sentinel(*lines, binary=binary) for _ in range(3))

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
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of the three sentinels."""
        return tuple(sentinel.address for sentinel in self.sentinels)

    @property
    def url(self) -> str:
        """`redis+sentinel://host:port,host:port,host:port/service/0`."""
        hosts = ",".join(f"{host}:{port}" for host, port in self.addresses)
        return f"redis+sentinel://{self.servers[0].credentials}{hosts}/{self.service}/0"

    @property
    def primary(self) -> RedisServer:
        """The primary that most sentinels name now; it may be dead already."""
        named = [port for sentinel in self._live_sentinels() if (port := self._named_by(sentinel)) is not None]
        most = max(set(named), key=named.count, default=None)
        for server in self.servers:
            if server.port == most:
                return server
        raise EvercacheError(f"The sentinels name {most} as the primary of {self.service}, which is none of ours.")

    @property
    def replicas(self) -> tuple[RedisServer, ...]:
        """The other two."""
        primary = self.primary
        return tuple(server for server in self.servers if server is not primary)

    def start(self) -> None:
        """Start all six; returns when each sentinel knows the other two and both replicas."""
        self._start_all(self.servers)
        first, *others = self.servers
        for server in others:
            server.command("REPLICAOF", first.host, first.port)
        wait_until(lambda: _count_replicas(first) == len(others), "both replicas follow the primary")
        self._start_all(self.sentinels)
        self.wait_whole()

    def close(self) -> None:
        """Kill all six and leave nothing behind; may be called twice."""
        for server in (*self.sentinels, *self.servers):
            server.close()

    def kill_primary(self) -> RedisServer:
        """`kill -9` the primary, and return it."""
        killed = self.primary
        killed.kill()
        return killed

    def wait_promoted(self, *, instead_of: RedisServer, seconds: float = 60.0) -> RedisServer:
        """Return the new primary as soon as all living sentinels name the same, and it says so itself."""
        wait_until(lambda: self._promoted(instead_of), f"another primary than {instead_of!r} serves", seconds=seconds)
        return self.primary

    def heal(self) -> None:
        """Resume and restart whoever isn't well, the old primary as a replica; return when all six agree."""
        primary = self.primary
        self._start_all(self.servers)
        self._start_all(self.sentinels)
        for server in self.servers:
            # The sentinels would do it as well, after about ten seconds.
            if server is not primary and server.info("replication").get("master_port") != str(primary.port):
                server.command("REPLICAOF", primary.host, primary.port)
        self.wait_whole()

    def wait_whole(self, *, seconds: float = 90.0) -> None:
        """Return when all six live, agree, and both replicas follow."""
        wait_until(self._is_whole, "the sentinels agree and both replicas follow", seconds=seconds, every=0.02)

    def _start_all(self, servers: tuple[RedisServer, ...]) -> None:
        for server in servers:
            if server.paused:
                server.resume()
            server.launch()
        for server in servers:
            server.wait_ready()

    def _live_sentinels(self) -> list[RedisServer]:
        return [sentinel for sentinel in self.sentinels if sentinel.is_running and not sentinel.paused]

    def _named_by(self, sentinel: RedisServer) -> int | None:
        said = sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
        return None if said is None else int(said[1])

    def _promoted(self, instead_of: RedisServer) -> bool:
        named = {self._named_by(sentinel) for sentinel in self._live_sentinels()}
        if len(named) != 1 or instead_of.port in named:
            return False
        return self.primary.info("replication")["role"] == "master"

    def _is_whole(self) -> bool:
        try:
            if len({self._named_by(sentinel) for sentinel in self.sentinels}) != 1:
                return False
            known = all(self._knows_all(sentinel) for sentinel in self.sentinels)
        except ReplyError:  # "No such master with that name", while it starts
            return False
        return known and _count_replicas(self.primary) == len(self.servers) - 1

    def _knows_all(self, sentinel: RedisServer) -> bool:
        flat = sentinel.command("SENTINEL", "MASTER", self.service)
        facts = dict(zip(flat[::2], flat[1::2], strict=True))
        others = [sentinel.command("SENTINEL", word, self.service) for word in ("REPLICAS", "SENTINELS")]
        sick = any(b"down" in flags for row in (flat, *others[0], *others[1]) for flags in [_flags(row)])
        return facts[b"flags"] == b"master" and not sick and [len(rows) for rows in others] == [2, 2]


def _flags(row: list[bytes]) -> bytes:
    return row[row.index(b"flags") + 1]


def _count_replicas(primary: RedisServer) -> int:
    about = primary.info("replication")
    return sum(",state=online," in about.get(f"slave{number}", "") + "," for number in range(8))
