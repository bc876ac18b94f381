"""From a value to the payload of a record and back: codec, then compression, then seal.

payload = 1 byte method of compression, raw size (varint), data        sealed as a whole if there is a key ring
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from evercache.codecs.base import MAX_RAW_BYTES, MAX_STORED_BYTES, TooLarge, ValueCodec
from evercache.codecs.compress import Compressor
from evercache.codecs.sealed import KeyRing
from evercache.errors import CodecError

__all__ = ["Packer"]


class Packer:
    """How the values of one function become bytes.

    - `schema`: 8 bytes of the codec's fingerprint and *version* (the number that users raise when the meaning changes).
    - `pack` raises CodecError for what the codec refuses, and TooLarge above 16 MiB raw or *max_bytes* stored.
    - `unpack` raises CodecError, and nothing else, for whatever isn't a payload of exactly this place: with a key ring,
      unsealed bytes are no better than damaged ones.
    """

    def __init__(
        self,
        codec: ValueCodec,
        *,
        compressor: Compressor,
        keyring: KeyRing | None = None,
        namespace: str = "",
        version: str | int = 0,
        max_bytes: int = MAX_STORED_BYTES,
    ) -> None:
        self.schema = blake2b(codec.fingerprint + str(version).encode(), digest_size=8).digest()
        self._codec = codec
        self._compressor = compressor
        self._keyring = keyring
        self._max_bytes = max_bytes
        self._place = _sized(namespace.encode()) + self.schema

    def pack(self, value: Any, key_id: bytes) -> bytes:
        raw = self._codec.encode(value)
        size = len(raw)
        if size > MAX_RAW_BYTES:
            raise TooLarge(f"the encoded value has {size} bytes; at most {MAX_RAW_BYTES} are cached")
        method, data = self._compressor.compress(raw)
        payload = bytes((method,)) + _varint(size) + data
        if self._keyring is not None:
            payload = self._keyring.seal(payload, self._place + key_id)
        if len(payload) > self._max_bytes:
            raise TooLarge(f"the packed value has {len(payload)} bytes; this cache stores at most {self._max_bytes}")
        return payload

    def unpack(self, payload: bytes, key_id: bytes) -> Any:
        if self._keyring is not None:
            payload = self._keyring.unseal(payload, self._place + key_id)
        try:
            method = payload[0]
            size, start = _read_varint(payload)
        except IndexError:
            raise CodecError("a stored payload ends too early; the entry counts as a miss") from None
        return self._codec.decode(self._compressor.decompress(method, payload[start:], size))


def _sized(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text


def _varint(number: int) -> bytes:
    """Seven bits a byte, least first; the high bit says that another byte follows."""
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _read_varint(payload: bytes) -> tuple[int, int]:
    number = shift = 0
    for at in range(1, 6):
        byte = payload[at]
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at + 1
        shift += 7
    raise IndexError("a size of more than 35 bits")
