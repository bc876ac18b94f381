"""Sessions in the store that all processes share; each operation is one script."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from evercache.sessions.backend import Listed, Lives, Record, SessionChanged, SessionGone, TooLarge
from evercache.sessions.token import Token
from evercache.stores.base import DataStore

__all__ = ["SharedSessions"]

LONGEST = 366 * 86_400_000
"""No session lives longer than this, so a revocation needn't be remembered for longer."""


class SharedSessions:
    """`backend.Backend` over a store for data."""

    def __init__(self, data: DataStore) -> None:
        self._data = data

    async def create(
        self, token: Token, fields: Mapping[bytes, bytes], user: bytes, device: bytes, ends_in: int, lives: Lives
    ) -> None:
        await self._run("create", token.name, lives.idle, ends_in, user, device, *_flat(fields))

    async def load(self, token: Token, lives: Lives) -> Record | None:
        found = await self._load(token.name, lives)
        if found is None or len(found) > 1:
            return None if found is None else _record(found)
        (name,) = found
        moved = await self._load(name.decode(), lives)
        return None if moved is None or len(moved) == 1 else _record(moved)._replace(moved=True)

    async def _load(self, name: str, lives: Lives) -> list[bytes] | None:
        found: list[bytes] | None = await self._run("load", name, lives.idle, lives.touch)
        return found or None

    async def save(
        self,
        token: Token,
        changed: Mapping[bytes, bytes],
        dropped: Collection[bytes],
        lives: Lives,
        expected: int | None = None,
    ) -> int:
        version = "" if expected is None else str(expected)
        names = [_own(name) for name in dropped]
        reply = await self._run(
            "save", token.name, lives.idle, lives.size, version, len(changed), *_flat(changed), *names
        )
        if reply == b"gone":
            raise SessionGone("the session has ended; nothing was stored")
        if reply == b"changed":
            raise SessionChanged("the session was changed by another request; read it again")
        if reply == b"large":
            raise TooLarge(f"the session would hold more than {lives.size} bytes; nothing was stored")
        return int(reply)

    async def move(self, old: Token, new: Token, user: bytes, lives: Lives, grace: int) -> bool:
        # Two slots can't be changed at once. The old name is left first, so nothing that is written by it is lost; if
        # this process dies in between, the user signs in again.
        held = await self._run("leave", old.name, grace, new.name)
        if not held:
            return False
        await self._run("enter", new.name, lives.idle, user, *held)
        return True

    async def destroy(self, token: Token) -> None:
        await self._run("destroy", token.name)

    async def revoke(self, place: str) -> None:
        await self._run("revoke", f"{place}:", LONGEST, named=False)

    async def listed(self, place: str) -> Sequence[Listed]:
        names: list[bytes] = await self._run("list", f"{place}:", named=False)
        found: list[Listed] = []
        for name in names:
            # A touch so long that looking at the list doesn't count as being seen.
            fields = await self._load(name.decode(), Lives(0, LONGEST, 0))
            if fields is not None and len(fields) > 1:
                record = _record(fields)
                found.append(Listed(name.decode().partition(":")[2][:12], record.device, record.created, record.seen))
        return found

    async def _run(self, operation: str, name: str, *arguments: str | bytes | int, named: bool = True) -> Any:
        place, _, stored = name.partition(":")
        base = f"{{{self._data.namespace}:s:{place}}}"
        keys = [f"{base}:{stored or '-'}".encode(), f"{base}:index".encode(), f"{base}:before".encode()]
        first: list[str | bytes | int] = [operation, 0]
        if named:
            first.append(name)
        return await self._data.run("session", keys, [*first, *arguments])


def _own(field: bytes) -> bytes:
    """The application's fields begin with a colon, so that none of them can be one of ours."""
    return b":" + field


def _flat(fields: Mapping[bytes, bytes]) -> list[bytes]:
    return [part for name, value in fields.items() for part in (_own(name), value)]


def _record(flat: list[bytes]) -> Record:
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    return Record(
        fields={name[1:]: value for name, value in fields.items() if name[:1] == b":"},
        user=fields.get(b"_user", b""),
        device=fields.get(b"_device", b""),
        created=int(fields[b"_made"]),
        seen=int(fields[b"_seen"]),
        ends=int(fields[b"_ends"]),
        renewed=int(fields[b"_renewed"]),
        version=int(fields[b"_version"]),
        now=int(fields[b"_now"]),
    )
