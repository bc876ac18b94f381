"""The engine: one object that owns everything a cache does, and the only one that knows all its parts.

It is made without I/O, works on memory until it is started, and after it has been stopped. Started, it owns a shared
store and the tasks of its loop; `stop()` ends all of them. It is the store's listener: invalidations of other processes,
the lease of L1, partitions that come and go arrive here.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet, WeakValueDictionary

from evercache.core.clock import Clock
from evercache.core.entry import Entry, Lease
from evercache.core.journal import Journal
from evercache.core.keys import tag_id
from evercache.core.l1 import L1
from evercache.core.protocol import Command, ExpireKey, InvalidateKey, Key, LogRecord, Look, Looked, Terms
from evercache.engine.adviser import Adviser
from evercache.engine.airfield import Airfield
from evercache.engine.airfields import Airfields
from evercache.engine.companions import Companions
from evercache.engine.hooks import Hooks
from evercache.engine.invalidation import Invalidator
from evercache.engine.ledger import Ledger
from evercache.engine.loops import LoopThread, Portal
from evercache.engine.memory import Bounded, Memories
from evercache.engine.reader import Reader
from evercache.engine.recording import Recorder
from evercache.engine.repeater import Repeater
from evercache.engine.site import Site
from evercache.engine.statistics import Statistics
from evercache.errors import StoreUnavailable

if TYPE_CHECKING:
    from evercache.engine.health import Health
    from evercache.stores.base import Store

__all__ = ["Engine"]

R = TypeVar("R")
_log = logging.getLogger("evercache")

HANDOVER = 5.0
"""Seconds that a command from another loop than the store's may take; a loop that is stuck must not hold up others."""

DRAIN = 5.0
"""Seconds that `stop()` gives to what is running: background loads, unconfirmed invalidations."""


class Engine:
    """Reads, writes and invalidations of one cache in one process."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: Callable[[], Store] | None,
        l1_items: int | None,
        l1_bytes: int | None,
        secret: bytes = b"",
        outage: str = "origin",
        degraded_ttl: float = 5.0,
        delta: float = 1.0,
        enabled: bool = True,
        terms: Terms | None = None,
        random: Random | None = None,
        raise_pending: bool = False,
        max_loads: int | None = None,
    ) -> None:
        self.clock = clock
        self.outage = outage
        self.degraded_ttl = degraded_ttl
        self._delta = delta
        self.enabled = enabled
        self.terms = terms or Terms()
        self.raise_pending = raise_pending
        self.random = random or Random()  # noqa: S311 - jitter and early refreshes are chance, not secrets
        self.l1 = L1(max_items=l1_items, max_weight=l1_bytes)
        self.l1.on_evict = self._evicted
        self.l1.on_gone = self._gone
        self.journal = Journal()
        self.hooks = Hooks()
        self.companions = Companions()
        self.statistics = Statistics()
        self.memories = Memories()
        self.degraded = Lease(math.inf)
        self.invalidator = Invalidator(self)
        self.reader = Reader(self, self.memories, self.invalidator)
        self.sites: WeakValueDictionary[int, Site] = WeakValueDictionary()
        self.decorated: WeakSet[Any] = WeakSet()  # of `decorators.cached.Cached`, for who looks at routes
        self._secret = secret
        self._make_store = store
        self._store: Store | None = None
        self._at_once: Callable[[int, bytes, tuple[bytes, ...]], Awaitable[Looked]] | None = None
        self._home: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        self._airfields = Airfields(max_loads)
        self._repeater: Repeater | None = None
        self._tag_names: Bounded[bytes, str] = Bounded(10_000)
        self._tag_ids: Bounded[str, bytes] = Bounded(10_000)
        self._ledger = Ledger(clock.monotonic())
        self.adviser: Adviser | None = None
        self._private: LoopThread | None = None
        self._private_lock = threading.Lock()
        if self.shares:
            self.l1.shared = True
            self.l1.leases = (self.degraded,)

    # -- start and stop ------------------------------------------------------------------------------------------

    @property
    def shares(self) -> bool:
        return self._make_store is not None

    @property
    def unstarted(self) -> bool:
        return self._store is None

    @property
    def lives_here(self) -> bool:
        """Whether the engine is started, in this loop."""
        return self._pid == os.getpid() and self._home is asyncio.get_running_loop()

    @property
    def store(self) -> Store | None:
        """The shared store, while the engine is started in this process."""
        return self._store

    async def start(self) -> None:
        """Connect to the shared store, if there is one. Never fails because it is away. Idempotent in one loop; another
        loop takes the cache over."""
        loop = asyncio.get_running_loop()
        if self._pid != os.getpid():
            self._after_fork()
        if self._store is not None and self._home is loop:
            return
        await self._leave_home()
        self._home = loop
        self._ledger = Ledger(self.clock.monotonic())
        if self._make_store is None:
            return
        from evercache.stores.base import LooksAtOnce  # the store has imported it; `import evercache` need not

        store = self._make_store()
        self._renew_leases(store.partitions)
        self._store = store
        self._at_once = store.look if isinstance(store, LooksAtOnce) else None
        self._repeater = Repeater(self.clock, self.journal, store, self._airfields.here(), self.settled)
        # Before the start nobody knew where a key lives.
        self.journal.sort(self._places, self.invalidator.distrust)
        try:
            await store.start(self)
        except BaseException:
            self._store = self._home = self._repeater = None
            await store.close()
            raise

    async def stop(self, drain: float = DRAIN) -> None:
        """Drain what must not be lost, then end every task and connection. Afterwards the cache works on memory again;
        who still waits for a load of ours loads anew."""
        await self.companions.close()
        airfield = self._airfields.of(asyncio.get_running_loop())
        if airfield is not None:
            if self._repeater is not None and not len(self.journal):
                self._repeater.end()  # it only sleeps; what it was to repeat is confirmed
            await airfield.drain(drain)
        store, self._store = self._store, None
        self._home = self._repeater = None
        if airfield is not None:
            await airfield.close()
        private, self._private = self._private, None
        if private is not None:
            await asyncio.to_thread(private.close)
        if store is not None:
            await store.close()
            self._renew_leases(0)
        if owed := len(self.journal):
            _log.warning(
                "stopped with %d invalidations that the shared store has not confirmed; until their ttl, other processes "
                "may serve what they name.",
                owed,
                extra={"event": "cache.unconfirmed", "count": owed},
            )

    def _renew_leases(self, partitions: int) -> None:
        """Forget what stands under the old leases; one new lease for each partition, and the degraded one."""
        for lease in self.l1.leases:
            self.l1.flush(lease)
            if lease is not self.degraded:
                lease.until = -math.inf
        self.l1.leases = (self.degraded, *(Lease(-math.inf) for _ in range(partitions)))

    async def _leave_home(self) -> None:
        """End the store that another loop has started, if that loop is still there to do it."""
        store, home = self._store, self._home
        self._store = self._repeater = None
        if store is None or home is None or not home.is_running():
            return
        closing = asyncio.run_coroutine_threadsafe(store.close(), home)
        await asyncio.wait((asyncio.wrap_future(closing),), timeout=HANDOVER)

    def _places(self, command: Command[object]) -> Iterable[int]:
        """The partitions that an invalidation concerns."""
        if isinstance(command, InvalidateKey | ExpireKey):
            return (self.partition_of(command.id),)
        return range(self.partitions)

    # -- what the parts ask --------------------------------------------------------------------------------------

    @property
    def delta(self) -> float:
        """Δ in seconds, as the processes have agreed."""
        return self._delta if self._store is None else max(self._delta, self._store.delta)

    @property
    def partitions(self) -> int:
        return 1 if self._store is None else self._store.partitions

    def partition_of(self, key: bytes) -> int:
        return 0 if self._store is None else self._store.partition_of(key)

    def lease_of(self, partition: int) -> Lease:
        leases = self.l1.leases
        return leases[0] if len(leases) == 1 else leases[partition + 1]

    def reachable(self, partition: int) -> bool:
        store = self._store
        if store is None or not self.enabled or self._home is not asyncio.get_running_loop():
            return False
        return store.trusted(partition)

    def refusal(self, partition: int) -> str:
        """Why the store can't be asked, in a word."""
        if self._store is None:
            return "not started"
        if self._home is not asyncio.get_running_loop():
            return "another loop"
        return self._ledger.reason(partition)

    def airfield(self) -> Airfield:
        if self._pid != os.getpid():
            self._after_fork()
        return self._airfields.here()

    def airfields(self) -> Iterable[Airfield]:
        """The airfields of all loops; an invalidation concerns the flights of each."""
        return self._airfields.all()

    def _after_fork(self) -> None:
        """In a child of the process that was started: its connections and loops are not ours."""
        self._pid = os.getpid()
        self._store = self._home = self._private = self._repeater = None
        self._private_lock = threading.Lock()
        self._airfields.forget()
        self.l1.after_fork()
        if self.shares:
            self._renew_leases(0)

    def now(self, partition: int) -> int:
        if self._store is None:
            return int(self.clock.monotonic() * 1000)
        return self._store.now(partition)

    def heard(self, partition: int) -> bytes | None:
        """The position of the partition's log up to which L1 knows everything; None: unknown."""
        return None if self._store is None else self._store.heard(partition)

    def recording(self) -> Recorder:
        """`with engine.recording() as recorder:` collects the tags of what is read from this cache meanwhile."""
        return Recorder(self)

    def note_load(self, seconds: float) -> None:
        if self._store is not None:
            self._store.note_load(seconds)

    def tag_id(self, name: str) -> bytes:
        found = self._tag_ids.get(name)
        if found is None:
            found = tag_id(name, self._secret)
            self._tag_ids.put(name, found)
            self._tag_names.put(found, name)
        return found

    def tag_name(self, tag: bytes) -> str:
        """The name of a hashed tag, if this process has seen it; else the hash."""
        return self._tag_names.get(tag) or tag.decode("ascii", "replace")

    def look(self, partition: int, key: Key, tags: tuple[bytes, ...]) -> Awaitable[Looked] | None:
        """A look that is on its way; None if the store is not to be asked from this loop, or not now."""
        store = self._store
        if store is None or self._home is not asyncio.get_running_loop() or not store.trusted(partition):
            return None
        look = self._at_once
        return store.execute(partition, Look(key, tags)) if look is None else look(partition, key.id, tags)

    async def execute(self, partition: int, command: Command[R]) -> R:
        store = self._store
        if store is None:
            raise StoreUnavailable("the cache is not started; use `async with cache:`", reason="not started")
        if self._home is not asyncio.get_running_loop():
            return await self._execute_at_home(store, partition, command)
        return await store.execute(partition, command)

    async def _execute_at_home(self, store: Store, partition: int, command: Command[R]) -> R:
        """From another loop than the one the store lives in: hand the command over and wait for its reply."""
        home = self._home
        if home is None or not home.is_running():
            raise StoreUnavailable("the loop that started the cache doesn't run", reason="not started")
        handed = asyncio.run_coroutine_threadsafe(store.execute(partition, command), home)
        try:
            async with asyncio.timeout(HANDOVER):
                return await asyncio.wrap_future(handed)
        except TimeoutError:
            raise StoreUnavailable("the loop that started the cache is stuck", reason="timeout") from None

    # -- sites ---------------------------------------------------------------------------------------------------

    def open(self, site: Site) -> None:
        """Make a site known; its table is L1's from now on, until the site is gone."""
        self.sites[id(site.table)] = site
        if site.indexed:  # direct calls share tables, and last as long as the cache
            self.l1.register(site.table, site.text)
            return
        reference = weakref.ref(site)
        self.l1.register(site.table, lambda key: "" if (found := reference()) is None else found.text(key))
        weakref.finalize(site, self.l1.abandoned.append, site.table).atexit = False

    def sites_of(self, name: str) -> list[Site]:
        """The sites of decorated functions with this name in keys."""
        sites = [reference() for reference in self.sites.valuerefs()]
        return [site for site in sites if site is not None and site.name == name and not site.indexed]

    def _evicted(self, entry: Entry) -> None:
        site = self.sites.get(id(entry.table))
        if site is not None:
            site.stats.evictions += 1
        self.memories.met((id(entry.table), entry.key), "evicted")

    def _gone(self, entry: Entry, why: str) -> None:
        if why.startswith("tag "):
            why = f"invalidated by tag {self.tag_name(why[4:].encode())}"
        self.memories.met((id(entry.table), entry.key), why)

    def forget(self, table: dict[Hashable, Entry], key: Hashable, *, soft: bool = False) -> None:
        """Take one entry out of L1, or make it stale: alone, entries are known by their place and not by their id."""
        entry = table.get(key)
        if entry is None:
            return
        if soft and not self.shares:
            entry.stale = True
        else:
            self.l1.drop(entry)
            self.memories.met((id(table), key), "invalidated")

    # -- plain functions -----------------------------------------------------------------------------------------

    def on_its_loop(self) -> bool:
        """Whether this is the thread of a loop that runs: waiting here would stop it."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True

    def portal(self) -> Portal:
        """The way from a plain thread to the loop that started the cache, or to one of its own."""
        home = self._home
        if home is not None and home.is_running():
            return Portal(home)
        with self._private_lock:
            if self._private is None:
                self._private = LoopThread("evercache")
            return Portal(self._private.loop)

    # -- health --------------------------------------------------------------------------------------------------

    def health(self) -> Health:
        """How the cache is now. O(partitions), no I/O."""
        from evercache.engine.health import Health

        if self._pid != os.getpid():
            self._after_fork()
        if not self.enabled:
            return Health("degraded", "CACHE_ENABLED is false: every read is a load", owed=len(self.journal))
        if not self.shares:
            return Health("memory")
        if self._store is None:
            return Health("degraded", "not started", owed=len(self.journal))
        return self._ledger.health(self.partitions, len(self.journal), self.clock.monotonic())

    # -- what the store tells ------------------------------------------------------------------------------------

    def leased(self, partition: int, until: float) -> None:
        self.lease_of(partition).until = until

    def flushed(self, partition: int) -> None:
        lease = self.lease_of(partition)
        lease.until = -math.inf
        self.l1.flush(lease)
        self.companions.flushed()
        self.statistics.flushes += 1

    def logged(self, partition: int, records: Sequence[LogRecord]) -> None:
        for record in records:
            self.l1.apply(record)
            for airfield in self._airfields.all():
                airfield.flights.doom(record)
        self.companions.invalidated(records)

    def woken(self, partition: int, keys: Sequence[bytes]) -> None:
        airfield = self._airfields.of(self._home)
        if airfield is not None:
            for key in keys:
                airfield.wake(key)

    def owed(self, partition: int, limit: int) -> Sequence[tuple[int, Command[object]]]:
        return self.journal.owed(partition, limit)

    def settled(self, partition: int, operations: Sequence[int]) -> None:
        self.invalidator.doom(self.journal.settle(partition, operations))
        if self.journal.second_round(range(self.partitions), self.invalidator.distrust):
            self.owing(partition)

    def changed(self, partition: int, *, trusted: bool, reason: str) -> None:
        seconds = self._ledger.changed(partition, trusted=trusted, reason=reason, now=self.clock.monotonic())
        if seconds is None:
            return
        if trusted:
            self.l1.flush(self.degraded)
            self.statistics.recoveries += 1
            if self.hooks.observers:
                from evercache.core.events import Recovered

                self.hooks.emit(Recovered(partition, seconds))
            home = self._airfields.of(self._home)
            if self.adviser is not None and home is not None:
                self.adviser.begin(home, self._store)
        else:
            degradations = self.statistics.degradations
            degradations[reason] = degradations.get(reason, 0) + 1
            if self.hooks.observers:
                from evercache.core.events import Degraded

                self.hooks.emit(Degraded(partition, reason))

    def restarted(self, partition: int) -> None:
        """The server lost what it had, perhaps; the store has already made everything on it invalid."""
        self.flushed(partition)

    def owing(self, partition: int) -> None:
        """An invalidation went into the journal while the store may still be trusted: it is repeated from here."""
        repeater, home = self._repeater, self._home
        if repeater is None or home is None:
            return
        if home is asyncio.get_running_loop():
            repeater.begin()
        else:
            with suppress(RuntimeError):  # its loop has just been closed; the next start repeats
                home.call_soon_threadsafe(repeater.begin)
