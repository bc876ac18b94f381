"""`Session`: what an application sees of one, as a dictionary that knows what was changed."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, MutableMapping
from typing import Any

from evercache.errors import EvercacheError

__all__ = ["ReadOnly", "Session"]

_FLASHES, _CSRF = "_flashes", "_csrf"


class ReadOnly(EvercacheError):
    """This session can only be read: its name was left for another one, or the store is away."""


class Session(MutableMapping[str, Any]):
    """The data of one visitor. Values are whatever the codec of sessions carries: numbers, texts, dates, lists, dicts.

    - `user`: who has signed in, or None. `is_new`: it isn't stored yet. `read_only`: changes raise ReadOnly.
    - Only the fields that were changed are written, so that requests side by side don't undo each other. A list or dict
      that was changed in place is noticed.
    """

    def __init__(self, data: dict[str, Any] | None = None, *, user: str | None = None, read_only: bool = False) -> None:
        self._data = {} if data is None else data
        self.user = user
        self.is_new = data is None
        self.read_only = read_only
        self.touched: set[str] = set()  # fields that were read or written, and may have changed
        self.dropped: set[str] = set()
        self.ended = False
        self.renewing = False

    # -- data ----------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        value = self._data[name]
        self.touched.add(name)
        return value

    def __setitem__(self, name: str, value: Any) -> None:
        self._demand_write()
        self._data[name] = value
        self.touched.add(name)
        self.dropped.discard(name)

    def __delitem__(self, name: str) -> None:
        self._demand_write()
        del self._data[name]
        self.touched.discard(name)
        self.dropped.add(name)

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in self._data if name not in (_FLASHES, _CSRF)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    # -- signing in and out --------------------------------------------------------------------------------------

    def sign_in(self, user: str) -> None:
        """*user* has signed in: the session gets a new name, so that whoever knew the old one has nothing of it."""
        self._demand_write()
        if not user:
            raise ValueError("the user who signs in has an id")
        self.user = user
        self.renewing = True

    def renew(self) -> None:
        """Give the session a new name, after any change of what the user may do."""
        self._demand_write()
        self.renewing = True

    def end(self) -> None:
        """Sign out: the session ends everywhere, and no request that is still running brings it back."""
        self._demand_write()
        self._data.clear()
        self.user = None
        self.ended = True

    # -- small things that every form needs ----------------------------------------------------------------------

    def flash(self, message: Any) -> None:
        """Keep *message* for the next page."""
        self[_FLASHES] = [*self._data.get(_FLASHES, ()), message]

    def flashes(self) -> list[Any]:
        """The messages that were kept, once."""
        found: list[Any] = self._data.get(_FLASHES, [])
        if found:
            del self[_FLASHES]
        return found

    @property
    def csrf_token(self) -> str:
        """What a form of this session has to bring back."""
        if _CSRF not in self._data:
            self[_CSRF] = secrets.token_urlsafe(32)
        return str(self._data[_CSRF])

    def is_csrf_token(self, token: str) -> bool:
        """Whether *token* is this session's; compared in constant time."""
        known = self._data.get(_CSRF)
        return known is not None and hmac.compare_digest(str(known).encode(), token.encode())

    @property
    def raw(self) -> dict[str, Any]:
        """All fields, our own included."""
        return self._data

    def _demand_write(self) -> None:
        if self.read_only:
            raise ReadOnly("this session can only be read now; change it by the request after this one.")

    def __repr__(self) -> str:
        """Without the data."""
        return f"<Session of {'somebody' if self.user else 'nobody'}, {len(self)} fields>"
