"""One partition as this process sees it: where it is, whether it may be asked, what is being asked just now."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from evercache.core.protocol import Looked
from evercache.errors import StoreUnavailable, WritesRefused
from evercache.stores.base import Listener
from evercache.stores.redis.keyspace import Keyspace
from evercache.stores.redis.link import LARGE, Link
from evercache.stores.redis.looks import Looks
from evercache.stores.redis.report import report
from evercache.stores.redis.scripts import Setting
from evercache.stores.redis.server_clock import ServerClock
from evercache.stores.redis.wire import Single

__all__ = ["Shard"]

_REMEMBERED = 1_024


class Shard:
    """A partition.

    - `trusted`: reads and fills may be sent. `reachable`: invalidations may (also while the store is merely slow).
    - `opened` is set while it is trusted.
    - `heard`: the position of the log up to which the listener was told everything.
    """

    def __init__(
        self, keys: Keyspace, listener: Listener, monotonic: Callable[[], float], wall: Callable[[], float], bell: bytes
    ) -> None:
        self.keys = keys
        self.partition = keys.partition
        self.clock = ServerClock(monotonic, wall)
        self.monotonic = monotonic
        self.setting = Setting(b"", bell)
        self.link: Link | None = None
        self.trusted = False
        self.reason = "starting"
        self.since = monotonic()
        self.leased_until = float("-inf")
        self.opened = asyncio.Event()
        self.heard: bytes | None = None
        self.writes_from = float("-inf")  # fills are refused until then
        self.writes_reason = ""
        self._listener = listener
        self._looks: Looks | None = None
        self._large_looks: Looks | None = None
        self._large_keys: dict[bytes, None] = {}

    # -- trust -------------------------------------------------------------------------------------------------------

    @property
    def reachable(self) -> bool:
        """Whether there is a way to send something."""
        return self.link is not None and not self.link.closed

    def open(self, link: Link) -> None:
        """From now on commands go to *link*."""
        self.link = link
        if not self.trusted:
            self.trusted, self.reason, self.since = True, "", self.monotonic()
            self.opened.set()
            report("trusted", partition=self.partition, address=str(link.address))
            self._listener.changed(self.partition, trusted=True, reason="")

    def shut(self, reason: str, *, keep_link: bool = False) -> None:
        """Reads and fills are refused from now on; with *keep_link* invalidations still pass."""
        if not keep_link:
            self.link = None
        self.opened.clear()
        was, before = self.trusted, self.reason
        self.trusted, self.reason = False, reason
        if was or before != reason:
            self.since = self.monotonic()
            report("untrusted", partition=self.partition, reason=reason)
            self._listener.changed(self.partition, trusted=False, reason=reason)

    def close(self) -> None:
        """The store is being closed: nobody needs to be told."""
        self.link, self.trusted, self.reason = None, False, "stopped"
        self.opened.clear()

    def refusal(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"Partition {self.partition} of the cache in Redis is not used at the moment ({self.reason}).",
            reason=self.reason,
        )

    def refuse_writes(self, reason: str, seconds: float) -> None:
        """The server refuses writes: no fills for *seconds*."""
        now = self.monotonic()
        if self.writes_from <= now and reason != self.writes_reason:
            report("writes refused", partition=self.partition, reason=reason)
        self.writes_from, self.writes_reason = now + seconds, reason

    def admit_fill(self) -> None:
        """Raises WritesRefused while fills are paused."""
        if self.monotonic() < self.writes_from:
            raise WritesRefused("Redis refuses writes; fills are paused.", reason=self.writes_reason)
        self.writes_reason = ""

    # -- looks -------------------------------------------------------------------------------------------------------

    def look(self, key: bytes, tags: tuple[bytes, ...], link: Link) -> asyncio.Future[Looked]:
        """Join the MGET of this turn."""
        future: asyncio.Future[Looked] = link.loop.create_future()
        large = key in self._large_keys
        looks = self._large_looks if large else self._looks
        if looks is not None and not looks.written and not looks.full and looks.link is link:
            looks.add(key, tags, future)
            return future
        looks = Looks(self.keys, link, self._remember, large=large)
        looks.add(key, tags, future)
        link.submit(looks, large=large)
        if large:
            self._large_looks = looks
        else:
            self._looks = looks
        return future

    def clear(self, key: bytes, link: Link) -> None:
        """What stands under *key* is no entry: away with it, and nobody waits for that. Should a good one have come in
        between, it costs a load."""
        report("corrupt entry", partition=self.partition)
        with contextlib.suppress(StoreUnavailable):
            gone: asyncio.Future[Any] = link.loop.create_future()
            gone.add_done_callback(_look_away)
            link.submit(Single((b"DEL", self.keys.entry(key)), gone))

    def _remember(self, key: bytes, size: int) -> None:
        """A large value was seen: from now on its looks travel on the connection for large values."""
        if size > LARGE:
            self._large_keys[key] = None
            if len(self._large_keys) > _REMEMBERED:
                del self._large_keys[next(iter(self._large_keys))]
        else:
            self._large_keys.pop(key, None)


def _look_away(done: asyncio.Future[Any]) -> None:
    """Take note of an error, so that nobody else complains."""
    if not done.cancelled():
        done.exception()
