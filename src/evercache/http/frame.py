"""A stored response as bytes: a frame of its own with a version, read without running anything (no pickle, no classes).

    version · status · flags · source · lifetime age received left spent s-w-r s-i-e · counts · lengths · texts · body

Lengths stand before the texts, so that no text can be mistaken for a separator. What doesn't fit is a CodecError: the
entry counts as a miss.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from evercache.codecs.base import fingerprint, refused
from evercache.errors import CodecError
from evercache.http.directives import Directives
from evercache.http.lifetime import Lifetime, Source
from evercache.http.response import StoredResponse
from evercache.http.stored import Stored

__all__ = ["FrameCodec"]

_VERSION = 1
_HEAD = struct.Struct("<BHBB7dHHHB")
_ABSENT = 0xFFFFFFFF
_HEADS = 1_024
_SOURCES = tuple(Source)


class FrameCodec:
    """`codecs.base.ValueCodec` for `Stored`."""

    fingerprint = fingerprint("http-response-1", "")

    def __init__(self) -> None:
        # A response that is read again and again, because it is hot or memory is off, is parsed once; its body isn't kept.
        self._known = lru_cache(_HEADS)(_parsed)

    def encode(self, value: object) -> bytes:
        if not isinstance(value, Stored):
            raise refused(value, "it is no response")
        head = value.head
        directives = list(_spelled(head.directives))
        texts: list[bytes | None] = [part for pair in head.fields for part in pair]
        texts += [part for pair in directives for part in pair]
        texts += [name.encode("latin-1") for name in value.names]
        texts += [_latin(said) for said in value.variant]
        texts.append(_latin(value.etag))
        flags = head.asks_each_time | head.may_be_stale << 1 | head.directives.targeted << 2
        start = _HEAD.pack(
            _VERSION,
            head.status,
            flags,
            _SOURCES.index(head.lifetime.source),
            head.lifetime.seconds,
            head.age,
            head.received,
            value.left,
            value.spent,
            head.stale_while_revalidate,
            head.stale_if_error,
            len(head.fields),
            len(directives),
            len(value.names),
            0,
        )
        lengths = struct.pack(f"<{len(texts)}I", *[_ABSENT if text is None else len(text) for text in texts])
        return b"".join([start, lengths, *[text for text in texts if text], value.body])

    def decode(self, data: bytes) -> Stored:
        try:
            at, pairs, directives, names, lengths = _measured(data)
            known = self._known(data[:at], pairs, directives, names, lengths)
        except (struct.error, IndexError, ValueError, StopIteration) as error:
            raise CodecError(f"a stored response can't be read: {type(error).__name__}; it counts as a miss") from None
        return Stored(
            known.head,
            data[at:],
            names=known.names,
            variant=known.variant,
            etag=known.etag,
            left=known.left,
            spent=known.spent,
        )


class _Known(NamedTuple):
    """What stands before the body."""

    head: StoredResponse
    names: tuple[str, ...]
    variant: tuple[str | None, ...]
    etag: str | None
    left: float
    spent: float


def _measured(data: bytes) -> tuple[int, int, int, int, tuple[int, ...]]:
    """Where the body begins; the numbers of fields, directives and names, and the lengths of the texts."""
    version, *_, pairs, directives, names, _ = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise ValueError(version)
    count = 2 * (pairs + directives + names) + 1
    lengths: tuple[int, ...] = struct.unpack_from(f"<{count}I", data, _HEAD.size)
    at = _HEAD.size + 4 * count + sum([length for length in lengths if length != _ABSENT])
    if at > len(data):
        raise ValueError(at)
    return at, pairs, directives, names, lengths


def _parsed(data: bytes, pairs: int, directives: int, names: int, lengths: tuple[int, ...]) -> _Known:
    _, status, flags, source, lifetime, age, received, left, spent, revalidating, erring, *_ = _HEAD.unpack_from(data)
    at = _HEAD.size + 4 * len(lengths)
    texts: list[bytes | None] = []
    for length in lengths:
        if length == _ABSENT:
            texts.append(None)
            continue
        texts.append(data[at : at + length])
        at += length
    flat = iter(texts)
    fields = tuple([(_sure(flat), _sure(flat)) for _ in range(pairs)])
    said: dict[str, tuple[str | None, ...]] = {}
    for _ in range(directives):
        name, argument = _sure(flat).decode("latin-1"), next(flat)
        said[name] = (*said.get(name, ()), None if argument is None else argument.decode("latin-1"))
    varies = tuple([_sure(flat).decode("latin-1") for _ in range(names)])
    variant = tuple([None if (text := next(flat)) is None else text.decode("latin-1") for _ in range(names)])
    etag = next(flat)
    head = StoredResponse(
        status=status,
        fields=fields,
        directives=Directives(said, bool(flags & 4)),
        lifetime=Lifetime(lifetime, _SOURCES[source]),
        age=age,
        received=received,
        asks_each_time=bool(flags & 1),
        may_be_stale=bool(flags & 2),
        stale_while_revalidate=revalidating,
        stale_if_error=erring,
    )
    return _Known(head, varies, variant, None if etag is None else etag.decode("latin-1"), left, spent)


def _sure(texts: Iterator[bytes | None]) -> bytes:
    text = next(texts)
    if text is None:
        raise ValueError("absent")
    return text


def _spelled(directives: Directives) -> Iterator[tuple[bytes, bytes | None]]:
    for name, arguments in directives.arguments.items():
        for argument in arguments:
            yield name.encode("latin-1"), _latin(argument)


def _latin(text: str | None) -> bytes | None:
    return None if text is None else text.encode("latin-1")
