"""Which codec carries the values of this annotation. Decided once, when a function is decorated."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from evercache.codecs.base import ValueCodec
from evercache.codecs.described import DescribedCodec
from evercache.codecs.msgspec import MsgspecCodec
from evercache.codecs.registry import Registry
from evercache.codecs.shape import Shape, kind_of, shape_of

__all__ = ["for_type"]


def for_type(annotation: object | None) -> ValueCodec:
    """The codec for values of this type.

    - Pydantic models, and whatever contains them: Pydantic's own JSON.
    - Dataclasses, TypedDict, NamedTuple, msgspec.Struct, and the builtin types, all the way down: msgspec JSON.
    - No annotation, `Any`, `object`, a bare `list`, an abstract type, a union that msgspec can't tell apart: the
      self-describing codec, which may build the classes that the annotation names and no others.

    Never raises: an annotation that nothing understands gets the self-describing codec too.
    """
    if annotation is None:  # no annotation; a function that returns nothing has nothing to gain from a typed codec
        return DescribedCodec()
    shape = shape_of(annotation)
    return _typed(annotation, shape) or DescribedCodec(_registry(shape), shape.text)


def _typed(annotation: Any, shape: Shape) -> ValueCodec | None:
    try:
        if shape.has_models:
            from evercache.codecs.pydantic import PydanticCodec

            return PydanticCodec(annotation, shape)
        return None if shape.is_open else MsgspecCodec(annotation, shape)
    except Exception:  # TypeError of msgspec, a schema error of Pydantic: not for this codec
        return None


def _registry(shape: Shape) -> Registry:
    registry = Registry()
    for kind in shape.classes:
        if kind_of(kind) not in (None, "typeddict"):
            with suppress(Exception):  # a model that Pydantic can't complete: its objects won't be stored
                registry.add(kind)
    return registry
