"""What happens on a server before it gets its first command: is it the one we knew, and does it agree with us?

A server process that restarted or was promoted may have lost acknowledged writes, invalidations among them. The namespace
stamp carries the run id of the server process that made it; under another process it proves nothing any more, so a new
one is made and everything stored before is invalid (`distrust`). With `replay`, only what this process's journal holds is
repeated; with `ignore`, nothing happens.
"""

from __future__ import annotations

import asyncio
from typing import Any

from evercache.errors import StoreUnavailable
from evercache.stores.redis.contract import LIFE
from evercache.stores.redis.faults import classify
from evercache.stores.redis.link import Link
from evercache.stores.redis.report import report
from evercache.stores.redis.scripts import Call, call, run_script
from evercache.stores.redis.setup import Setup
from evercache.stores.redis.shard import Shard
from evercache.stores.redis.wire import Single

__all__ = ["adopt", "open_shard", "replay", "send"]

_BATCH = 512


async def send(link: Link, what: Call, *, large: bool = False) -> Any:  # Any: what the call's `read` gives
    """The read reply of *what*. Raises StoreUnavailable, or the server's error as redis-py's exception."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    link.submit(Single(what.parts, future), large=large)
    try:
        return what.read(await future)
    except Exception as error:
        if what.script is None or classify(error).kind != "noscript":
            raise
    future = loop.create_future()
    link.submit(Single(what.whole(), future), large=large)
    return what.read(await future)


async def adopt(setup: Setup, shard: Shard, link: Link) -> None:
    """Check the epoch and the contract of *shard* on *link*, then repeat what is owed. Nothing is trusted yet."""
    run, keys = link.identity.run, shard.keys
    before = shard.setting.run
    shard.setting = setting = shard.setting._replace(run=run)
    if before != run:
        shard.clock.reset()
    if setup.contract.on_failover == "distrust":
        names = (keys.namespace, keys.ban, keys.bans, keys.log)
        arguments = (setup.candidate(), setup.terms.horizon)
        if await send(link, run_script("adopt", names, arguments, setting, bool)):
            report("distrusted", partition=shard.partition, address=str(link.address))
    await _agree(setup, shard, link)
    if before and before != run:
        report("restarted", partition=shard.partition, address=str(link.address))
        setup.listener.restarted(shard.partition)
    await replay(setup, shard, link)


async def _agree(setup: Setup, shard: Shard, link: Link) -> None:
    """Compare contracts; adopt what may be adopted. Raises StoreUnavailable(reason="contract") on the rest."""
    arguments = (setup.contract.text(), LIFE)
    try:
        text = await send(link, run_script("contract", (shard.keys.contract,), arguments, shard.setting, bytes))
    except Exception as error:
        if classify(error).kind == "write_refused":  # full: there is none yet, and nobody to disagree with
            return
        raise
    agreed, problem = setup.contract.against(text)
    if problem:
        raise StoreUnavailable(f"This process doesn't use the cache in Redis: {problem}.", reason="contract")
    if agreed != setup.contract:
        report("adopted contract", delta=agreed.delta / 1000, on_failover=agreed.on_failover)
        setup.contract, setup.delta = agreed, agreed.delta / 1000


async def open_shard(setup: Setup, shard: Shard, link: Link) -> None:
    """Trust *shard* on *link* at a moment when nothing is owed: what was refused until now is in the journal already."""
    while setup.listener.owed(shard.partition, 1):
        await replay(setup, shard, link)
    if not link.closed:
        shard.open(link)


async def replay(setup: Setup, shard: Shard, link: Link) -> None:
    """Repeat unconfirmed invalidations until none is left; raises the first error after settling what was confirmed."""
    while owed := setup.listener.owed(shard.partition, _BATCH):
        sends = [send(link, call(command, shard.keys, shard.setting)) for _, command in owed]
        replies = await asyncio.gather(*sends, return_exceptions=True)
        failures = [reply for reply in replies if isinstance(reply, BaseException)]
        done = [
            number for (number, _), reply in zip(owed, replies, strict=True) if not isinstance(reply, BaseException)
        ]
        setup.listener.settled(shard.partition, done)
        if failures:
            raise failures[0]
