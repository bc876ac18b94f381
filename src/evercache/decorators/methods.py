"""Cached methods. The object is part of the key: its class has `__cache_key__()`, or is encodable as it is."""

from __future__ import annotations

import functools
from types import FunctionType
from typing import Any

__all__ = ["BoundMethod", "CachedMethod"]


class BoundMethod(functools.partial[Any]):
    """A cached method of one object: called, and asked for what cached functions can do, without the object."""

    __slots__ = ()

    @property
    def __self__(self) -> Any:
        return self.args[0]

    @property
    def __name__(self) -> str:
        return str(self._stand_in.__name__)

    @property
    def _stand_in(self) -> Any:  # a function with attributes, which no type describes
        return self.func

    def invalidate(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._stand_in.invalidate(self.__self__, *args, **kwargs)

    def expire(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._stand_in.expire(self.__self__, *args, **kwargs)

    def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._stand_in.refresh(self.__self__, *args, **kwargs)

    def put(self, value: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self._stand_in.put(value, self.__self__, *args, **kwargs)

    def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._stand_in.peek(self.__self__, *args, **kwargs)

    def why(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._stand_in.why(self.__self__, *args, **kwargs)

    def key(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._stand_in.key(self.__self__, *args, **kwargs)


class CachedMethod:
    """What stands in the class. Read from it, it is the stand-in; read from an object, a `BoundMethod`."""

    def __init__(self, stand_in: FunctionType) -> None:
        functools.update_wrapper(self, stand_in)
        self._stand_in = stand_in

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self._stand_in if instance is None else BoundMethod(self._stand_in, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._stand_in(*args, **kwargs)
