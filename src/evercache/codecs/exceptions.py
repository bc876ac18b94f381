"""Exceptions as cached answers ("there is no such user"), for those who ask for it.

Only classes that the caller lists are stored or built, exactly those and not their subclasses. Bytes carry the digest of
a class's name; it is compared with the listed classes, never looked up anywhere else. Arguments and attributes go through
the self-describing codec. The traceback, the cause and the context stay behind.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from evercache.codecs.base import fingerprint, refused
from evercache.codecs.compare import identical
from evercache.codecs.described import DescribedCodec

__all__ = ["decode_exception", "encode_exception"]


def encode_exception(exc: BaseException, allowed: tuple[type[BaseException], ...]) -> bytes:
    """The exception as bytes. Raises CodecError if its class isn't listed, or if it wouldn't come back the same."""
    kind: Any = type(exc)
    if kind not in allowed:
        raise refused(exc, "its class is not among the exceptions that may be cached")
    data = _codec().encode([_name(kind), list(exc.args), dict(vars(exc))])
    back = decode_exception(data, allowed)
    if back is None or not (
        identical(exc.args, back.args) and identical(vars(exc), vars(back)) and str(exc) == str(back)
    ):
        raise refused(exc, "it keeps state beside its arguments and attributes, which would be lost")
    return data


def decode_exception(data: bytes, allowed: tuple[type[BaseException], ...]) -> BaseException | None:
    """A new exception, ready to be raised; None if the bytes aren't one of the *allowed* classes. Never raises."""
    try:
        name, args, state = _codec().decode(data)
        kind: Any
        for kind in allowed:
            if _name(kind) == name:
                return _make(kind, args, state)
    except Exception:  # CodecError, or a __new__ that wants other arguments: a miss
        return None
    return None


def _make(kind: type[BaseException], args: list[Any], state: dict[str, Any]) -> BaseException:
    # Not through __init__, which may want other arguments than it passed on, and may do more than remember them.
    made = kind.__new__(kind, *args)
    made.args = tuple(args)
    vars(made).update(state)
    return made


@cache
def _name(kind: Any) -> bytes:
    return fingerprint("exception-1", f"{kind.__module__}.{kind.__qualname__}")


@cache
def _codec() -> DescribedCodec:
    return DescribedCodec()
