"""Ports that stay ours, also while the server behind them is down.

Asking the kernel for "any free port" and closing it again is a race, twice: another process may take the port before
the server binds it, and, after a `kill -9`, before the server comes back to it. So a port is chosen below the range
from which kernels hand out ephemeral ports, and its UDP twin is kept bound as the lock: it excludes every other process
that reserves this way, needs no file, and vanishes with its owner.
"""

from __future__ import annotations

import secrets
import socket
from typing import TYPE_CHECKING, Self

from evercache.errors import EvercacheError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["BUS_DISTANCE", "HOST", "ReservedPort"]

HOST = "127.0.0.1"
BUS_DISTANCE = 10_000
"""A cluster node listens for its fellows this far above its port (the default; Redis 6.2 can't have another)."""

_FIRST, _LAST = 11_000, 21_999
_TRIES = 500


class ReservedPort:
    """A free TCP port on the loopback, reserved until `release`. With *bus*, also the port `BUS_DISTANCE` above."""

    def __init__(self, *, bus: bool = False) -> None:
        for _ in range(_TRIES):
            # Not from `random`: a test that seeds it would choose the same ports again and again.
            number = _FIRST + secrets.randbelow(_LAST - _FIRST + 1)
            wanted = [number, number + BUS_DISTANCE] if bus else [number]
            locks = _lock(wanted)
            if locks:
                self.number, self._locks = number, locks
                return
        raise EvercacheError(f"No free port in {_FIRST}-{_LAST} after {_TRIES} tries; close what listens there.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Give the port back; may be called twice."""
        for lock in self._locks:
            lock.close()


def _lock(numbers: list[int]) -> list[socket.socket]:
    locks: list[socket.socket] = []
    try:
        for number in numbers:
            lock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            locks.append(lock)
            lock.bind((HOST, number))
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.bind((HOST, number))
    except OSError:
        for lock in locks:
            lock.close()
        return []
    return locks
