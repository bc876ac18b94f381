"""Single commands over a pool, for the `RedisClient` face.

Three bounds stand in front of the server, in this order: the guard (known to be away? then no waiting at all), the queue
(as many calls as connections; the others wait, and are told "overloaded", not "down", if it takes too long), the budgets
(opening a connection, one command). So a hung server costs the calls in flight one budget each, once; those who wait
in the queue and those who come later cost nothing.

A pool belongs to one event loop, and so does everything here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn, cast

from redis import exceptions as redis_errors

from evercache.config import Settings
from evercache.core.url import Address
from evercache.errors import StoreOverloaded, StoreUnavailable, WritesRefused
from evercache.stores.redis.connection import ask, new_pool, open_connection, opened
from evercache.stores.redis.faults import ADVICE, Fault, classify, redirect_of
from evercache.stores.redis.guard import Guard
from evercache.stores.redis.topology import Cluster, key_slot, topology_of

if TYPE_CHECKING:
    from redis.asyncio.connection import BlockingConnectionPool

__all__ = ["STORE_ERRORS", "Pooled"]

_SCAN_COUNT = 1000

Argument = str | bytes | int

STORE_ERRORS = (StoreUnavailable, redis_errors.RedisError, redis_errors.RedisClusterException, OSError)
"""What a command may raise because of Redis."""


class Pooled:
    """Commands for the primary of a key.

    - `run` and `run_at` raise `StoreUnavailable`, `StoreOverloaded` or `WritesRefused`; an answer that is an error for
      another reason (WRONGTYPE) is redis-py's exception.
    - Made without I/O; `start` adds the periodic check; `close` ends every task and connection, and may be repeated.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topology = topology_of(settings)
        self._pools: dict[Address, BlockingConnectionPool] = {}
        self._guards: dict[Address, Guard] = {}
        self._map_guard = Guard("the addresses of " + settings.address.kind, self._topology.refresh)
        self._queue = asyncio.Semaphore(settings.max_connections)
        self._check: asyncio.Task[None] | None = None
        self._lookup: asyncio.Task[None] | None = None

    async def run(self, key: bytes, *command: Argument, budget: float | None = None) -> Any:  # Any: the server's reply
        """One command for *key*, within *budget* seconds (default: the operation time-out)."""
        address = await self._locate(key)
        try:
            return await self.run_at(address, *command, budget=budget)
        except redis_errors.AskError as error:
            redirect = redirect_of(error, address)
            if redirect is None or not isinstance(self._topology, Cluster):
                _raise(error, classify(error), address)
            target = redirect.address
            if not redirect.ask:
                target = self._topology.moved(redirect.slot, target.host, target.port)
            return await self.run_at(target, *command, budget=budget, asking=redirect.ask)

    async def run_at(
        self, address: Address, *command: Argument, budget: float | None = None, asking: bool = False
    ) -> Any:  # Any: the server's reply
        """One command for the server at *address*."""
        guard = self._guard(address)
        guard.require()
        async with self._place_in_queue():
            guard.require()  # it may have gone away while we waited
            began = time.monotonic()
            try:
                reply = await self._exchange(address, command, budget or self._settings.operation_timeout, asking)
            except Exception as error:
                fault = classify(error)
                self._learn(guard, fault, began)
                if fault.kind in ("moved", "bug"):
                    raise
                _raise(error, fault, address)
            guard.succeeded(began)
            return reply

    async def primaries(self) -> tuple[Address, ...]:
        """Every primary, for work that visits all of them."""
        async with self._mapping():
            return await self._topology.primaries()

    async def matching(self, pattern: bytes) -> AsyncGenerator[tuple[Address, list[bytes]]]:
        """Names that match a glob, in batches that one command may carry: in a Cluster, of one slot."""
        for address in await self.primaries():
            cursor = b"0"
            while True:
                scan = ("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN_COUNT)
                cursor, names = await self.run_at(address, *scan, budget=self._settings.socket_timeout)
                batches: dict[int, list[bytes]] = {}
                for name in names:
                    slot = key_slot(name) if isinstance(self._topology, Cluster) else 0
                    batches.setdefault(slot, []).append(name)
                for batch in batches.values():
                    yield address, batch
                if int(cursor) == 0:
                    break

    def pool(self) -> BlockingConnectionPool:
        """The pool of the one server; made, not opened. A `StoreUnavailable` if there is no one server (yet)."""
        if len(self._settings.address.addresses) == 1 and self._settings.address.kind == "standalone":
            return self._pool(self._settings.address.addresses[0])
        if len(self._pools) == 1:
            return next(iter(self._pools.values()))
        raise StoreUnavailable(
            "Which server is the primary is not known before the first command.", reason="no_primary"
        )

    @property
    def open_guards(self) -> list[Guard]:
        """The guards of the servers that are away."""
        return [guard for guard in (self._map_guard, *self._guards.values()) if guard.is_open]

    @property
    def some_answer(self) -> bool:
        """Is there a server that is not known to be away?"""
        return any(not guard.is_open for guard in self._guards.values())

    @property
    def in_use(self) -> int:
        """Calls under way."""
        return self._settings.max_connections - self._queue._value  # there is no public reading

    def start(self) -> None:
        """Check idle servers every `health_interval`, and close idle connections beyond `idle_connections`."""
        if self._check is None:
            self._check = asyncio.get_running_loop().create_task(self._check_now_and_then())

    async def close(self) -> None:
        tasks = [task for task in (self._check, self._lookup) if task is not None]
        self._check = self._lookup = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for guard in (self._map_guard, *self._guards.values()):
            await guard.close()
        for pool in self._pools.values():
            await pool.disconnect()
        self._pools.clear()
        self._guards.clear()

    async def _locate(self, key: bytes) -> Address:
        async with self._mapping():
            return await self._topology.address_of(key)

    @asynccontextmanager
    async def _mapping(self) -> AsyncGenerator[None]:
        """Guards and bounds questions to sentinels or Cluster nodes, as if they were one more server."""
        self._map_guard.require()
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._settings.connect_timeout + self._settings.operation_timeout):
                yield
        except STORE_ERRORS as error:
            fault = classify(error)
            self._learn(self._map_guard, fault, began)
            _raise(error, fault, self._settings.address.addresses[0])

    @asynccontextmanager
    async def _place_in_queue(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(self._settings.pool_wait):
                await self._queue.acquire()
        except TimeoutError:
            raise StoreOverloaded(
                f"All {self._settings.max_connections} connections were busy for {self._settings.pool_wait:g} s. "
                + ADVICE["pool"],
                reason="pool",
            ) from None
        try:
            yield
        finally:
            self._queue.release()

    async def _exchange(self, address: Address, command: tuple[Argument, ...], budget: float, asking: bool) -> Any:
        pool = self._pool(address)
        if not pool.can_get_connection():  # raw users of the pool hold what our queue thinks is ours
            raise StoreOverloaded(f"All {pool.max_connections} connections are in use. {ADVICE['pool']}", reason="pool")
        take = cast("Callable[[], Awaitable[Any]]", pool.get_connection)  # partly untyped in redis-py
        async with asyncio.timeout(self._settings.connect_timeout):
            connection = await take()
        sent = (("ASKING",), command) if asking else (command,)
        try:
            try:
                return await _said(connection, sent, budget)
            except redis_errors.ConnectionError as error:
                if type(error) is not redis_errors.ConnectionError:
                    raise
                # Closed while it lay in the pool (a restart, an idle time-out): nobody's fault, and no time was lost.
                # A command that was under way may run twice, and all of ours may.
                await open_connection(connection, self._settings.connect_timeout)
                return await _said(connection, sent, budget)
        finally:
            await pool.release(connection)

    def _learn(self, guard: Guard, fault: Fault, began: float) -> None:
        if fault.is_outage:
            guard.failed(fault, began)
        elif fault.kind != "overload":
            guard.succeeded(began)  # a refusal is an answer
        if fault.reason in ("readonly", "role_changed") and self._lookup is None:
            self._lookup = asyncio.get_running_loop().create_task(self._look_again(fault.reason))

    async def _look_again(self, reason: str) -> None:
        """A primary that refuses writes as a replica was demoted: find out who is it now."""
        try:
            await self._topology.refresh(reason)
            await self._retire(set(self._pools) - set(await self._topology.primaries()))
        except STORE_ERRORS as error:
            self._map_guard.failed(classify(error), time.monotonic())
        finally:
            self._lookup = None

    async def _probe(self, address: Address, reason: str) -> None:
        await self._topology.refresh(reason)
        if address not in await self._topology.primaries():
            await self._retire({address})
            return
        async with opened(address, self._settings) as connection:
            await ask(connection, "PING")

    async def _retire(self, addresses: set[Address]) -> None:
        for address in addresses:
            if (guard := self._guards.pop(address, None)) is not None:
                guard.retire()
            if (pool := self._pools.pop(address, None)) is not None:
                await pool.disconnect()

    async def _check_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._settings.health_interval)
            for address, pool in [*self._pools.items()]:
                try:
                    await self.run_at(address, "PING")
                except STORE_ERRORS:
                    continue  # the guard knows, and has said so
                await self._trim(pool)

    async def _trim(self, pool: BlockingConnectionPool) -> None:
        """The pool hands out the last one returned, so the first ones of its list have been idle longest."""
        idle = [*pool._available_connections]  # redis-py never closes an idle connection by itself
        for connection in idle[: max(0, len(idle) - self._settings.idle_connections)]:
            if connection in pool._available_connections:  # nobody took it meanwhile
                await connection.disconnect(nowait=True)

    def _pool(self, address: Address) -> BlockingConnectionPool:
        if address not in self._pools:
            self._pools[address] = new_pool(self._settings, address)
        return self._pools[address]

    def _guard(self, address: Address) -> Guard:
        if address not in self._guards:
            self._guards[address] = Guard(str(address), lambda reason: self._probe(address, reason))
        return self._guards[address]


async def _said(connection: Any, commands: tuple[tuple[Argument, ...], ...], budget: float) -> Any:
    """The reply to the last of *commands*, all within *budget* seconds."""
    async with asyncio.timeout(budget):
        reply: Any = None
        for command in commands:
            reply = await ask(connection, *command)
        return reply


def _raise(error: Exception, fault: Fault, address: Address) -> NoReturn:
    """Our own error for *fault*, so that nobody above has to know the client's classes."""
    if isinstance(error, StoreUnavailable):
        raise error
    sentence = f"Redis at {address} failed ({fault.reason}). {ADVICE.get(fault.reason, '')}".strip()
    kind = {"overload": StoreOverloaded, "write_refused": WritesRefused}.get(fault.kind, StoreUnavailable)
    raise kind(sentence, reason=fault.reason) from error
