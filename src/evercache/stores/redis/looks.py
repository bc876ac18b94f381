"""Looks of one turn of the loop and one partition, as one MGET without repetitions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from evercache.codecs.envelope import unpack
from evercache.core.protocol import Look, Looked
from evercache.core.record import Record
from evercache.errors import StoreUnavailable
from evercache.stores.redis.keyspace import Keyspace
from evercache.stores.redis.link import LARGE
from evercache.stores.redis.scripts import Call, Part

__all__ = ["LIMIT", "Looks", "look_call"]

LIMIT = 512
"""Looks in one MGET. Redis serves nobody else meanwhile, so it is bounded."""


class Looks:
    """A batch: grows until it is written, then is answered as a whole. Namespace stamp and ban position come first."""

    __slots__ = ("_asked", "_keys", "_large", "_places", "_seen", "full", "link", "sent", "size", "written")

    def __init__(self, keys: Keyspace, link: object, seen: Callable[[bytes, int], None], *, large: bool) -> None:
        self.link = link
        self._keys = keys
        self._seen = seen  # told of the payload's size where that matters for the next look
        self._large = large
        self._places: dict[bytes, int] = {keys.namespace: 0, keys.ban: 1}
        self._asked: list[tuple[asyncio.Future[Looked], bytes, int, tuple[int, ...]]] = []
        self.sent = 0.0
        self.size = 0
        self.full = False
        self.written = False

    def add(self, key: bytes, asked: tuple[bytes, ...], future: asyncio.Future[Looked]) -> None:
        """One more. Not after `parts` was called."""
        places, keys = self._places, self._keys
        entry = places.setdefault(keys.entry(key), len(places))
        tags: tuple[int, ...] = ()
        if asked:
            tags = tuple([places.setdefault(tag, len(places)) for tag in keys.tags(asked)])
        self._asked.append((future, key, entry, tags))
        self.size += 1
        self.full = self.size >= LIMIT

    def parts(self) -> tuple[Part, ...]:
        self.written = True
        return (b"MGET", *self._places)

    def answered(self, reply: Any) -> None:
        if isinstance(reply, Exception):
            self._fail(lambda: reply)
            return
        namespace, ban = reply[0], reply[1]
        records: dict[int, Record | None] = {}
        for future, key, entry, tags in self._asked:
            if future.done():
                continue
            if entry in records:
                record = records[entry]
            else:
                data = reply[entry]
                record = records[entry] = None if data is None else unpack(data)
                if record is not None and (self._large or len(record.payload) > LARGE):
                    self._seen(key, len(record.payload))
            stamps = tuple([reply[tag] for tag in tags]) if tags else ()
            future.set_result(Looked(record, namespace, ban, stamps, record is None and reply[entry] is not None))

    def failed(self, error: StoreUnavailable) -> None:
        self.written = True  # nobody may join any more
        self._fail(lambda: StoreUnavailable(str(error), reason=error.reason))

    def _fail(self, error: Callable[[], Exception]) -> None:
        for future, _, _, _ in self._asked:
            if not future.done():
                future.set_exception(error())


def look_call(look: Look, keys: Keyspace) -> Call:
    """One look by itself."""
    names = (keys.namespace, keys.ban, keys.entry(look.key.id), *keys.tags(look.tags))

    def read(reply: Any) -> Looked:
        namespace, ban, data, *stamps = reply
        record = None if data is None else unpack(data)
        return Looked(record, namespace, ban, tuple(stamps), record is None and data is not None)

    return Call((b"MGET", *names), read)
