"""From what people write for a setting to its value, or to a sentence that names the setting.

Each parser takes the raw value and the name under which it was given; it accepts its own result, so that settings can be
copied. Secrets are never part of a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from evercache.core.duration import parse_seconds
from evercache.core.size import parse_size
from evercache.errors import ConfigurationError

if TYPE_CHECKING:
    from evercache.core.url import Address

__all__ = ["Parse", "address_map", "choice", "credential", "flag", "l1", "seconds", "secret", "text", "url", "whole"]

Parse = Callable[[object, str], object]
_OFF = ("off", "false", "no", "none", "0")
_ON = ("on", "true", "yes", "required", "1")


def flag(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    if text in _ON or text in _OFF:
        return text in _ON
    raise ConfigurationError(f"{name}={value!r} is neither true nor false; write true or false.")


def whole(low: int, high: int) -> Parse:
    def parse(value: object, name: str) -> int:
        number = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise ConfigurationError(f"{name}={value!r} must be a whole number from {low} to {high}.")
        return number

    return parse


def seconds(low: float, high: float) -> Parse:
    def parse(value: object, name: str) -> float:
        seconds = parse_seconds(value, name)
        if not low <= seconds <= high:
            raise ConfigurationError(f"{name}={value!r} must be from {low:g} to {high:g} seconds.")
        return seconds

    return parse


def choice(*words: str) -> Parse:
    def parse(value: object, name: str) -> str:
        if value in words:
            return str(value)
        raise ConfigurationError(f"{name}={value!r} is not known; choose from {', '.join(words)}.")

    return parse


def text(pattern: str, sentence: str) -> Parse:
    allowed = re.compile(pattern)

    def parse(value: object, name: str) -> str:
        if isinstance(value, str) and allowed.fullmatch(value):
            return value
        raise ConfigurationError(f"{name}={value!r} {sentence}")

    return parse


def credential(value: object, name: str) -> str:
    if isinstance(value, str):
        return value
    raise ConfigurationError(f"{name} is a {type(value).__name__}; give the text itself.")


def secret(value: object, name: str) -> str:
    if isinstance(value, str) and len(value) >= 16:
        return value
    raise ConfigurationError(f"{name} is too short to protect anything; use 16 random characters or more.")


def l1(value: object, name: str) -> int | None:
    off = value is None or value is False or (isinstance(value, str) and value.strip().lower() in _OFF[:-1])
    return None if off else parse_size(value, name)


def url(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} is a {type(value).__name__}; write redis://host:6379/0.")
    from evercache.core.url import parse_url  # a cache without an address needs none of it

    parse_url(value, name)
    return value


def address_map(value: object, name: str) -> tuple[tuple[Address, Address], ...]:
    if isinstance(value, tuple):
        return cast("tuple[tuple[Address, Address], ...]", value)  # parsed before, on its way through `changed`
    from evercache.core.url import parse_address

    pairs = [part.partition("=")[::2] for part in str(value).split(",") if part]
    try:
        return tuple((parse_address(here, name), parse_address(there, name)) for here, there in pairs)
    except ConfigurationError:
        raise ConfigurationError(f"{name}={value!r} can't be read; write 10.0.0.5:6379=redis.example:16379.") from None
