"""Everything that speaks to Redis; the only package that imports redis-py."""

from __future__ import annotations

try:
    import redis as _redis  # noqa: F401 - asked for here, so that every module below can rely on it
except ImportError as error:
    raise ImportError("this part of evercache speaks to Redis: pip install 'evercache[redis]'") from error
