"""Time as a thing that is passed in.

Every decision takes the time as a number; every wait asks a clock. In production that is `engine.clock.SystemClock`,
in tests a clock that only moves when it is told to.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Clock"]


class Clock(Protocol):
    """Where the time comes from, in seconds.

    - `monotonic()` never goes back and has no meaning outside this process.
    - `wall()` is the host's idea of UTC; used for display only, never compared between hosts.
    - `sleep()` returns when `monotonic()` has advanced by *seconds*; cancellation ends it at once.
    """

    def monotonic(self) -> float: ...

    def wall(self) -> float: ...

    async def sleep(self, seconds: float, /) -> None: ...
