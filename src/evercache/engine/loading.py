"""Running a loader: in the engine's own task, with an empty context, and with a say in how its value is kept.

Inside a loader, `current()` is the context of this load. Outside of one it is an error, not a silent no-op.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from evercache.core.course import Loaded
from evercache.core.duration import Duration, Forever, parse_duration
from evercache.errors import NotStarted

__all__ = ["MISSING", "LoadContext", "Missing", "current", "entered", "uncached"]


T = TypeVar("T")


class Missing:
    """The type of `MISSING`: "there is no value", where None is one."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"  # a copy is the same object: it is told by `is`


MISSING = Missing()
"""Answers "nothing is cached" where None could be a cached value."""

_current: ContextVar[LoadContext] = ContextVar("evercache_load")


class LoadContext:
    """What a loader may say about its own value.

    - `ttl`: how long this value is fresh; None inherits.
    - `stale`: the value that is being replaced, if one is still at hand, else `MISSING`.
    """

    __slots__ = ("_kept", "_skipped", "_tags", "_ttl", "stale")

    def __init__(self, stale: Any = MISSING) -> None:
        self.stale = stale
        self._ttl: float | None = None
        self._tags: list[str] = []
        self._skipped = False
        self._kept = False

    @property
    def ttl(self) -> float | None:
        return self._ttl

    @ttl.setter
    def ttl(self, value: Duration | None) -> None:
        if value is None:
            self._ttl = None
            return
        seconds = parse_duration(value, "current().ttl")
        self._ttl = math.inf if isinstance(seconds, Forever) else seconds

    def tags(self, *names: str) -> None:
        """Add tags that are only known now, for example the id of what was found."""
        self._tags.extend(names)

    def skip(self) -> None:
        """Serve this value, and store nothing."""
        self._skipped = True

    def not_modified(self) -> None:
        """The stale value still holds: keep it, with a new ttl. What the loader returns is not looked at."""
        if self.stale is MISSING:
            raise NotStarted(
                "not_modified() needs a value to keep, and none is at hand; check current().stale before you ask the "
                "source for changes only."
            )
        self._kept = True

    def loaded(self, value: Any, seconds: float, tag_id: Callable[[str], bytes]) -> Loaded:
        """What the loader said, for the course of its flight."""
        tags = tuple(sorted({tag_id(name) for name in self._tags}))
        return Loaded(value, seconds, tags, self._ttl, self._skipped, self._kept)


def current() -> LoadContext:
    """The context of the load that is running. Raises NotStarted outside of a loader."""
    try:
        return _current.get()
    except LookupError:
        raise NotStarted("current() is only known inside a loader that evercache runs.") from None


def entered(context: LoadContext) -> None:
    """Make *context* the current one; called in the loader's own, empty context."""
    _current.set(context)


async def uncached(load: Awaitable[T]) -> T:
    """Run a loader where nothing is cached, in its caller's task; `current()` is known there all the same."""
    token = _current.set(LoadContext())
    try:
        return await load
    finally:
        _current.reset(token)
