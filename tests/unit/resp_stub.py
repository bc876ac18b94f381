"""A server that speaks enough RESP to stand for Redis, in the test's own event loop.

It is real on the outside (a socket, bytes) and simple inside (a dict). It can be told to answer a command with an error,
to keep silent, or to close the connection, and it remembers every command it was sent.
"""

from __future__ import annotations

import asyncio
import time
from typing import Self

__all__ = ["RespStub"]


class RespStub:
    """`async with RespStub() as stub: RedisClient(stub.url)`."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.data: dict[bytes, bytes] = {}
        self.ends: dict[bytes, float] = {}
        self.commands: list[list[bytes]] = []
        self.errors: dict[bytes, bytes] = {}
        self.silent = False
        self.connections = 0
        self.most_at_once = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._heard = asyncio.Event()
        self._speak = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.hang_up()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def named(self, name: bytes) -> list[list[bytes]]:
        """The commands of that name, in order."""
        return [command for command in self.commands if command[0].upper() == name]

    def hang_up(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.close()

    def speak(self) -> None:
        """End the silence; what was asked meanwhile is answered now."""
        self.silent = False
        self._speak.set()

    async def heard(self, name: bytes, times: int) -> None:
        """Wait until *name* has been asked *times* times."""
        while len(self.named(name)) < times:
            self._heard.clear()
            await self._heard.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.connections += 1
        self.most_at_once = max(self.most_at_once, len(self._writers))
        try:
            while header := await reader.readline():
                command = []
                for _ in range(int(header[1:])):
                    size = int((await reader.readline())[1:])
                    command.append((await reader.readexactly(size + 2))[:-2])
                self.commands.append(command)
                self._heard.set()
                if self.silent:
                    await self._speak.wait()
                writer.write(self._answer(command))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, command: list[bytes]) -> bytes:
        name, *words = command
        name = name.upper()
        if name in self.errors:
            return b"-%b\r\n" % self.errors[name]
        answer = getattr(self, "_" + name.decode().lower(), None)
        return answer(*words) if answer else b"-ERR unknown command\r\n"

    def _hello(self, *_: bytes) -> bytes:
        return b"%1\r\n$5\r\nproto\r\n:3\r\n"

    def _client(self, *_: bytes) -> bytes:
        return b"+OK\r\n"

    def _ping(self) -> bytes:
        return b"+PONG\r\n"

    def _get(self, key: bytes) -> bytes:
        return b"$%d\r\n%b\r\n" % (len(self.data[key]), self.data[key]) if key in self.data else b"_\r\n"

    def _set(self, key: bytes, value: bytes, *expiry: bytes) -> bytes:
        self.data[key] = value
        self.ends.pop(key, None)
        if expiry:
            self.ends[key] = time.monotonic() + int(expiry[1]) / 1000
        return b"+OK\r\n"

    def _unlink(self, *keys: bytes) -> bytes:
        return b":%d\r\n" % sum(self.data.pop(key, None) is not None for key in keys)

    def _exists(self, key: bytes) -> bytes:
        return b":%d\r\n" % (key in self.data)
