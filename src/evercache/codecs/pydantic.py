"""Pydantic models by Pydantic's own JSON. The only file that imports Pydantic, and only when there is a model.

Serializers, excluded fields, secrets, aliases and validators may all make a model come back as something else, without
any mistake in the caller's code. So every value is read back and compared before it is stored: that costs about 75 µs
for 50 rows of 10 fields, once per load, never on a hit. A model that doesn't survive is served and not cached; the
error says so.

Not kept: which fields had been set explicitly (`model_fields_set`): all of them count as set after a read.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from evercache.codecs.base import fingerprint, refused, unreadable
from evercache.codecs.compare import identical
from evercache.codecs.shape import Shape, shape_of
from evercache.errors import CodecError

__all__ = ["PydanticCodec"]


class PydanticCodec:
    """A value of one declared type, as JSON. Raises at once for an annotation that Pydantic can't compile."""

    def __init__(self, annotation: Any, shape: Shape | None = None) -> None:
        shape = shape_of(annotation) if shape is None else shape
        self.fingerprint = fingerprint("pydantic-json-1", shape.text)
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        adapter.rebuild()  # now, not at the first read: reading compiles nothing
        self._write = adapter.serializer.to_json
        self._read = adapter.validator.validate_json

    def encode(self, value: Any) -> bytes:
        try:
            data = self._write(value, by_alias=True, round_trip=True)
            if not identical(value, self._read(data)):
                raise refused(value, "Pydantic would read it back differently (excluded or secret fields, a subclass?)")
            return data
        except CodecError:
            raise
        except Exception as error:  # serializers and validators are the user's code
            raise refused(value, type(error).__name__) from None

    def decode(self, data: bytes) -> Any:
        try:
            return self._read(data)
        except Exception as error:
            raise unreadable("JSON of the declared model", error) from None
