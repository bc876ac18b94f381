"""Counting in the store that all processes share: one script for all limits of a request, on the store's clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evercache.core.keys import digest
from evercache.ratelimit.backend import Asked, Counted
from evercache.stores.base import DataStore

__all__ = ["SharedBackend"]


class SharedBackend:
    """`backend.Backend` over a store for data.

    Keys are `{<namespace>:rl:<digest of who asks>}:<limit>:<algorithm>`: those of one who asks lie in one slot, and nothing
    readable about anybody stands in them. *secret* keys the digest; *now* gives microseconds instead of the store's
    clock, for tests.
    """

    def __init__(self, data: DataStore, *, secret: bytes = b"", now: Callable[[], int] | None = None) -> None:
        self._data = data
        self._secret = secret
        self._now = now

    async def take(self, identity: str, asked: Sequence[Asked], id: str) -> list[Counted]:
        reply = await self._run(identity, asked, id, "take")
        return [Counted(bool(allowed), remaining, retry, reset) for allowed, remaining, retry, reset in reply]

    async def give_back(self, identity: str, asked: Sequence[Asked], id: str) -> None:
        await self._run(identity, asked, id, "back")

    async def _run(self, identity: str, asked: Sequence[Asked], id: str, operation: str) -> list[list[int]]:
        place = digest(identity.encode("utf-8", "surrogatepass"), self._secret)
        keys = [f"{{{self._data.namespace}:rl:{place}}}:{each.name}:{each.algorithm.value}".encode() for each in asked]
        arguments: list[str | int] = [0 if self._now is None else self._now(), id, operation]
        for each in asked:
            quota, window, burst, denied = each.terms
            arguments += [each.algorithm.value, quota, window, burst, each.cost, int(denied), int(each.shadow)]
        reply: list[list[int]] = await self._data.run("limit", keys, arguments)
        return reply
