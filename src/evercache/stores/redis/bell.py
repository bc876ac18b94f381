"""The bell of a Cluster: one connection per process that hears when a log grows, wherever the log is.

Sixteen blocked readers would cost sixteen connections; a poll every Δ/4 is late. So the scripts PUBLISH the name of the
log they have added to, every node of a Cluster hears it, and the bell only says "read now". Nothing depends on it: a lost
ring costs Δ/4.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable

from redis.exceptions import RedisError

from evercache.config import Settings
from evercache.errors import StoreUnavailable
from evercache.stores.redis.connection import new_connection, open_connection
from evercache.stores.redis.pause import pause
from evercache.stores.redis.topology import Topology

__all__ = ["Bell"]

_PARTITION = re.compile(rb"\.(\d+)\}:(?:log|wake)$")


class Bell:
    """Calls *rung* with the partition whose log has grown."""

    def __init__(self, settings: Settings, topology: Topology, channel: bytes, rung: Callable[[int], None]) -> None:
        self._settings = settings
        self._topology = topology
        self._channel = channel
        self._rung = rung
        self.connected = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._listen())

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError, StoreUnavailable):
                await self._hear()
            await pause(0.2)

    async def _hear(self) -> None:
        address = await self._topology.primary(0)
        connection = new_connection(address, self._settings, db=0)
        await open_connection(connection, self._settings.connect_timeout)
        try:
            await connection.send_command("SUBSCRIBE", self._channel)
            while True:
                message: list[bytes] | None = await connection.read_response(disable_decoding=True, push_request=True)
                self.connected = True  # the first message confirms the subscription
                if message and message[0] == b"message" and (match := _PARTITION.search(message[2])) is not None:
                    self._rung(int(match[1]))
        finally:
            self.connected = False
            await connection.disconnect(nowait=True)
