"""A Redis client of one page, so that assertions about a server don't depend on the client under test.

Speaks RESP2 (redis.io, "Redis serialization protocol"), one command at a time, blocking. Replies stay as they came:
bytes, int, list, None; an error reply is raised.
"""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

__all__ = ["Reply", "ReplyError", "Wire"]

Reply = Any  # bytes | int | None | list of these: whoever asks knows what the command answers


class ReplyError(Exception):
    """The server answered with an error; the text is the server's."""


class Wire:
    """One connection. A read waits *timeout* seconds at most and then raises `TimeoutError`."""

    def __init__(self, host: str, port: int, *, timeout: float = 5.0, tls: ssl.SSLContext | None = None) -> None:
        self._socket = socket.create_connection((host, port), timeout=timeout)
        try:
            if tls is not None:
                self._socket = tls.wrap_socket(self._socket, server_hostname=host)
            self._file = self._socket.makefile("rb")
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self._file.close()
        self._socket.close()

    def command(self, *words: str | bytes | float) -> Reply:
        """Send one command and return its reply; raises `ReplyError` for an error reply, also inside a list."""
        self.send(*words)
        return self.read()

    def send(self, *words: str | bytes | float) -> None:
        """Send one command and don't wait for its reply."""
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            raw = word if isinstance(word, bytes) else str(word).encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
        self._socket.sendall(b"".join(parts))

    def read(self) -> Reply:
        """The next reply."""
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._exactly(int(rest))
        if kind == b"*":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        if kind == b"-":
            raise ReplyError(rest.decode(errors="replace"))
        raise ReplyError(f"not a reply of Redis: {line[:40]!r}")

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing arrives for that long; ask it when all replies so far have been read."""
        return not select.select([self._socket], [], [], seconds)[0]

    def _exactly(self, size: int) -> bytes:
        data = self._file.read(size + 2)
        if len(data) != size + 2:
            raise ConnectionResetError("the server closed the connection in the middle of a reply")
        return data[:-2]
