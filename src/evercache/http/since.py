"""The moment from which on an answer is being made, where that is before its load begins.

A load that runs inside its flight has read nothing before it took the stamps that its fill presents. Behind the guards
of a route it is otherwise: the framework has solved the dependencies of the endpoint, and only then is it known that a
load is needed. A task that `Depends(task_or_404)` has read may have been changed and invalidated by then; kept under
the stamps of now, it would stay. So the moment before is noted, with the position of the log that was heard then, and
before the response is kept, memory and log are asked whether anything of it was invalidated since (`core.course` does
the same for what a load has read from this process's memory). What fails there is nobody else's answer either.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from evercache.core.protocol import Key, Tags
from evercache.errors import StoreUnavailable

if TYPE_CHECKING:
    from evercache.engine.engine import Engine

__all__ = ["Since"]


class Since:
    """Made before anything is read that the answer is made of.

    `recorder` collects the tags of what is read until `close`.
    """

    __slots__ = ("_counter", "_engine", "_heard", "_open", "recorder")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._counter = engine.l1.counter
        self._heard = [engine.heard(partition) for partition in range(engine.partitions)]
        self.recorder = engine.recording()
        self._open = ExitStack()
        self._open.enter_context(self.recorder)

    def close(self) -> None:
        """Record no more, for now somebody else does."""
        with suppress(ValueError):  # whoever closes it has another context than who made it, and takes its own along
            self._open.close()

    async def untouched(self, key: Key, tags: Iterable[bytes]) -> bool:
        """Whether neither *key* nor one of *tags* was invalidated since; False if it can't be told."""
        engine, tags = self._engine, tuple(tags)
        if not engine.l1.untouched(self._counter, key.id, tags, lambda: key.text):
            return False
        partition = engine.partition_of(key.id)
        if not engine.shares or (not engine.reachable(partition) and (engine.outage == "l1" or engine.unstarted)):
            return True
        heard = self._heard[partition] if partition < len(self._heard) else None
        if heard is None:
            return False
        also = tuple(sorted({key.id, *tags}))
        try:
            return await engine.execute(partition, Tags(heard, (), b"", engine.terms, also)) is not None
        except StoreUnavailable:
            return False
