"""One server and the partitions on it: connecting, adopting, following, and coming back after a fault.

    connect → who are you? → adopt every partition (epoch, contract, journal) → trusted ──lost──▶ pause, again

Nothing of this is on a caller's time: while it lasts, `RedisStore.execute` refuses at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from evercache.core.breaker import Breaker, Outcome
from evercache.core.url import Address
from evercache.errors import StoreUnavailable
from evercache.stores.redis.epoch import adopt, open_shard, replay
from evercache.stores.redis.faults import ADVICE, Fault, classify
from evercache.stores.redis.link import Link
from evercache.stores.redis.log import Follower
from evercache.stores.redis.pause import pause, spread
from evercache.stores.redis.report import report
from evercache.stores.redis.scripts import Call
from evercache.stores.redis.setup import Setup
from evercache.stores.redis.shard import Shard
from evercache.stores.redis.slowness import Slowness
from evercache.stores.redis.wire import Single

__all__ = ["Node"]

_PAUSE = 1.0
"""Seconds without fills after the server refused one, and between repetitions of refused invalidations."""
_PROBE = 0.1


class Node:
    """The server at *address*. `start()` once, `aclose()` once; partitions come and go by `assign` and `withdraw`."""

    def __init__(self, address: Address, setup: Setup) -> None:
        self.address = address
        self.link: Link | None = None
        self.fault: Fault | None = None
        self.slowness = Slowness()
        self.shards: dict[int, Shard] = {}
        self._setup = setup
        self._breaker = Breaker()
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._follower: Follower | None = None
        self._linked = asyncio.Event()

    def start(self) -> None:
        self._spawn(self._live())

    async def aclose(self) -> None:
        """End every task and connection."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.link = None
        for shard in self.shards.values():
            shard.close()

    # -- partitions --------------------------------------------------------------------------------------------------

    def assign(self, shard: Shard) -> None:
        """*shard* lives here now; it is trusted as soon as it is adopted."""
        self.shards[shard.partition] = shard
        if self.link is not None and not self.link.closed:
            self._spawn(self._take_late(shard, self.link))

    def withdraw(self, partition: int) -> None:
        """It lives elsewhere now."""
        shard = self.shards.pop(partition, None)
        if shard is not None and shard.link is self.link:
            shard.shut("moved")

    def ring(self) -> None:
        """A log of this server has grown."""
        if self._follower is not None:
            self._follower.ring()

    async def ask_once(self, what: Call) -> object:
        """*what*, although its slot isn't ours yet: what a Cluster asks for while it moves a slot."""
        await self._linked.wait()
        link = self.link
        if link is None:
            raise StoreUnavailable(f"{self.address} was lost.", reason="closed")
        loop = asyncio.get_running_loop()
        asking: asyncio.Future[Any] = loop.create_future()
        future: asyncio.Future[Any] = loop.create_future()
        link.submit(Single((b"ASKING",), asking), company=True)
        link.submit(Single(what.whole(), future), company=True)
        await asyncio.gather(asking, future)
        return what.read(future.result())

    # -- the life of a server ----------------------------------------------------------------------------------------

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._breaker = self._breaker.probing(loop.time())
            self.fault = await self._serve()
            self._end(self.fault.reason)
            outcome: Outcome = "permanent" if self.fault.kind == "permanent" else "transient"
            self._breaker = self._breaker.after(outcome, loop.time(), spread=spread())
            await asyncio.sleep(self._breaker.probe_at - loop.time())

    async def _serve(self) -> Fault:
        """Connect and serve until it ends; why it ended."""
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[str] = loop.create_future()

        def lose(reason: str) -> None:
            if not lost.done():
                lost.set_result(reason)
                if self.link is link:
                    self._end(reason)  # at once: the next caller must not wait for a task to run first

        link = Link(self.address, self._setup.settings, lose)
        following: asyncio.Task[None] | None = None
        try:
            await link.open(self._timed)
            self.link = link
            await asyncio.gather(*[adopt(self._setup, shard, link) for shard in self.shards.values()])
            for shard in list(self.shards.values()):
                await open_shard(self._setup, shard, link)
            self._breaker = self._breaker.after("ok", loop.time())
            self.fault = None
            self._linked.set()
            report("connected", address=str(self.address), run=link.identity.run.decode())
            following = asyncio.create_task(self._follow(link))
            return _fault_of(await lost)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt is the answer
            fault = _fault_of(str(error.reason)) if isinstance(error, StoreUnavailable) else classify(error)
            self._complain(fault, error)
            return fault
        finally:
            try:
                if following is not None:
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
            finally:  # closing may come while we end by ourselves, and cancel the line above
                await link.aclose()

    def _complain(self, fault: Fault, error: Exception) -> None:
        if self.fault is None or self.fault.reason != fault.reason:
            advice = ADVICE.get(fault.reason, str(error))
            report("unavailable", address=str(self.address), reason=fault.reason, advice=advice)

    def _end(self, reason: str) -> None:
        """Nothing here may be trusted any more."""
        self.link = None
        self._linked.clear()
        self.slowness = Slowness()
        for shard in self.shards.values():
            shard.shut(reason)
        if reason not in ("closed", "timeout") or self._setup.has_replicas:
            self._setup.relocate(reason)

    async def _take_late(self, shard: Shard, link: Link) -> None:
        try:
            await adopt(self._setup, shard, link)
            if self.shards.get(shard.partition) is shard and self.link is link:
                await open_shard(self._setup, shard, link)
                self.ring()
        except Exception as error:  # noqa: BLE001 - the table of faults knows
            fault = classify(error)
            shard.shut(fault.reason)
            if fault.is_outage or fault.reason == "readonly":
                link.close(fault.reason)
            else:
                self._setup.relocate(fault.reason)

    async def _follow(self, link: Link) -> None:
        """Keep a follower going as long as the link lives."""
        self._follower = follower = Follower(self._setup, link, self.shards)
        wait, failures = 0.02, 0
        while not link.closed:
            began = asyncio.get_running_loop().time()
            try:
                await follower.run()
            except Exception as error:  # noqa: BLE001 - the lease ends by itself; try again
                reason = classify(error).reason
                failures += 1
                if failures == 2:  # one is a hiccup, and the lease has covered it
                    report("log not followed", address=str(self.address), reason=reason)
                if reason in ("readonly", "role_changed"):
                    link.close("readonly")
                    return
            lasted = asyncio.get_running_loop().time() - began
            wait, failures = (0.02, 0) if lasted > 1 else (min(wait * 2, 1.0), failures)
            await pause(wait)

    # -- what goes wrong while it serves -----------------------------------------------------------------------------

    def faulted(self, shard: Shard, fault: Fault) -> None:
        """A command of *shard* was answered with *fault*."""
        if fault.kind == "write_refused" and fault.reason != "readonly":
            shard.refuse_writes(fault.reason, _PAUSE)
        elif self.link is not None and (fault.reason == "readonly" or (fault.is_outage and fault.reason != "tryagain")):
            self.link.close(fault.reason)
        elif fault.reason == "moved":
            self._setup.relocate("moved")

    def owes(self, shard: Shard) -> None:
        """An invalidation could not be confirmed although the partition is there: repeat it soon, in the background."""
        name = f"replay {shard.partition}"
        if name not in self._busy:
            self._busy[name] = self._spawn(self._repay(shard), name)

    async def _repay(self, shard: Shard) -> None:
        while (link := shard.link) is not None and link is self.link:
            await pause(_PAUSE)
            try:
                await replay(self._setup, shard, link)
                return
            except Exception as error:  # noqa: BLE001 - the table of faults knows
                self.faulted(shard, classify(error))

    def _timed(self, seconds: float) -> None:
        if self.slowness.answered(seconds) and "slow" not in self._busy:
            self._busy["slow"] = self._spawn(self._wait_until_fast(), "slow")

    async def _wait_until_fast(self) -> None:
        """Reads and fills go around the store; probes decide when it is over."""
        link = self.link
        for shard in self.shards.values():
            shard.shut("slow", keep_link=True)
        probes: list[float] = []
        loop = asyncio.get_running_loop()
        try:
            while link is not None and link is self.link and not self.slowness.recovered(probes):
                await pause(_PROBE)
                began = loop.time()
                pong: asyncio.Future[Any] = loop.create_future()
                link.submit(Single((b"PING",), pong))
                await pong
                probes.append(loop.time() - began)
            if link is None or link is not self.link:
                return
            for shard in list(self.shards.values()):
                await open_shard(self._setup, shard, link)
        except Exception as error:  # noqa: BLE001 - the link has ended, or ends here
            if link is not None:
                link.close(classify(error).reason)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str = "") -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)

        def forget(done: asyncio.Task[None]) -> None:
            self._tasks.discard(done)
            self._busy.pop(name, None)

        task.add_done_callback(forget)
        return task


_PERMANENT = frozenset({"auth", "denied", "protected", "protocol", "database", "tls", "not_redis", "contract"})


def _fault_of(reason: str) -> Fault:
    return Fault("permanent" if reason in _PERMANENT else "transient", reason)
