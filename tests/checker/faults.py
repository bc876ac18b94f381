"""What is done to a fleet. Each fault names the traces that it must leave: a fault that left none was none.

`act` does it for about *seconds* and may leave everything broken; the site's `heal` takes it back. Faults last: what a
cache does while a link is frozen shows only while it is frozen.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from evercache.testing import TcpProxy
from evercache.testing.servers import RedisServer, wait_until
from tests.checker.fleet import READERS, WRITER, Child, Fleet
from tests.checker.sites import ClusterSite, SentinelSite, StandaloneSite

__all__ = ["FAULTS", "PAIRS", "Fault", "both"]

Act = Callable[[Fleet, float, Counter[str]], None]
STANDALONE, CLUSTER, SENTINEL = "standalone", "cluster", "sentinel"
FIRST, SECOND = READERS[0], READERS[1]


@dataclass(frozen=True)
class Fault:
    """*act* on a fleet; afterwards each of *proofs* must have been counted, in the processes or by *act* itself."""

    name: str
    act: Act
    proofs: tuple[str, ...]
    sites: tuple[str, ...]


FAULTS: dict[str, Fault] = {}


def fault(*proofs: str, sites: tuple[str, ...] = (STANDALONE,)) -> Callable[[Act], Act]:
    def add(act: Act) -> Act:
        name = act.__name__.replace("_", " ")
        FAULTS[name] = Fault(name, act, proofs, sites)
        return act

    return add


def last(seconds: float) -> None:
    time.sleep(seconds)


@contextmanager
def biting(fleet: Fleet, *facts: tuple[str, str]) -> Iterator[None]:
    """Goes on after its block until each process of *facts* has counted something more, by its `state`."""
    before = [_when_healthy(fleet.children[name])[what] for name, what in facts]
    yield
    for (name, what), number in zip(facts, before, strict=True):
        child = fleet.children[name]
        wait_until(lambda: child.ask("state")[what] > number, f"{name} counts: {what}", every=0.05)  # noqa: B023


def _when_healthy(child: Child) -> dict[str, Any]:
    """Its state, at a moment when it was healthy: a cache that is degraded already can't become it."""
    states: list[dict[str, Any]] = []

    def is_healthy() -> bool:
        states.append(child.ask("state"))
        return bool(states[-1]["status"] == "healthy")

    wait_until(is_healthy, f"{child.name} is healthy", every=0.02)
    return states[-1]


def repeatedly(seconds: float, every: float) -> Iterator[int]:
    """Again and again, for so long."""
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        yield number
        number += 1
        time.sleep(every)


# -- processes -------------------------------------------------------------------------------------------------------


@fault(sites=(STANDALONE, CLUSTER, SENTINEL))
def nothing(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    last(seconds)


@fault("stood still")
def stop_reader(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """In two parts: longer than Δ, and much shorter."""
    _stand_still(fleet.children[FIRST], max(seconds * 0.6, fleet.delta * 1.5), proof)
    for _ in repeatedly(seconds * 0.3, 0.05):
        _stand_still(fleet.children[FIRST], random.random() * 0.1, proof)


@fault("stood still")
def stop_writer(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    for _ in repeatedly(seconds, 0.1):
        _stand_still(fleet.writer, random.random() * seconds / 4, proof)


@fault("killed")
def kill_reader(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """`kill -9` in the middle of its loads, twice."""
    for _ in range(2):
        last(seconds / 4)
        fleet.children[FIRST].kill()
        proof["killed"] += 1
        child = fleet.launch(FIRST)
        child.answer()
        child.ask("go")


def _stand_still(child: Child, seconds: float, proof: Counter[str]) -> None:
    child.signal(signal.SIGSTOP)
    try:
        wait_until(child.stopped, f"{child.name} stands still")
        last(seconds)
    finally:
        child.signal(signal.SIGCONT)
    proof["stood still"] += 1


@fault("reader clock jumped")
def clock_jump(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """An hour ahead, then an hour behind, on one host."""
    for jump in (3600.0, -7200.0):
        fleet.children[FIRST].ask("jump", seconds=jump)
        last(seconds / 2)


# -- links -----------------------------------------------------------------------------------------------------------


@fault("reader degraded", sites=(STANDALONE, CLUSTER, SENTINEL))
def freeze_reader(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """Half-open: the connections of one reader stay, and nothing moves."""
    with biting(fleet, (FIRST, "degraded")):
        _freeze(fleet.site.proxies[FIRST], seconds)


@fault("writer pending", "confirmed later", sites=(STANDALONE, CLUSTER, SENTINEL))
def freeze_writer(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    with biting(fleet, (WRITER, "pending")):
        _freeze(fleet.site.proxies[WRITER], seconds)


@fault("reader degraded")
def freeze_answers(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """One way only: what a reader asks arrives, the answers don't."""
    with biting(fleet, (FIRST, "degraded")):
        for proxy in fleet.site.proxies[FIRST]:
            proxy.freeze("down")
        last(max(seconds, fleet.delta * 1.5))


def _freeze(proxies: list[TcpProxy], seconds: float) -> None:
    for proxy in proxies:
        proxy.freeze()
    last(seconds)


@fault("bytes dropped", "reader degraded", "writer pending")
def drop(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """Answers to a reader and questions of the writer vanish."""
    before = _dropped(fleet)
    with biting(fleet, (FIRST, "degraded"), (WRITER, "pending")):
        for proxy in fleet.site.proxies[FIRST]:
            proxy.drop("down")
        for proxy in fleet.site.proxies[WRITER]:
            proxy.drop("up")
        last(seconds)
    proof["bytes dropped"] = _dropped(fleet) - before
    fleet.site.heal()
    for name in (FIRST, WRITER):
        for proxy in fleet.site.proxies[name]:
            proxy.cut()


@fault("writer pending", "confirmed later")
def delay(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """Everything of a reader and of the writer arrives late: commands are executed after their callers gave up."""
    with biting(fleet, (WRITER, "pending")):
        for name in (FIRST, WRITER):
            for proxy in fleet.site.proxies[name]:
                proxy.delay(0.06, jitter=0.12)
        last(seconds)


def _dropped(fleet: Fleet) -> int:
    counts = [proxy.counts for proxy in fleet.site.all_proxies()]
    return sum(count.up_dropped + count.down_dropped for count in counts)


@fault("connections killed", "reader degraded", "reader flushed")
def client_kill(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    for _ in repeatedly(seconds, 0.25):
        proof["connections killed"] += int(_one(fleet).command("CLIENT", "KILL", "TYPE", "normal"))


# -- the server ------------------------------------------------------------------------------------------------------


def _one(fleet: Fleet) -> RedisServer:
    return fleet.site.primaries()[0]


def _standalone(fleet: Fleet) -> StandaloneSite:
    assert isinstance(fleet.site, StandaloneSite)
    return fleet.site


@fault("reader degraded", "writer pending", "confirmed later")
def stop_redis(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """SIGSTOP: connections stay, nobody answers; what was sent meanwhile is executed afterwards."""
    server = _one(fleet)
    with biting(fleet, (SECOND, "degraded"), (WRITER, "pending")):
        server.pause()
        last(seconds * 0.7)
    for part in (0.1, 0.05):
        server.resume()
        last(0.1)
        server.pause()
        last(seconds * part)


@fault("reader degraded", "reader flushed", "writer pending", "confirmed later")
def kill_redis(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """`kill -9`, and back with nothing."""
    server = _one(fleet)
    for _ in range(2):
        with biting(fleet, (SECOND, "degraded"), (WRITER, "pending")):
            server.kill()
            last(seconds / 4)
        server.start()
        last(seconds / 4)


@fault("reader degraded", "reader flushed", "lost a tail")
def restore_redis(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """`kill -9`, and back with what an earlier snapshot had: invalidations of the last moments are lost."""
    server = _one(fleet)
    server.command("SAVE", timeout=30.0)
    _write_a_tail(fleet, seconds / 2, proof)
    server.kill()
    server.start()
    last(seconds / 2)


@fault("reader degraded", "reader flushed", "lost a tail")
def failover(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """The replica is promoted without the last writes that the primary had confirmed."""
    site = _standalone(fleet)
    old, new = site.server, RedisServer()
    new.start()
    with TcpProxy(old.address) as link:
        new.command("REPLICAOF", link.host, link.port)
        wait_until(lambda: new.info("replication")["master_link_status"] == "up", "the replica follows")
        last(seconds / 4)
        link.freeze()
        _write_a_tail(fleet, seconds / 4, proof)
        old.kill()
        new.command("REPLICAOF", "NO", "ONE")
    site.replace(new)
    last(seconds / 2)


def _write_a_tail(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """Return when some invalidations have been confirmed, which are going to be lost."""
    confirmed = fleet.writer.ask("state")["confirmed"]
    last(seconds)
    with biting(fleet, (WRITER, "confirmed")):
        pass
    proof["lost a tail"] = fleet.writer.ask("state")["confirmed"] - confirmed


@fault("keys flushed", sites=(STANDALONE, CLUSTER, SENTINEL))
def flushall(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """On a Cluster: on one of its primaries. L1 may stay: who was waiting at the log meanwhile has missed nothing."""
    for _ in repeatedly(seconds, 0.3):
        proof["keys flushed"] += int(_one(fleet).command("DBSIZE"))
        _one(fleet).command("FLUSHALL")


@fault("writes refused", "invalidated while full")
def out_of_memory(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """maxmemory is reached, and nothing may be evicted."""
    server = _one(fleet)
    before = _refused(server), fleet.writer.ask("counters")["invalidations"]["confirmed"]
    server.command("CONFIG", "SET", "maxmemory", 1)
    last(seconds)
    proof["writes refused"] = _refused(server) - before[0]
    proof["invalidated while full"] = fleet.writer.ask("counters")["invalidations"]["confirmed"] - before[1]


def _refused(server: RedisServer) -> int:
    return int(server.info("errorstats").get("errorstat_OOM", "count=0").removeprefix("count="))


@fault("keys evicted", "reader fills rejected")
def evict(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """Any key may go at any moment: entries, generations, stamps, bans, the log, the namespace."""
    for _ in repeatedly(seconds, 0.002):
        _evict_some(_one(fleet), proof)


def _evict_some(server: RedisServer, proof: Counter[str]) -> None:
    with server.connect() as wire:
        for _ in range(20):
            key = wire.command("RANDOMKEY")
            if key is not None:
                wire.command("UNLINK", key)
                proof["keys evicted"] += 1


@fault("logs trimmed", "reader flushed")
def trim_log(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """The log loses its records, or is gone altogether."""
    log = f"{{{fleet.namespace}.0}}:log"
    for number in repeatedly(seconds, 0.1):
        words: tuple[Any, ...] = ("DEL", log) if number % 2 else ("XTRIM", log, "MAXLEN", 0)
        proof["logs trimmed"] += bool(_one(fleet).command(*words))


@fault("primaries replaced", "reader degraded", "reader flushed", sites=(CLUSTER, SENTINEL))
def kill_primary(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
    """`kill -9` a primary; its replica takes its place, without what it hadn't heard yet."""
    site = fleet.site
    if isinstance(site, ClusterSite):
        place = f"{{{fleet.namespace}.0}}"
        site.cluster.wait_promoted(place, instead_of=site.cluster.kill(site.cluster.primary_of(place)))
    elif isinstance(site, SentinelSite):
        site.trio.wait_promoted(instead_of=site.trio.kill_primary())
    proof["primaries replaced"] += 1
    last(seconds)


# -- two at once -----------------------------------------------------------------------------------------------------


def both(hurts: Fault, breaks: Fault) -> Fault:
    """*hurts* begins, and while it lasts, *breaks*."""

    def act(fleet: Fleet, seconds: float, proof: Counter[str]) -> None:
        beside: Counter[str] = Counter()
        with ThreadPoolExecutor(1) as thread:
            hurting = thread.submit(hurts.act, fleet, seconds * 1.5, beside)
            last(seconds / 4)
            breaks.act(fleet, seconds, proof)
            hurting.result()
        proof.update(beside)

    return Fault(f"{hurts.name} + {breaks.name}", act, hurts.proofs + breaks.proofs, (STANDALONE,))


PAIRS = {
    pair.name: pair
    for hurts in ("stop reader", "stop writer", "freeze reader", "freeze answers")
    for breaks in ("kill redis", "restore redis", "failover", "flushall", "evict", "trim log", "out of memory")
    for pair in [both(FAULTS[hurts], FAULTS[breaks])]
}
"""One process or its link is away while the server loses something."""
