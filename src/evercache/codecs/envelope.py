"""The frame around a stored value, version 1.

    offset  size
    0       2     magic "EC"
    2       1     version of this layout: 1
    3       1     flags: 0
    4       8     fresh_until   server milliseconds, big endian      } patched in place by `expire`,
    12      8     dead_at                                            } so outside the checksum
    20      16    fill
    36      8     born
    44      4     load_ms
    48      8     schema
    56      4     CRC-32 of the bytes 0-3, 20-55 and 60 to the end
    60      1     n, the number of tags
    61      2+2n  lengths: namespace stamp, ban position, and for each tag its id and its stamp
            ...   those parts, in the order of their lengths
            ...   payload, to the end

Scripts on the server compare `fill` and patch the two times at their fixed offsets, without knowing the rest. The
checksum finds accidents (truncation, a flipped bit, somebody else's bytes), not attackers; those are what `sealed` is
for. Anything that isn't exactly this is None, which the engine counts as a miss.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from zlib import crc32

from evercache.core.record import Record
from evercache.errors import CodecError

__all__ = [
    "DEAD_AT",
    "FILL",
    "FIXED_SIZE",
    "FRESH_UNTIL",
    "MAGIC",
    "MAX_TAGS",
    "PATCHED",
    "SCHEMA",
    "VERSION",
    "pack",
    "unpack",
]

MAGIC = b"EC"
VERSION = 1
MAX_TAGS = 255

FRESH_UNTIL = 4
"""Offset of an unsigned 64-bit big-endian number of milliseconds."""
DEAD_AT = 12
"""Offset of an unsigned 64-bit big-endian number of milliseconds."""
PATCHED = slice(FRESH_UNTIL, 20)
"""The bytes that `expire` may rewrite."""
FILL = slice(20, 36)
SCHEMA = slice(48, 56)
FIXED_SIZE = 60

_SMALL = 4096

_HEAD = struct.Struct(">2sBBQQ16sQI8s")
_SUM = struct.Struct(">I")
_FIXED = struct.Struct(">4sQQ16sQI8sI")  # both at once, for reading
_START = MAGIC + bytes((VERSION, 0))
_START_SUM = crc32(_START)


def pack(record: Record) -> bytes:
    """The record as bytes. Raises CodecError if a field doesn't fit (a stamp above 255 bytes, a negative time)."""
    try:
        return _pack(record)
    except (struct.error, ValueError, TypeError, AttributeError) as error:
        raise CodecError(f"a record does not fit the envelope: {error}") from None


def _pack(record: Record) -> bytes:
    fill, schema, tags = record.fill, record.schema, record.tags
    if len(fill) != 16 or len(schema) != 8:
        raise ValueError("fill takes 16 bytes and schema 8")
    if len(tags) > MAX_TAGS:
        raise ValueError(
            f"it has {len(tags)} tags, of which {MAX_TAGS} fit; give what it is made of one tag that all of it shares"
        )
    parts = [record.namespace, record.ban]
    for pair in zip(tags, record.stamps, strict=True):
        parts += pair
    rest = b"".join((bytes((len(tags), *map(len, parts))), *parts, record.payload))
    head = _HEAD.pack(MAGIC, VERSION, 0, record.fresh_until, record.dead_at, fill, record.born, record.load_ms, schema)
    return head + _SUM.pack(crc32(rest, crc32(head[20:], _START_SUM))) + rest


def unpack(data: bytes) -> Record | None:
    """The record, or None for everything that isn't a whole record of a version that this code reads. Never raises."""
    try:
        head, fresh_until, dead_at, fill, born, load_ms, schema, checksum = _FIXED.unpack_from(data)
        if head != _START:
            return None
        # A copy of a small rest is cheaper than a view of it.
        rest = data[60:] if len(data) < _SMALL else memoryview(data)[60:]
        if crc32(rest, crc32(data[20:56], _START_SUM)) != checksum:
            return None
        start = 63 + 2 * data[60]
        layout = _layout(data[61:start])
        parts = layout.unpack_from(data, start)
        payload = data[start + layout.size :]
        return Record(
            fill, parts[0], parts[1], parts[2::2], parts[3::2], born, fresh_until, dead_at, load_ms, schema, payload
        )
    except Exception:  # not bytes, too short, or lengths that lead outside: all of it is "not a record"
        return None


@lru_cache(maxsize=256)
def _layout(lengths: bytes) -> struct.Struct:
    """How to cut parts of these lengths. Few patterns occur, since ids and stamps have fixed sizes."""
    return struct.Struct("".join(f"{length}s" for length in lengths))
