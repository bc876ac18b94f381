"""Every application that is compared, by name, with the modules that it needs.

A variant whose modules aren't installed is left out of the tables. `older` marks one that runs in the environment for
older versions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from importlib.util import find_spec
from typing import Any, NamedTuple

__all__ = ["App", "Place", "Variant", "installed"]

Message = MutableMapping[str, Any]  # Any: what ASGI says
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


class Place(NamedTuple):
    """Where an application may keep what it caches."""

    redis: str
    """URL of a Redis server of this benchmark."""
    folder: str
    """A folder that goes away with the benchmark."""


class Variant(NamedTuple):
    """How to make one application."""

    make: Callable[[Place], Any]  # Any: frameworks type their applications narrower than ASGI
    needs: tuple[str, ...] = ()
    older: bool = False
    cached: str = ""
    """What the header `Cache-Status` of a hit begins with, for variants that send one."""


def installed(variants: Iterable[tuple[str, Variant]]) -> dict[str, Variant]:
    """Those that this environment, or the one for older versions, can run."""
    return {name: each for name, each in variants if each.older or all(map(find_spec, each.needs))}
