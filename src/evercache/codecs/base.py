"""What a codec promises, and the two ways in which a value can be refused.

One entry, one codec: a value that its codec can't carry exactly is served and not cached. There is no second codec that
is tried after the first one failed; choosing a decoder by what the bytes look like is how caches get taken over.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Protocol

from evercache.errors import CodecError

__all__ = ["MAX_RAW_BYTES", "MAX_STORED_BYTES", "TooLarge", "ValueCodec", "fingerprint", "refused", "unreadable"]

MAX_STORED_BYTES = 1 << 20
"""Default limit of one stored payload: 1 MiB after compression."""

MAX_RAW_BYTES = 16 << 20
"""Limit of one encoded value before compression, for writers and for readers: 16 MiB."""


class TooLarge(CodecError):
    """The encoded value is larger than the cache accepts. It is served, and not stored."""


class ValueCodec(Protocol):
    """A value to bytes and back, exactly.

    - `fingerprint`: 8 bytes; another codec, or another shape of the type (a field, a field's type, an enum member,
      however deep), gives other bytes, so that a change of code makes old entries misses.
    - `encode` and `decode` raise CodecError and nothing else, whatever the value and whatever the bytes.
    - `decode` never imports, never compiles, and never calls anything that the bytes name.
    """

    @property
    def fingerprint(self) -> bytes: ...

    def encode(self, value: Any) -> bytes: ...  # the user's value: any type at all

    def decode(self, data: bytes) -> Any: ...


def fingerprint(codec: str, shape: str) -> bytes:
    """8 bytes that stand for this codec and this shape of type."""
    return blake2b(f"{codec}\0{shape}".encode("utf-8", "surrogatepass"), digest_size=8).digest()


def refused(value: object, why: str) -> CodecError:
    """The error for a value that can't be stored. It names the type, never the value."""
    kind = type(value)
    return CodecError(f"a value of type {kind.__module__}.{kind.__qualname__} is not cached: {why}")


def unreadable(what: str, error: BaseException) -> CodecError:
    """The error for bytes that can't be read. It names the kind of failure, never the bytes."""
    return CodecError(f"stored bytes are not a readable {what}: {type(error).__name__}; the entry counts as a miss")
