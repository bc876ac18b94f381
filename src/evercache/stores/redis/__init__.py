"""Everything that speaks to Redis; the only package that imports redis-py."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("redis") is None:
    raise ImportError("A Redis URL is configured, but redis-py is not installed: pip install 'evercache[redis]'")
