"""From events to observers. An observer can't break a request, and none costs nothing.

Who emits looks for observers first and imports the events only then: without observers, not even their classes exist.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evercache.core.events import Event

__all__ = ["Hooks", "Observer"]

Observer = Callable[["Event"], object]
_log = logging.getLogger("evercache.observers")


class Hooks:
    """The observers of a cache, called in the order in which they came, on the event loop: they must return at once."""

    def __init__(self) -> None:
        self.observers: tuple[Observer, ...] = ()
        self._complained: set[int] = set()

    def add(self, observer: Observer) -> Callable[[], None]:
        """Add *observer*; the result takes it away again."""
        self.observers = (*self.observers, observer)

        def remove() -> None:
            self.observers = tuple(other for other in self.observers if other is not observer)

        return remove

    def emit(self, event: Event) -> None:
        for observer in self.observers:
            try:
                observer(event)
            except Exception:  # noqa: BLE001 - whatever it raises is its own; the request goes on
                if id(observer) not in self._complained:
                    self._complained.add(id(observer))
                    _log.exception("an observer failed; it goes on receiving events, this is logged once")
