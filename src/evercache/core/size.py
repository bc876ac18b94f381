"""Amounts of memory as people write them: bytes, "64MiB", "256mb"."""

from __future__ import annotations

import re

from evercache.errors import ConfigurationError

__all__ = ["parse_size"]

# As in redis.conf: "k" is 1000, "kb" is 1024. The same text must mean the same here and in Redis' own maxmemory.
_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", start=1):
    _UNITS[_letter] = 1000**_power
    _UNITS[f"{_letter}b"] = _UNITS[f"{_letter}ib"] = 1024**_power

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?(?:i?b)?)", re.IGNORECASE)
_LARGEST = 1 << 50


def parse_size(value: object, name: str) -> int:
    """Bytes (1 to 1 PiB). Errors are sentences about *name*."""
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())) and match[2].lower() in _UNITS:
        size = int(float(match[1]) * _UNITS[match[2].lower()])
    else:
        raise ConfigurationError(
            f"{name}={value!r} is not an amount of memory; write bytes (67108864) or a text such as '64MiB' or '256mb'."
        )
    if not 0 < size <= _LARGEST:
        raise ConfigurationError(f"{name}={value!r} must be between 1 byte and 1 PiB; write for example '64MiB'.")
    return size
