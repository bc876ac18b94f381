"""Running a loader: in the engine's own task, with an empty context, and with a say in how its value is kept.

Inside a loader, `current()` is the context of this load. Outside of one it is an error, not a silent no-op.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable
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
    - `spare_for`: how many seconds after its ttl this value is kept (`fail_safe` of one value); None inherits.
    """

    __slots__ = ("_ids", "_kept", "_near", "_skipped", "_tags", "_ttl", "spare_for", "stale")

    def __init__(self, stale: Any = MISSING) -> None:
        self.stale = stale
        self._ttl: float | None = None
        self.spare_for: float | None = None
        self._tags: list[str] = []
        self._ids: list[bytes] = []
        self._near: set[bytes] = set()
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

    def carry(self, ids: Iterable[bytes], near: Iterable[bytes] | None = None) -> None:
        """Add tags by their ids: those of what the value was made of. *near*: the keys of those that came from this
        process's memory (`Recorder.near`); None: who knows, perhaps all of them."""
        ids = tuple(ids)
        self._ids.extend(ids)
        self._near.update(ids if near is None else near)

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
        tags = tuple(sorted({*map(tag_id, self._tags), *self._ids}))
        near = tuple(sorted(self._near.union(self._ids))) if self._near else ()
        return Loaded(value, seconds, tags, self._ttl, self.spare_for, self._skipped, self._kept, near)

    @property
    def names(self) -> tuple[str, ...]:
        """The tags that were added by name."""
        return tuple(self._tags)


def current() -> LoadContext:
    """The context of the load that is running. Raises NotStarted outside of a loader."""
    try:
        return _current.get()
    except LookupError:
        raise NotStarted("current() is only known inside a loader that evercache runs.") from None


def entered(context: LoadContext) -> None:
    """Make *context* the current one; called in the loader's own, empty context."""
    _current.set(context)


async def uncached(load: Awaitable[T], note: Callable[[Iterable[str]], None]) -> T:
    """Run a loader where nothing is cached, in its caller's task; `current()` is known there all the same, and *note* is
    told of the tags that the loader adds."""
    context = LoadContext()
    token = _current.set(context)
    try:
        return await load
    finally:
        _current.reset(token)
        note(context.names)
