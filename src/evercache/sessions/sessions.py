"""`Sessions`: opens the session of a cookie, and puts away what was changed.

sessions = Sessions(RedisData("redis://localhost:6380/0"), secret=b"…", keyring=ring)

opened = await sessions.open(cookie)
opened.session["cart"] = [7]
opened.session.sign_in("ada")
cookie = await opened.close()                      # what the browser is to keep from now on
await sessions.end_all("ada")
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from evercache.codecs.described import DescribedCodec
from evercache.core.duration import Duration, parse_seconds
from evercache.core.keys import digest
from evercache.core.size import parse_size
from evercache.engine.clock import SystemClock
from evercache.errors import CodecError, ConfigurationError
from evercache.sessions.backend import Backend, Listed, Lives, Record, SessionGone
from evercache.sessions.memory import MemorySessions
from evercache.sessions.session import Session
from evercache.sessions.shared import SharedSessions
from evercache.sessions.token import Token

if TYPE_CHECKING:
    from evercache.codecs.sealed import KeyRing
    from evercache.core.clock import Clock
    from evercache.stores.base import DataStore

__all__ = ["Opened", "Sessions"]

GRACE = 10_000
"""Milliseconds for which a name that was left still leads to the session, for requests that were on their way."""


class Sessions:
    """The sessions of one application.

    - *data*: the store; without one they live in this process. *secret*: at least 16 bytes, the same in all processes:
      it keys the digests of users. *keyring* seals what is stored.
    - *idle*: it ends when it wasn't used for so long; *longest*: it ends then, whatever happens; *renewal*: it gets a new
      name after so long. *size*: of all its data.
    """

    def __init__(
        self,
        data: DataStore | None = None,
        *,
        secret: bytes,
        keyring: KeyRing | None = None,
        idle: Duration = "2h",
        longest: Duration = "12h",
        renewal: Duration = "30m",
        size: int | str = "64KiB",
        clock: Clock | None = None,
        backend: Backend | None = None,
    ) -> None:
        if not isinstance(cast("object", secret), bytes) or len(secret) < 16:
            raise ConfigurationError("Sessions: secret= needs 16 bytes or more; take secrets.token_bytes(32) once.")
        self.clock: Clock = clock or SystemClock()
        idle_seconds, self._longest = parse_seconds(idle, "Sessions: idle"), parse_seconds(longest, "Sessions: longest")
        if idle_seconds > self._longest or self._longest > 366 * 86_400:
            raise ConfigurationError("Sessions: idle is at most longest, and longest at most a year.")
        self._renewal = int(parse_seconds(renewal, "Sessions: renewal") * 1000)
        idle_ms = int(idle_seconds * 1000)
        self.lives = Lives(idle_ms, idle_ms // 10, parse_size(size, "Sessions: size"))
        self.max_age = int(self._longest)
        self._secret = secret[:64]
        self._keyring = keyring
        self._codec = DescribedCodec()
        self._backend: Backend = backend or (
            MemorySessions(self.clock.monotonic) if data is None else SharedSessions(data)
        )

    async def open(self, cookie: str | None, *, device: str = "", address: str = "") -> Opened:
        """The session of *cookie*; a new one, not stored yet, for a cookie that names none. Raises StoreUnavailable.

        *device* and *address* are kept for the user's list of sessions, the address as a digest.
        """
        token = None if cookie is None else Token.parse(cookie)
        record = None if token is None else await self._backend.load(token, self.lives)
        where = self._sealed(self._codec.encode([device[:200], self._digest(address) if address else ""]), b"device")
        if token is None or record is None:
            return Opened(self, None, None, Session(), where)
        data = {name.decode(): self._read(value, name) for name, value in record.fields.items()}
        user = self._read(record.user, b"user") if record.user else None
        session = Session(data, user=user, read_only=record.moved)
        return Opened(self, token, record, session, where)

    async def end_all(self, user: str) -> None:
        """End every session of *user*, in one step, however many there are."""
        await self._backend.revoke(Token.new(user, self._secret).place)

    async def of_user(self, user: str) -> Sequence[dict[str, Any]]:
        """The sessions of *user*: a prefix of the name's digest, device, address (a digest), begun, last seen (seconds
        since 1970 on the store's clock)."""
        found = await self._backend.listed(Token.new(user, self._secret).place)
        return [self._shown(each) for each in found]

    def _shown(self, listed: Listed) -> dict[str, Any]:
        device, address = self._read(listed.device, b"device")
        times = {"created": listed.created / 1000, "seen": listed.seen / 1000}
        return {"id": listed.id, "device": device, "address": address, **times}

    # -- what `Opened` needs -------------------------------------------------------------------------------------

    async def store(self, opened: Opened) -> str | None:
        """Put away what was changed, and return the cookie to keep; None: as it was, "": none any more."""
        session, token = opened.session, opened.token
        if session.ended:
            if token is not None:
                await self._backend.destroy(token)
            return "" if token is not None else None
        changed = {name.encode(): value for name, value in self._changes(opened).items()}
        dropped = [name.encode() for name in session.dropped]
        if token is None:
            return await self._begin(opened, changed)
        if session.read_only:
            return None
        if changed or dropped:
            await self._backend.save(token, changed, dropped, self.lives)
        return await self._moved(opened, token)

    async def _begin(self, opened: Opened, changed: dict[bytes, bytes]) -> str | None:
        user = opened.session.user
        if not changed and user is None:
            return None  # nothing to remember: no session, and no cookie
        token = Token.new(user, self._secret)
        sealed = self._user(user)
        await self._backend.create(token, changed, sealed, opened.where, int(self._longest * 1000), self.lives)
        return token.cookie

    async def _moved(self, opened: Opened, token: Token) -> str | None:
        session, record = opened.session, opened.record
        due = record is not None and record.now - record.renewed >= self._renewal
        if not (session.renewing or due):
            return None
        new = Token.new(session.user, self._secret)
        if not await self._backend.move(token, new, self._user(session.user), self.lives, GRACE):
            raise SessionGone("the session has ended; nothing was stored")
        return new.cookie

    def _changes(self, opened: Opened) -> dict[str, bytes]:
        """The fields whose bytes differ from what was read."""
        before = {} if opened.record is None else opened.record.fields
        changed: dict[str, bytes] = {}
        for name in opened.session.touched:
            plain = self._codec.encode(opened.session.raw[name])
            old = before.get(name.encode())
            if old is None or self._opened(old, name.encode()) != plain:
                changed[name] = self._sealed(plain, name.encode())
        return changed

    def _user(self, user: str | None) -> bytes:
        return b"" if user is None else self._sealed(self._codec.encode(user), b"user")

    def _digest(self, text: str) -> str:
        return digest(text.encode("utf-8", "surrogatepass"), self._secret)[:12]

    def _sealed(self, data: bytes, name: bytes) -> bytes:
        return data if self._keyring is None else self._keyring.seal(data, b"session:" + name)

    def _opened(self, data: bytes, name: bytes) -> bytes:
        return data if self._keyring is None else self._keyring.unseal(data, b"session:" + name)

    def _read(self, data: bytes, name: bytes) -> Any:
        try:
            return self._codec.decode(self._opened(data, name))
        except CodecError as error:
            raise CodecError(f"the field {name.decode()!r} of a session can't be read: {error}") from None


class Opened:
    """One session, open for one request."""

    def __init__(
        self, sessions: Sessions, token: Token | None, record: Record | None, session: Session, where: bytes
    ) -> None:
        self._sessions = sessions
        self.token = token
        self.record = record
        self.session = session
        self.where = where

    async def close(self) -> str | None:
        """Put away what was changed. The cookie that the browser is to keep from now on, "" for none any more, or None
        if it keeps the one that it has.

        Raises SessionGone if it has ended meanwhile, TooLarge, CodecError for a value that can't be stored,
        StoreUnavailable.
        """
        return await self._sessions.store(self)
