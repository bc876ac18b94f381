"""Servers in processes of their own, and the CPU that they used."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks.http import older
from benchmarks.http.payload import BODY
from benchmarks.http.variants import Place
from benchmarks.http.variants.every import VARIANTS

__all__ = ["Server", "answers", "ask", "nginx", "serving"]

ROOT = Path(__file__).parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 256; }}
http {{
  access_log off; keepalive_requests 100000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  proxy_cache_path {folder}/cache keys_zone=bench:1m;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_cache bench; proxy_cache_valid 200 1h; }}
  }}
}}
"""


class Server(NamedTuple):
    """One that answers on *port* of the loopback, in process *pid*."""

    port: int
    pid: int

    def cpu(self) -> float:
        """Seconds of CPU that the process has used, its own and the kernel's for it."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def ask(port: int, path: str, headers: dict[str, str] | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body of one GET."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers or {})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


@contextmanager
def serving(name: str, place: Place) -> Iterator[Server | None]:
    """Variant *name* under uvicorn, seen to answer the right bytes; None where it can't run."""
    variant = VARIANTS[name]
    python = older.python() if variant.older else Path(sys.executable)
    if python is None:
        yield None
        return
    words = [str(python), "-m", "benchmarks.http.serve", name, "--redis", place.redis, "--folder", place.folder]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        server = Server(int(process.stdout.readline()), process.pid)
        _wait(server.port)
        yield server
    finally:
        process.communicate()


def answers(name: str, server: Server) -> None:
    """See that the variant answers the right bytes, and from its cache the second time, where it says so."""
    for _ in range(300):  # which warms it up, too
        status, headers, body = ask(server.port, "/items")
    if (status, body) != (200, BODY):
        raise RuntimeError(f"{name} answered {status} and {len(body)} bytes: {body[:200]!r}")
    if not (said := headers.get("cache-status") or "").startswith(VARIANTS[name].cached):
        raise RuntimeError(f"{name} does not answer from its cache: {said!r}")


@contextmanager
def nginx(origin: int, folder: str) -> Iterator[Server | None]:
    """One nginx worker with `proxy_cache` in front of *origin*; None where it isn't installed."""
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if binary is None:
        yield None
        return
    port = _free_port()
    (Path(folder) / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, origin=origin))
    process = subprocess.Popen([binary, "-p", folder, "-c", f"{folder}/nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nothing answers on port {port}")
