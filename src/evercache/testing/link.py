"""One proxied connection, and the rules that hold for a direction of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Coroutine

__all__ = ["Link", "Rules", "Stream"]

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CHUNK = 65_536
_HELD = 256  # chunks on their way, before the sender feels it
_RESET = struct.pack("ii", 1, 0)  # linger for 0 seconds: close() sends RST instead of FIN


class Rules:
    """What happens to bytes that go one way, and how many did. Only touched in the proxy's loop."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._open = asyncio.Event()
        self._delay, self._jitter = 0.0, 0.0
        self.read = self.written = self.dropped = 0
        self.reset()

    def reset(self) -> None:
        """Let everything through."""
        self.dropping = False
        self.rate: float | None = None
        self.set_delay(0.0, 0.0)
        self.thaw()

    def freeze(self) -> None:
        """Hold back what comes."""
        self._open.clear()

    def thaw(self) -> None:
        """Let go what was held back."""
        self._open.set()

    def set_dropping(self, *, on: bool) -> None:
        """Swallow what comes, or not."""
        self.dropping = on

    def set_delay(self, seconds: float, jitter: float) -> None:
        """Let what comes arrive later."""
        self._delay, self._jitter = seconds, jitter

    def set_rate(self, bytes_per_second: float | None) -> None:
        """Let that much through in a second."""
        self.rate = bytes_per_second

    def lateness(self) -> float:
        """By how much the next chunk is late."""
        return self._delay + self._chance.uniform(0.0, self._jitter)

    async def passable(self) -> None:
        """Return when nothing is frozen."""
        await self._open.wait()


class Link:
    """A client's connection and ours to the target, joined by two one-way pipes."""

    def __init__(self, client: Stream, up: Rules, down: Rules) -> None:
        self._client = client
        self._up, self._down = up, down
        self._writers = [client[1]]
        self._task: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    async def run(self, target: tuple[str, int]) -> None:
        """Forward until both sides have closed or somebody cuts; a target that refuses resets the client."""
        self._task = asyncio.ensure_future(self._forward(target))
        done, _ = await asyncio.wait([self._task])
        broken = any(task.cancelled() or task.exception() is not None for task in done)
        for writer in self._writers:
            _reset(writer) if broken else writer.close()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn
        self._over.set()

    def cut(self) -> None:
        """Break both sides now."""
        if self._task is not None:
            self._task.cancel()

    async def ended(self) -> None:
        """Return when both sockets are closed."""
        await self._over.wait()

    async def _forward(self, target: tuple[str, int]) -> None:
        await self._up.passable()
        server = await asyncio.open_connection(*target)
        self._writers.append(server[1])
        await _both(
            _pipe(self._client[0], server[1], self._up),
            _pipe(server[0], self._client[1], self._down),
        )


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter, rules: Rules) -> None:
    """Forward one way. Taking and giving are two tasks, so that a delay is a delay and not a throttle."""
    on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_HELD)
    await _both(_take(source, on_its_way, rules), _give(on_its_way, sink, rules))


async def _take(source: asyncio.StreamReader, on_its_way: asyncio.Queue[tuple[float, bytes]], rules: Rules) -> None:
    now = asyncio.get_running_loop().time
    data = b"start"
    while data:
        await rules.passable()
        data = await source.read(_CHUNK)
        rules.read += len(data)
        await on_its_way.put((now() + rules.lateness(), data))


async def _give(on_its_way: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter, rules: Rules) -> None:
    now = asyncio.get_running_loop().time
    while True:
        due, data = await on_its_way.get()
        await asyncio.sleep(due - now())
        await rules.passable()
        if rules.dropping:
            rules.dropped += len(data)
        elif data:
            await _write(sink, data, rules)
        if not data:
            # TLS knows no half-closed connection.
            sink.write_eof() if sink.can_write_eof() else sink.close()
            return


async def _write(sink: asyncio.StreamWriter, data: bytes, rules: Rules) -> None:
    while data:
        rate = rules.rate
        size = len(data) if rate is None else max(1, int(rate / 20))
        part, data = data[:size], data[size:]
        sink.write(part)
        await sink.drain()
        rules.written += len(part)
        if rate is not None:
            await asyncio.sleep(len(part) / rate)


async def _both(*work: Coroutine[object, object, None]) -> None:
    """Run side by side; the first failure ends all, and nothing runs on afterwards."""
    tasks = [asyncio.ensure_future(part) for part in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    connected = writer.get_extra_info("socket")  # None once TLS has ended by itself
    if connected is not None:
        with contextlib.suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
