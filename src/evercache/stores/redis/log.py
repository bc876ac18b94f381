"""Reads the invalidation logs of one server, renews the lease of L1, hears who was woken.

One partition: a single blocking read, so an invalidation arrives when it happens and an idle process asks four times per
Δ. Several (Cluster): all of them in one bunch, at least four times per Δ, and at once when the bell rings.

In front of each read stands the question for the record we stand on; see `core.lease` for why. Where replicas exist, a
write and WAIT stand there too: a primary that was cut off from them answers reads for a long time, but can't renew
leases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from evercache.core.lease import LogReader
from evercache.core.protocol import LogRecord
from evercache.stores.redis.contract import LIFE
from evercache.stores.redis.faults import classify
from evercache.stores.redis.link import Link, open_wire
from evercache.stores.redis.report import report
from evercache.stores.redis.scripts import run_script
from evercache.stores.redis.setup import Setup
from evercache.stores.redis.shard import Shard
from evercache.stores.redis.wire import Wire

__all__ = ["Follower"]

_COUNT = 1_000
_BEAT_LIFE = 60_000
_HOUR = 3_600.0


class _Place:
    """Where we stand in the logs of one partition."""

    def __init__(self, shard: Shard, delta: float) -> None:
        self.shard = shard
        self.reader = LogReader(delta)
        self.woken = b"0-0"
        self.prolong_at = 0.0


class Follower:
    """Follows the logs of the partitions that *shards* lists, on the server that *link* leads to, until cancelled."""

    def __init__(self, setup: Setup, link: Link, shards: Mapping[int, Shard]) -> None:
        self._setup = setup
        self._link = link
        self._shards = shards
        self._places: dict[int, _Place] = {}
        self._rung = asyncio.Event()
        self._witness = setup.has_replicas and link.identity.replicas > 0

    def ring(self) -> None:
        """Something was added to a log: read now."""
        self._rung.set()

    async def run(self) -> None:
        """Follow on one connection; returns or raises when it can't go on. Call it again: it starts anew."""
        delta, settings = self._setup.delta, self._setup.settings
        self._places.clear()
        wire, identity = await open_wire(
            self._link.address, settings, budget=delta / 2 + settings.operation_timeout, lost=_ignore
        )
        try:
            if identity.run != self._link.identity.run:
                self._link.close("restarted")
                return
            while True:
                await self._turn(wire)
        finally:
            await wire.aclose()

    async def _turn(self, wire: Wire) -> None:
        await self._open(wire)
        places = list(self._places.values())
        blocking = len(places) == 1 and not self._setup.bell
        await asyncio.gather(*[self._read_or_lose(wire, place, blocking=blocking) for place in places])
        if blocking:
            return
        try:
            async with asyncio.timeout(self._setup.delta / 4):
                await self._rung.wait()
        except TimeoutError:
            pass
        self._rung.clear()

    async def _open(self, wire: Wire) -> None:
        """Find the ends of the logs of new partitions, and of those whose place was lost."""
        for partition in [p for p in self._places if p not in self._shards]:
            del self._places[partition]
        for partition, shard in list(self._shards.items()):
            place = self._places.get(partition)
            if place is None or place.reader.position is None:
                place = self._places[partition] = _Place(shard, self._setup.delta)
                await self._open_or_lose(wire, place)

    async def _open_or_lose(self, wire: Wire, place: _Place) -> None:
        try:
            await self._begin(wire, place)
        except Exception as error:  # noqa: BLE001 - see _lose
            self._lose(place, error)

    async def _read_or_lose(self, wire: Wire, place: _Place, *, blocking: bool) -> None:
        if place.reader.position is None:
            return
        try:
            await self._read(wire, place, blocking=blocking)
        except Exception as error:  # noqa: BLE001 - see _lose
            self._lose(place, error)

    def _lose(self, place: _Place, error: Exception) -> None:
        """A slot that is on its way elsewhere must not cost the other partitions of this server their leases."""
        place.reader.lost()
        fault = classify(error)
        if fault.kind != "moved" and fault.reason != "tryagain":
            raise error
        if fault.reason == "moved":
            self._setup.relocate("moved")

    async def _begin(self, wire: Wire, place: _Place) -> None:
        """Stand at the end of the log; everything known before is to be forgotten."""
        shard = place.shard
        keys, setting = shard.keys, shard.setting
        names = (keys.log, keys.wake, keys.heartbeat)
        call = run_script("open_log", names, (), setting._replace(run=self._link.identity.run), _same)
        sent = self._setup.clock.monotonic()
        position, place.woken, now = await wire.ask(*call.whole())
        shard.clock.sample(sent, now)
        heard = place.reader.opened(position, sent)
        self._setup.listener.flushed(shard.partition)
        shard.heard = position
        if not self._witness:
            self._lease(shard, heard.until)

    async def _read(self, wire: Wire, place: _Place, *, blocking: bool) -> None:
        """One question, one answer: records, wake-ups, the clock, and the lease."""
        shard, keys, reader = place.shard, place.shard.keys, place.reader
        position = reader.position or b"0-0"
        block = ("BLOCK", max(1, round(self._setup.delta * 250))) if blocking else ()
        sent = self._setup.clock.monotonic()
        asked = [wire.ask("TIME")]
        if self._witness:
            asked.append(wire.ask("SET", keys.heartbeat, "1", "PX", _BEAT_LIFE))
            asked.append(wire.ask("WAIT", 1, max(1, round(self._setup.delta * 250))))
        asked.append(wire.ask("XREAD", "COUNT", _COUNT, *block, "STREAMS", keys.log, keys.wake, position, place.woken))
        # The anchor comes second: a log that was lost before the records were read is missing it afterwards, while one
        # that is lost in between would have passed the test and then moved on behind what was lost.
        asked.append(wire.ask("XRANGE", keys.log, position, position))
        if sent >= place.prolong_at:
            place.prolong_at = sent + _HOUR
            wire.ask("PEXPIRE", keys.contract, LIFE).add_done_callback(_look_away)
        replies = await asyncio.gather(*asked)
        received = self._setup.clock.monotonic()
        seconds, micros = replies[0]
        shard.clock.sample(sent, int(seconds) * 1000 + int(micros) // 1000)
        streams = _streams(replies[-2])
        woken, logged = streams.get(keys.wake, []), streams.get(keys.log, [])
        if woken:
            place.woken = woken[-1][0]
            self._setup.listener.woken(shard.partition, [record.name for _, record in woken])
        heard = reader.heard(sent, received, anchored=bool(replies[-1]), records=logged)
        if heard.flush:
            report("log lost", partition=shard.partition)
            self._setup.listener.flushed(shard.partition)
            return
        if heard.records:
            self._setup.listener.logged(shard.partition, heard.records)
            shard.heard = reader.position
        # A full answer may have more behind it: what was confirmed before `sent` isn't all known yet.
        if len(logged) < _COUNT and (not self._witness or replies[2] >= 1):
            self._lease(shard, heard.until)

    def _lease(self, shard: Shard, until: float) -> None:
        shard.leased_until = until
        self._setup.listener.leased(shard.partition, until)


def _streams(reply: Any) -> dict[bytes, list[tuple[bytes, LogRecord]]]:
    """XREAD's reply: a map with RESP3, a list of pairs with RESP2, nil for nothing new."""
    if not reply:
        return {}
    pairs: Iterable[Any] = reply.items() if isinstance(reply, dict) else reply
    return {
        name: [(position, LogRecord(fields[0].decode(), fields[1])) for position, fields in records]
        for name, records in pairs
    }


def _same(reply: Any) -> Any:
    return reply


def _look_away(done: asyncio.Future[Any]) -> None:
    """Take note of an error, so that nobody else complains: it is tried again in an hour."""
    if not done.cancelled():
        done.exception()


def _ignore(reason: str) -> None:
    """The wire's futures tell it."""
