"""Everything that speaks to Redis; the only package that imports redis-py."""

from __future__ import annotations

__all__ = ["redis"]

try:
    import redis
except ImportError as error:
    raise ImportError("this part of evercache speaks to Redis: pip install 'evercache[redis]'") from error
