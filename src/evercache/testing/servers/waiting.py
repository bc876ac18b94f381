"""Waiting for facts instead of for time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from evercache.errors import EvercacheError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WaitedInVain", "wait_until"]


class WaitedInVain(EvercacheError, TimeoutError):
    """A fact that a test relies on did not become true; the message says which."""


def wait_until(is_true: Callable[[], object], what: str, *, seconds: float = 30.0, every: float = 0.005) -> None:
    """Return as soon as *is_true* answers something true; asks *every* few milliseconds for *seconds* at most.

    An `OSError` of *is_true* counts as "not yet": servers that are about to come up refuse connections.
    """
    deadline = time.monotonic() + seconds
    last: OSError | None = None
    while True:
        try:
            if is_true():
                return
        except OSError as error:
            last = error
        if time.monotonic() >= deadline:
            raise WaitedInVain(f"After {seconds:g} s it is still not true that {what}.") from last
        time.sleep(every)
