"""A site: everything the engine knows about one cached function, decided before the first call."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, NamedTuple

from evercache.codecs.packer import Packer
from evercache.core.entry import Entry
from evercache.core.options import Policy
from evercache.core.protocol import Key
from evercache.engine.hooks import Hooks
from evercache.engine.statistics import FunctionStatistics
from evercache.errors import CodecError

__all__ = ["CachedError", "Request", "Site"]

_log = logging.getLogger("evercache")
Arguments = tuple[Any, ...]  # Any: the user's arguments


class CachedError:
    """An exception that is cached as an answer."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error.with_traceback(None)  # its frames would keep everything alive that the loader had in hand


class Request(NamedTuple):
    """One call, as the store sees it: its key and the names of its tags."""

    key: Key
    tags: tuple[str, ...]


class Site:
    """One cached function, or one name of the imperative calls.

    - `load(*arguments)`: runs the user's function; a coroutine function here, whatever the user's is.
    - `request(key, arguments)`: the store's key and the tags of a call.
    - `copy`: what isolates a value from the next reader; None for values that can't be changed.
    - `indexed`: entries are found by their id even where nothing is shared (names that several sites use).
    - `straight`: a caller may look in L2 by itself before it boards a flight (`engine.straight`).
    - `borrowed`: the loader uses something of its caller (a session), so a load ends with its caller.
    - `gated`: a load takes one of the `max_loads` turns; False where the loader only waits for what its caller does.
    """

    __slots__ = (
        "__weakref__",
        "borrowed",
        "copy",
        "gated",
        "indexed",
        "load",
        "name",
        "packer",
        "policy",
        "request",
        "stats",
        "straight",
        "table",
        "text",
        "warned",
    )

    def __init__(
        self,
        name: str,
        *,
        policy: Policy,
        packer: Packer,
        load: Callable[..., Awaitable[Any]],
        request: Callable[[Hashable, Arguments], Request],
        text: Callable[[Hashable], str],
        stats: FunctionStatistics,
        copy: Callable[[Any], Any] | None = None,
        borrowed: bool = False,
        indexed: bool = False,
        gated: bool = True,
        table: dict[Hashable, Entry] | None = None,
    ) -> None:
        self.name = name
        self.policy = policy
        self.packer = packer
        self.load = load
        self.request = request
        self.text = text
        self.stats = stats
        self.copy = copy
        self.borrowed = borrowed
        self.indexed = indexed
        self.gated = gated
        self.table: dict[Hashable, Entry] = {} if table is None else table
        self.straight = policy.l2 and not policy.beta and policy.soft_timeout is None and policy.hard_timeout is None
        self.warned: set[str] = set()

    def complain(self, error: CodecError, hooks: Hooks) -> None:
        """Say, once for each kind of reason, that a value is served, and not cached."""
        self.stats.uncacheable += 1
        reason = type(error).__name__
        if reason in self.warned:
            return
        self.warned.add(reason)
        _log.warning("%s: %s. The value is served and not stored; said once.", self.name, error)
        if hooks.observers:
            from evercache.core.events import Uncacheable

            hooks.emit(Uncacheable(self.name, reason))

    def handed_out(self, value: Any) -> Any:
        """*value* for one reader: its own copy where it could be changed."""
        return value if self.copy is None else self.copy(value)
