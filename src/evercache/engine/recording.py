"""What a value was made of: the tags of everything that was read while it was built.

A cached function that calls another cached function depends on whatever that one depends on. So each load has a
recorder, each read notes the tags of what it hands out, and the loaded value carries all of them: an invalidation of any
drops it, in every process. Values carry the tags of what they are made of already, so one level is all levels.

    with engine.recording() as recorder:
        ...                                 # read what you like; tasks and threads started here count too
    recorder.tags

Who records is told by one context variable. The short path of a hit can't afford to look at it (a tenth of its time), so
L1 says to all hits at once whether anybody in this process records (`L1.passing`), and they look only then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Protocol, Self

from evercache.core.l1 import L1

__all__ = ["Recorder", "current_recorder", "note", "recording_here"]


class Recorded(Protocol):
    """A cache, as far as its values are recorded."""

    l1: L1

    def tag_id(self, name: str) -> bytes: ...


class Recorder:
    """Collects the tags of what is read from one cache while it is open.

    - `tags`: ids (hashed names), as entries carry them.
    - `near`: the keys of values that came from this process's memory, which may not have heard of everything yet: what
      is made of them is good only if it has (`core.course`).
    - `stale`: something that was read was stale, and so is what is made of it.

    An open one inside it, of the same cache or another one, passes on what it hears. What a task reads that outlives the
    block isn't part of what was built there, and is left out.
    """

    __slots__ = ("_engine", "_open", "_outer", "_token", "near", "stale", "tags")

    def __init__(self, engine: Recorded) -> None:
        self._engine = engine
        self._open = False
        self._outer: Recorder | None = None
        self._token: Token[Recorder | None] | None = None
        self.stale = False
        self.near: set[bytes] = set()
        self.tags: set[bytes] = set()

    def __enter__(self) -> Self:
        self._outer = _recorder.get()
        self._token = _recorder.set(self)
        self._open = True
        self._engine.l1.watch()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        self._engine.l1.unwatch()
        if self._token is not None:
            _recorder.reset(self._token)

    def note(self, ids: Iterable[bytes], *, stale: bool = False, near: Iterable[bytes] = ()) -> None:
        """Add tags to whatever is being built here, and around here. *near*: keys of values from memory."""
        recorder: Recorder | None = self
        while recorder is not None:
            if recorder._open and recorder._engine is self._engine:
                recorder.tags.update(ids)
                recorder.near.update(near)
                recorder.stale = recorder.stale or stale
            recorder = recorder._outer

    def of(self, engine: Recorded) -> Recorder | None:
        """This one or the next one around it that listens to *engine*."""
        recorder: Recorder | None = self
        while recorder is not None and not (recorder._open and recorder._engine is engine):
            recorder = recorder._outer
        return recorder


_recorder: ContextVar[Recorder | None] = ContextVar("evercache_recorder", default=None)

recording_here: Callable[[], Recorder | None] = _recorder.get
"""Whether anybody records here, of whatever cache; not None if so. As cheap as it gets, for the path of a hit."""


def current_recorder(engine: Recorded) -> Recorder | None:
    """The recorder of what is being built here from *engine*'s values, if anything is."""
    recorder = _recorder.get()
    return None if recorder is None else recorder.of(engine)


def note(engine: Recorded, names: Iterable[str]) -> None:
    """Add tags, by their names, to whatever is being built here: an invalidation of any drops it."""
    recorder = current_recorder(engine)
    if recorder is not None:
        recorder.note([engine.tag_id(name) for name in names])
