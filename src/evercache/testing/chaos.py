"""A store that fails as you say, around one that works.

What can happen to a command between a process and its store is short to list, and each is a word here:

    none        nothing happens to it
    delay       it arrives `seconds` late, and the caller waits
    refuse      it is refused at once; nothing is executed
    lose        it is lost on the way there; the caller learns that no answer came
    lose_reply  it is executed and the answer is lost: to the caller the same as `lose`
    late        no answer came, and `seconds` later it is executed all the same
    twice       it is executed two times, as by a client that retried; the caller gets the second answer

    store = ChaosStore(MemoryStore(), by_chance(7, {"lose": 0.05, "twice": 0.05, "late": 0.02}))
    store = ChaosStore(MemoryStore(), in_order("none", "lose_reply"))

A cache promises the same through all of these, except being fast. `down` and `up` are the outage of the whole store,
with everything that belongs to it: no lease, a flush on return, and the invalidations that are owed come first.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from evercache.engine.clock import SystemClock
from evercache.errors import ConfigurationError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evercache.core.clock import Clock
    from evercache.core.protocol import Command, LogRecord
    from evercache.stores.base import Listener, Store

__all__ = ["ChaosStore", "Fault", "Plan", "by_chance", "in_order", "no_faults", "only"]

Fault = Literal["none", "delay", "refuse", "lose", "lose_reply", "late", "twice"]
Plan = Callable[["Command[Any]"], Fault]
"""Says what happens to each command; what it replies with is of no interest to a plan."""

R = TypeVar("R")
_OWED_AT_ONCE = 100


def no_faults(_command: Command[Any]) -> Fault:
    """The plan of peace."""
    return "none"


def in_order(*faults: Fault) -> Plan:
    """The first command meets the first fault, and so on; when they are used up, nothing happens any more."""
    left = deque(faults)

    def take(_command: Command[Any]) -> Fault:
        return left.popleft() if left else "none"

    return take


def by_chance(seed: int, chances: Mapping[Fault, float]) -> Plan:
    """Each fault with its probability; the same *seed* gives the same faults in the same order."""
    peace = 1.0 - sum(chances.values())
    if peace < 0 or min(chances.values(), default=0.0) < 0:
        raise ConfigurationError(f"The chances of faults are from 0 to 1, all together too; got {dict(chances)}.")
    dice = random.Random(seed)
    faults: list[Fault] = [*chances, "none"]
    weights = [*chances.values(), peace]

    def throw(_command: Command[Any]) -> Fault:
        return dice.choices(faults, weights)[0]

    return throw


def only(commands: type[Command[Any]] | tuple[type[Command[Any]], ...], plan: Plan) -> Plan:
    """*plan* for these kinds of commands (`Fill`, `InvalidateTag`, …), peace for the others."""

    def choose(command: Command[Any]) -> Fault:
        return plan(command) if isinstance(command, commands) else "none"

    return choose


class ChaosStore:
    """*store* with the faults of *plan*; itself a `Store`.

    - *seconds* is how long `delay` and `late` take, measured by *clock*; *plan* may be replaced at any moment.
    - Every fault is a `StoreUnavailable`, as from a real store; its reason is the fault's word.
    - `met` counts the faults that were met, so that a test can show that there were any.
    - Late commands belong to this store: `close` gives them up.
    """

    def __init__(
        self, store: Store, plan: Plan = no_faults, *, seconds: float = 1.0, clock: Clock | None = None
    ) -> None:
        self.plan = plan
        self.seconds = seconds
        self.met: Counter[Fault] = Counter()
        self._store = store
        self._clock: Clock = SystemClock() if clock is None else clock
        self._ear: _Ear | None = None
        self._late: set[asyncio.Task[None]] = set()
        self._down = False

    @property
    def partitions(self) -> int:
        """Those of the store inside."""
        return self._store.partitions

    @property
    def delta(self) -> float:
        """As the store inside says."""
        return self._store.delta

    def partition_of(self, key: bytes) -> int:
        """As the store inside says."""
        return self._store.partition_of(key)

    def trusted(self, partition: int) -> bool:
        """As the store inside says; never while it is down."""
        return not self._down and self._store.trusted(partition)

    def now(self, partition: int) -> int:
        """As the store inside says."""
        return self._store.now(partition)

    def heard(self, partition: int) -> bytes | None:
        """As the store inside says; never while it is down, for then the listener hears nothing."""
        return None if self._down else self._store.heard(partition)

    def note_load(self, seconds: float) -> None:
        """Tell the store inside."""
        self._store.note_load(seconds)

    async def start(self, listener: Listener) -> None:
        """Start the store inside."""
        self._ear = _Ear(listener, deaf=self._down)
        await self._store.start(self._ear)

    async def close(self) -> None:
        """Give up what is late and close the store inside."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        await self._store.close()

    async def execute(self, partition: int, command: Command[R]) -> R:
        """Run *command*, with what the plan has for it."""
        if self._down:
            raise StoreUnavailable("This ChaosStore is down; up() ends it.", reason="refused")
        fault = self.plan(command)
        self.met[fault] += 1
        if fault == "delay":
            await self._clock.sleep(self.seconds)
        elif fault == "late":
            self._send_late(partition, command)
        elif fault in ("lose_reply", "twice"):
            await self._store.execute(partition, command)
        if fault in ("refuse", "lose", "lose_reply", "late"):
            raise StoreUnavailable(f"The plan of this ChaosStore says {fault!r}.", reason=fault)
        return await self._store.execute(partition, command)

    def down(self) -> None:
        """The outage begins: nothing is executed, nothing is heard, every partition is untrusted."""
        self._down = True
        if self._ear is not None:
            self._ear.deaf = True
            for partition in range(self.partitions):
                self._ear.listener.changed(partition, trusted=False, reason="refused")

    async def up(self) -> None:
        """The outage ends: what is owed is paid, what may have been missed is flushed, then there is trust again."""
        ear = self._ear
        if ear is not None:
            while await self._pay(ear.listener):
                pass  # new debts may have come while the old ones were paid
            ear.deaf = False
        self._down = False
        for partition in self._trusted():
            if ear is not None:
                ear.listener.flushed(partition)
                ear.listener.changed(partition, trusted=True, reason="answering")

    def _trusted(self) -> list[int]:
        return [partition for partition in range(self.partitions) if self._store.trusted(partition)]

    async def _pay(self, listener: Listener) -> bool:
        """Execute what is owed now; False if that was nothing, and then nobody else has run in between."""
        paid = False
        for partition in self._trusted():
            while owed := listener.owed(partition, _OWED_AT_ONCE):
                paid = True
                for number, command in owed:
                    await self._store.execute(partition, command)
                    listener.settled(partition, [number])
        return paid

    def _send_late(self, partition: int, command: Command[R]) -> None:
        task = asyncio.ensure_future(self._execute_late(partition, command))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _execute_late(self, partition: int, command: Command[R]) -> None:
        await self._clock.sleep(self.seconds)
        with contextlib.suppress(StoreUnavailable):
            await self._store.execute(partition, command)


class _Ear:
    """The listener, unless it is *deaf*. What it misses, a flush makes good."""

    def __init__(self, listener: Listener, *, deaf: bool) -> None:
        self.listener = listener
        self.deaf = deaf

    def leased(self, partition: int, until: float) -> None:
        if not self.deaf:
            self.listener.leased(partition, until)

    def flushed(self, partition: int) -> None:
        if not self.deaf:
            self.listener.flushed(partition)

    def logged(self, partition: int, records: Sequence[LogRecord]) -> None:
        if not self.deaf:
            self.listener.logged(partition, records)

    def woken(self, partition: int, keys: Sequence[bytes]) -> None:
        if not self.deaf:
            self.listener.woken(partition, keys)

    def owed(self, partition: int, limit: int) -> Sequence[tuple[int, Command[object]]]:
        return () if self.deaf else self.listener.owed(partition, limit)

    def settled(self, partition: int, operations: Sequence[int]) -> None:
        if not self.deaf:
            self.listener.settled(partition, operations)

    def changed(self, partition: int, *, trusted: bool, reason: str) -> None:
        if not self.deaf:
            self.listener.changed(partition, trusted=trusted, reason=reason)

    def restarted(self, partition: int) -> None:
        if not self.deaf:
            self.listener.restarted(partition)
