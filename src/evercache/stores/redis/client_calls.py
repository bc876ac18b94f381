"""From a call of a decorated function to its raw key."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from evercache.core.keys import digest, encode, readable_name

__all__ = ["call_key"]


def call_key(function: Callable[..., Any], namespace: str, cache_type: str, secret: bytes) -> Callable[..., str]:
    """A function of the same arguments that gives `namespace:cache_type:module.name:digest`.

    Calls that Python can't tell apart share a key, however they are spelled; all others don't. Raises KeyEncodingError,
    at the call, for an argument without a canonical form.
    """
    signature = inspect.signature(function)
    prefix = (
        f"{namespace}:{readable_name(cache_type)}:{readable_name(f'{function.__module__}.{function.__qualname__}')}"
    )

    def key_of(*args: object, **kwargs: object) -> str:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return f"{prefix}:{digest(encode(dict(bound.arguments)), secret)}"

    return key_of
