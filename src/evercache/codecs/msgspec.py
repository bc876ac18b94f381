"""Everything that uses msgspec: the typed JSON codec, and the wire of the self-describing one.

The typed codec is compiled from the annotation, once, when a function is decorated. It is JSON: an operator can read an
entry with `redis-cli`, and it is 3.5 to 5 times as fast as pickle for a list of records.

What `encode` guarantees. msgspec writes what an object *is* and reads what the annotation *says*, so a value that breaks
its own annotation could come back as something else: a subclass without its extra fields, a UUID in a field declared
`str` as a string. Comparing every value with what would be read back costs as much as reading it, therefore:

- always: the type of the value, and of the elements of a list, tuple, set or dict at the top; NaN and infinities
  (JSON has no word for them and msgspec writes null) are refused;
- compared in full, by `identical`: the first 16 values of each codec and every 256th after them, and all values for the
  rest of the process once one had differed.

A difference is a CodecError: the value is served, not stored. Ignored differences: the name of a time zone (instant and
offset are kept), seconds inside a UTC offset (no zone since 1972 has them), and an int where a float is declared (it comes
back as that float).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from evercache.codecs.base import fingerprint, refused, unreadable
from evercache.codecs.compare import identical
from evercache.codecs.floats import nonfinite_finder
from evercache.codecs.shape import Shape
from evercache.codecs.top import top_check
from evercache.errors import CodecError

__all__ = ["MsgspecCodec", "extension", "pack_reader", "pack_writer", "packed_as", "read_json", "write_json"]

_ALWAYS = 16
_THEN_EVERY = 256

write_json: Callable[[Any], bytes] = msgspec.json.Encoder().encode
read_json: Callable[[bytes | memoryview], Any] = msgspec.json.Decoder().decode


class MsgspecCodec:
    """A value of one declared type, as JSON. Raises TypeError at once for an annotation that msgspec can't compile."""

    def __init__(self, annotation: Any, shape: Shape) -> None:
        self.fingerprint = fingerprint("msgspec-json-1", shape.text)
        self._write = msgspec.json.Encoder(decimal_format="string").encode
        self._read = msgspec.json.Decoder(annotation).decode
        self._nonfinite = nonfinite_finder(annotation) if shape.has_floats else None
        self._fits = top_check(annotation)
        self._count = 0
        self._suspect = False

    def encode(self, value: Any) -> bytes:
        try:
            if not self._fits(value):
                raise refused(value, "the annotation of the function promises another type")
            data = self._write(value)
            if self._nonfinite is not None and b"null" in data and self._nonfinite(value):
                raise refused(value, "it holds NaN or infinity, which JSON can't carry")
            self._count = count = self._count + 1
            if self._suspect or count <= _ALWAYS or not count % _THEN_EVERY:
                self._compare(value, data)
            return data
        except CodecError:
            raise
        except Exception as error:  # msgspec, a lone surrogate, depth, an object's own property
            raise refused(value, type(error).__name__) from None

    def decode(self, data: bytes) -> Any:
        try:
            return self._read(data)
        except Exception as error:  # also RecursionError, MemoryError, and whatever a __post_init__ raises
            raise unreadable("JSON of the declared type", error) from None

    def _compare(self, value: Any, data: bytes) -> None:
        suspect, self._suspect = self._suspect, True  # also if reading raises
        if not identical(value, self._read(data)):
            raise refused(value, "what would be read back differs from it; does it match its annotation?")
        self._suspect = suspect


def pack_writer() -> Callable[[Any], bytes]:
    """MessagePack, for values that MessagePack can say."""
    return msgspec.msgpack.Encoder(decimal_format="string", uuid_format="bytes").encode


def pack_reader(hook: Callable[[int, memoryview], Any]) -> Callable[[bytes | memoryview], Any]:
    """The way back; *hook* gets the code and the bytes of each extension, and returns the object."""
    return msgspec.msgpack.Decoder(ext_hook=hook).decode


extension: Callable[[int, bytes], Any] = msgspec.msgpack.Ext


def packed_as(kind: type) -> Callable[[bytes | memoryview], Any]:
    """Reads one MessagePack value as *kind*, in C: a UUID in an eighth of the time that its constructor takes."""
    return msgspec.msgpack.Decoder(kind).decode
