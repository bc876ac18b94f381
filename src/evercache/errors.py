"""Every error that evercache raises, as one tree.

    EvercacheError
    ├── ConfigurationError        an argument, option or setting is wrong; raised at the earliest moment   (ValueError)
    │   └── KeyEncodingError      an argument cannot become part of a key                                  (TypeError)
    ├── NotStarted                the operation needs `async with cache`
    ├── StoreUnavailable          the shared store gave no answer; only raised where the caller asked for it
    │   ├── StoreOverloaded       our own queue was full: the store is fine, we asked too much
    │   └── WritesRefused         the store answers reads and refuses writes
    ├── LoadTimeout               the loader did not end within `hard_timeout`                             (TimeoutError)
    ├── InvalidationPending       an invalidation is kept in the journal, not yet confirmed
    └── CodecError                a value cannot be encoded, or bytes cannot be read; the engine turns it into a miss

A cache failure is not the caller's failure: on the read path none of the store errors reaches the caller, unless the
outage mode `raise` was chosen. Messages say what happened, with which thing, and what to do; values, keys' arguments
and secrets never appear in them.
"""

from __future__ import annotations

__all__ = [
    "CodecError",
    "ConfigurationError",
    "EvercacheError",
    "InvalidationPending",
    "KeyEncodingError",
    "LoadTimeout",
    "NotStarted",
    "StoreOverloaded",
    "StoreUnavailable",
    "WritesRefused",
]


class EvercacheError(Exception):
    """The root: catch this to catch everything that evercache raises by itself."""


class ConfigurationError(EvercacheError, ValueError):
    """An argument, option or setting is wrong. The message names it and says what to write instead."""


class KeyEncodingError(ConfigurationError, TypeError):
    """An argument has no place in a key: its type has no canonical encoding and it isn't declared as plumbing."""


class NotStarted(EvercacheError, RuntimeError):
    """The operation needs a started cache: `async with cache:` or `lifespan=cache.lifespan`."""


class StoreUnavailable(EvercacheError):
    """The shared store did not answer.

    *reason* is a short machine-readable word (`refused`, `timeout`, `auth`, `loading`, …), the same that health shows.
    """

    def __init__(self, message: str, *, reason: str = "unavailable") -> None:
        super().__init__(message)
        self.reason = reason


class StoreOverloaded(StoreUnavailable):
    """Our own bound on waiting commands was reached. It never counts as "the store is down"."""


class WritesRefused(StoreUnavailable):
    """The store refuses writes (out of memory, read-only replica, failing disk) and still answers reads."""


class LoadTimeout(EvercacheError, TimeoutError):
    """The loader did not end within `hard_timeout` seconds; it goes on in the background and fills the cache."""


class InvalidationPending(EvercacheError):
    """The invalidation could not be confirmed yet; it is journalled and will be repeated until it is."""


class CodecError(EvercacheError):
    """A value cannot be encoded, or stored bytes cannot be read back."""
