"""Stored responses as bytes: what is written is read again, and whatever else is there counts as nothing."""

from __future__ import annotations

import pytest

from evercache.errors import CodecError
from evercache.http.frame import FrameCodec
from evercache.http.response import arrived
from evercache.http.rules import Rule, Settings
from evercache.http.stored import Stored

FIELDS = ((b"content-type", b"text/plain"), (b"cache-control", b'max-age=60, private="x-a", x'), (b"x-a", b""))


def response(body: bytes = b"body", *, etag: str | None = '"made"') -> Stored:
    policy = Rule("/a", ttl=60).policy(Settings())
    head = arrived(200, FIELDS, policy, requested=999.0, received=1_000.0)
    names, variant = ("accept", "accept-language"), ("text/plain", None)
    return Stored(head, body, names=names, variant=variant, etag=etag, left=59.5, spent=0.25)


def told(stored: Stored) -> tuple[object, ...]:
    return stored.head, stored.body, stored.names, stored.variant, stored.etag, stored.left, stored.spent


@pytest.mark.parametrize("etag", ['"made"', None])
def test_what_is_written_is_read_again(etag):
    """Every part, in one codec or in another process's."""
    stored = response(etag=etag)
    assert told(FrameCodec().decode(FrameCodec().encode(stored))) == told(stored)


def test_heads_that_are_alike_have_bodies_of_their_own():
    """A head is parsed once; what follows it is another response's all the same."""
    codec = FrameCodec()
    bodies = [b"one", b"two", b""]
    assert [codec.decode(codec.encode(response(body))).body for body in bodies] == bodies


def test_a_frame_that_ends_too_early_is_a_miss():
    """Wherever in its head it was cut."""
    codec = FrameCodec()
    frame = codec.encode(response(b""))
    for end in range(len(frame)):
        with pytest.raises(CodecError):
            codec.decode(frame[:end])


def test_a_frame_with_a_wrong_byte_is_a_miss_or_a_response():
    """Nothing but a CodecError comes out of bytes that somebody else wrote."""
    codec = FrameCodec()
    frame = codec.encode(response())
    for at in range(len(frame) - 4):
        for value in (0, 1, 255):
            try:
                found = codec.decode(frame[:at] + bytes([value]) + frame[at + 1 :])
            except CodecError:
                continue
            assert isinstance(found, Stored)
