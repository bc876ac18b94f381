"""The options of `core.options.Options` as keyword arguments, for type checkers alone.

Imported by nobody at run time: a `TypedDict` compiles each of its annotations, which takes 2 ms for these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

from evercache.core.duration import Duration
from evercache.core.options import NegativeTtl, TagTemplate

__all__ = ["CacheOptions", "DefaultOptions"]


class DefaultOptions(TypedDict, total=False):
    """The options of `evercache.core.options.Options` that a whole cache can have, as keyword arguments."""

    ttl: Duration | None
    stale_for: Duration | None
    fail_safe: Duration | None
    early: float | bool | None
    jitter: float | None
    negative_ttl: NegativeTtl | None
    soft_timeout: Duration | None
    hard_timeout: Duration | None
    tags: Sequence[TagTemplate] | None
    when: Callable[[Any], bool] | None
    l2: bool | None
    share: bool | None
    version: str | int | None


class CacheOptions(DefaultOptions, total=False):
    """All options, as keyword arguments."""

    l1: bool | None
