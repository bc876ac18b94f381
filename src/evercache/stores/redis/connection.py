"""redis-py objects made from `Settings`, with none of the client's traps left in.

redis-py's defaults are those of a general client; a cache needs others, and each line here stands for a measured one:

- *No retries.* `Redis(host=...)` retries ten times: a hung server costs 59 s, a wrong password is sent eleven times.
- *Maintenance notifications off.* Left on "auto" they disable the check that finds closed connections in the pool:
  after a restart of the server every idle connection fails one call.
- *No health-check interval.* It sends a PING in front of commands; whoever needs a heartbeat has its own.
- *One deadline over everything that opening means*: DNS, TCP, TLS, HELLO, SELECT. The client has one per step.
- *One TLS context per pool*, not per connection: loading the certificates blocks the loop for some 15 ms.
- *CLIENT SETINFO isn't sent*: two more commands per connection, to say what CLIENT SETNAME says already.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from redis.asyncio.connection import (
    AbstractConnection,
    BlockingConnectionPool,
    Connection,
    RedisSSLContext,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.maint_notifications import MaintNotificationsConfig

from evercache.config import Settings
from evercache.core.url import Address

__all__ = ["Address", "ask", "mapped", "new_connection", "new_pool", "open_connection", "opened"]


class _TlsConnection(SSLConnection):
    """An `SSLConnection` whose certificates were loaded by somebody else."""

    def __init__(self, *, tls: RedisSSLContext, **options: Any) -> None:  # Any: redis-py's own signature
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType] - partly untyped in redis-py
        self.ssl_context = tls


def new_connection(
    address: Address,
    settings: Settings,
    *,
    protocol: int | None = None,
    socket_timeout: float | None = None,
    credentials: tuple[str, str] | None = None,
    db: int | None = None,
) -> AbstractConnection:
    """One unopened connection, for links that carry everybody's commands and have their own watchdog.

    - Does no I/O. Open it with `open_connection`, which bounds the whole handshake; close it with `disconnect()`.
    - Without *socket_timeout* reads wait for ever: the owner must watch them.
    """
    kind, options = _options(address, settings)
    options |= {
        "socket_timeout": socket_timeout,
        "socket_connect_timeout": min(settings.connect_timeout, settings.socket_connect_timeout),
    }
    if protocol is not None:
        options["protocol"] = protocol
    if credentials is not None:
        options["username"], options["password"] = credentials[0] or None, credentials[1] or None
    if db is not None:
        options["db"] = db
    return kind(**options)


async def open_connection(connection: AbstractConnection, timeout: float) -> None:  # noqa: ASYNC109 - one deadline for all steps is the point
    """Connect, encrypt, authenticate and select within *timeout* seconds; on failure nothing stays open.

    Raises what redis-py raises, or the builtin TimeoutError: `faults.classify` knows them all.
    """
    connect: Callable[[], Awaitable[None]] = connection.connect
    try:
        async with asyncio.timeout(timeout):
            await connect()
    except BaseException:
        await connection.disconnect(nowait=True)
        raise


@asynccontextmanager
async def opened(
    address: Address, settings: Settings, *, credentials: tuple[str, str] | None = None, db: int | None = None
) -> AsyncGenerator[AbstractConnection]:
    """An open connection for a few commands off the request path; closed at the end of the block."""
    ceiling = min(settings.socket_timeout, max(settings.connect_timeout, settings.operation_timeout))
    connection = new_connection(address, settings, socket_timeout=ceiling, credentials=credentials, db=db)
    await open_connection(connection, settings.connect_timeout)
    try:
        yield connection
    finally:
        await connection.disconnect(nowait=True)


async def ask(
    connection: AbstractConnection,
    *command: str | bytes | int,
) -> Any:  # Any: whatever the server replies to this command
    """One command, one reply, undecoded."""
    read = cast("Callable[..., Awaitable[Any]]", connection.read_response)  # partly untyped in redis-py
    await connection.send_command(*command)
    return await read(disable_decoding=True)


def new_pool(settings: Settings, address: Address | None = None) -> BlockingConnectionPool:
    """The pool of the `RedisClient` face: waits when it is exhausted, decodes replies, and does no I/O yet.

    Its time-outs are the ceilings (5 s), because raw users of it may block on purpose; `RedisClient` puts its own
    budgets in front.
    """
    kind, options = _options(address or settings.address.addresses[0], settings)
    return BlockingConnectionPool(
        connection_class=kind,
        max_connections=settings.max_connections,
        timeout=settings.pool_wait,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        decode_responses=True,
        socket_timeout=settings.socket_timeout,
        socket_connect_timeout=settings.socket_connect_timeout,
        **options,
    )


def mapped(address: Address, settings: Settings) -> Address:
    """Where *address*, as announced by a sentinel or a Cluster, is reached from here."""
    return next((here for announced, here in settings.address_map if announced == address), address)


def _options(address: Address, settings: Settings) -> tuple[type[AbstractConnection], dict[str, Any]]:
    username, password = settings.credentials
    options: dict[str, Any] = {
        "username": username or None,
        "password": password or None,
        "db": settings.address.db,
        "protocol": settings.protocol,
        "client_name": f"{settings.client_name}:{os.getpid()}",
        "driver_info": None,
        "health_check_interval": 0,
    }
    if address.path:
        return UnixDomainSocketConnection, options | {"path": address.path}
    options |= {"host": address.host, "port": address.port}
    if settings.address.tls:
        return _TlsConnection, options | {"tls": _tls(settings)}
    return Connection, options


def _tls(settings: Settings) -> RedisSSLContext:
    return RedisSSLContext(
        cert_reqs="required" if settings.tls_verify else "none",
        check_hostname=settings.tls_verify and settings.tls_check_hostname,
        ca_certs=settings.tls_ca_file or None,
        certfile=settings.tls_cert_file or None,
        keyfile=settings.tls_key_file or None,
        min_version=ssl.TLSVersion.TLSv1_2,
    )
