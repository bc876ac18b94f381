"""A redis-server of one's own for a case: nothing is kept on disk, and it ends with the case."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["redis_server"]


@contextmanager
def redis_server() -> Iterator[int]:
    """The port of a fresh redis-server."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise SystemExit("this case needs a redis-server on the PATH")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    words += ["--enable-debug-command", "yes"]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        _wait(port)
        yield port
    finally:
        server.terminate()
        server.wait(10)


def _wait(port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.02)
    raise SystemExit("redis-server did not start")
