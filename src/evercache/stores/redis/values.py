"""Values of the `RedisClient` face: plain JSON where JSON can carry the value, so that `redis-cli GET` shows it.

What JSON can't carry exactly (tuples, dates, Decimal, UUID, bytes …) goes through the self-describing codec, whose
MessagePack form begins with a letter that no JSON text begins with. No bytes make this build anything but such values.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evercache.codecs.described import DescribedCodec

__all__ = ["decode", "encode"]

_JSON, _PACK = b"J", b"M"


@cache
def _codec() -> DescribedCodec:
    from evercache.codecs.described import DescribedCodec  # msgspec is loaded with the first value

    return DescribedCodec()


def encode(value: Any) -> bytes:  # Any: the user's value
    """*value* as bytes; raises CodecError if it can't be read back as the same value."""
    data = _codec().encode(value)
    return data[1:] if data[:1] == _JSON else data


def decode(data: bytes) -> Any:  # Any: the user's value
    """The value of *data*; raises CodecError if it is neither JSON nor ours."""
    return _codec().decode(data if data[:1] == _PACK else _JSON + data)
