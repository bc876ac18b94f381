"""One rule: of which events, on which condition, what is to be forgotten. Checked when it is written down."""

from __future__ import annotations

import string
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple

from evercache.decorators.cached import Cached
from evercache.decorators.methods import BoundMethod
from evercache.decorators.templates import Templates
from evercache.errors import ConfigurationError
from evercache.rules.names import names_of

__all__ = ["CallRule", "Place", "TagRule"]

_FORMATTER = string.Formatter()


class Place(NamedTuple):
    """One cached call: its function, and its place in L1."""

    cached: Cached
    key: Hashable
    arguments: tuple[Any, ...]


class _Rule:
    def __init__(self, event: type, when: Callable[[Any], object] | None) -> None:
        if when is not None and not callable(when):
            raise ConfigurationError(
                f"on({event.__name__}): when={when!r} is no function; it is called with the event."
            )
        self.event = event
        self.when = when

    def applies(self, event: object) -> bool:
        """Whether its condition holds. What the condition raises is an error of the whole publication."""
        if self.when is None:
            return True
        try:
            return bool(self.when(event))
        except Exception as error:
            raise ConfigurationError(
                f"the condition of {self} failed ({type(error).__name__}); nothing was sent."
            ) from error


class TagRule(_Rule):
    """Forgets (*soft*: makes stale) what carries a tag that the event gives."""

    def __init__(
        self,
        event: type,
        target: str | Callable[[Any], str | Iterable[str]],
        when: Callable[[Any], object] | None,
        *,
        soft: bool,
    ) -> None:
        super().__init__(event, when)
        self.soft = soft
        self._target = target
        self._fields: tuple[str, ...] = ()
        if not callable(target):
            self._fields = _fields_of(event, target)
            self._templates = Templates([target], self._fields, f"on({event.__name__})")

    def tags(self, event: object) -> tuple[str, ...]:
        """The names of the tags. Raises ConfigurationError if the event doesn't give them."""
        try:
            if callable(self._target):
                return _texts(self._target(event))
            return self._templates.render(tuple(_value(event, field) for field in self._fields))
        except Exception as error:
            raise ConfigurationError(
                f"{self} can't be filled in ({type(error).__name__}); nothing was sent."
            ) from error

    def __str__(self) -> str:
        target = self._target
        shown = repr(target) if isinstance(target, str) else getattr(target, "__qualname__", "a function")
        return f"on({self.event.__name__}).{'expire' if self.soft else 'invalidate'}({shown})"


class CallRule(_Rule):
    """Forgets the answer to one call of a cached function."""

    def __init__(
        self,
        event: type,
        function: Callable[..., Any],
        arguments: Callable[[Any], object],
        when: Callable[[Any], object] | None,
    ) -> None:
        super().__init__(event, when)
        self._bound: tuple[object, ...] = ()
        if isinstance(function, BoundMethod):
            self._bound = (function.__self__,)
            function = function.func
        cached = getattr(function, "_cached", None)
        if not isinstance(cached, Cached):
            shown = getattr(function, "__qualname__", type(function).__name__)
            raise ConfigurationError(f"on({event.__name__}): {shown} is not cached, so there is nothing to forget.")
        if not callable(arguments):
            raise ConfigurationError(f"on({event.__name__}): arguments= is a function that makes them of the event.")
        self.cached = cached
        self._arguments = arguments

    def place(self, event: object) -> Place:
        """The call. Raises ConfigurationError if the event doesn't give its arguments."""
        try:
            given = self._arguments(event)
            if isinstance(given, Mapping):
                key, arguments = self.cached.bind(*self._bound, **given)
            else:
                key, arguments = self.cached.bind(*self._bound, *(given if isinstance(given, tuple) else (given,)))
        except Exception as error:
            raise ConfigurationError(f"{self} can't be called ({type(error).__name__}); nothing was sent.") from error
        return Place(self.cached, key, arguments)

    def __str__(self) -> str:
        return f"on({self.event.__name__}).invalidate_call({self.cached.name})"


def _value(event: object, field: str) -> object:
    return event[field] if isinstance(event, Mapping) else getattr(event, field)


def _texts(made: object) -> tuple[str, ...]:
    if isinstance(made, str):
        return (_text(made),)
    if not isinstance(made, Iterable):
        raise TypeError("neither a text nor several")
    return tuple(map(_text, made))


def _text(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise TypeError("tags are texts that aren't empty")
    return name


def _fields_of(event: type, template: object) -> tuple[str, ...]:
    """The first names of the fields of *template*, all of them names of the event."""
    if not isinstance(template, str) or not template:
        raise ConfigurationError(f"on({event.__name__}): a tag is a text that isn't empty, or a function.")
    try:
        fields = [field for _, field, _, _ in _FORMATTER.parse(template) if field is not None]
    except ValueError as error:
        raise ConfigurationError(f"on({event.__name__}): the tag {template!r} can't be read: {error}.") from None
    names = tuple(dict.fromkeys(field.partition(".")[0].partition("[")[0] for field in fields))
    known = names_of(event)
    for name in names:
        if known is not None and name and name not in known:
            raise ConfigurationError(
                f"on({event.__name__}): the tag {template!r} uses {name!r}, which a {event.__name__} doesn't have; it has "
                f"{', '.join(sorted(known)) or 'nothing'}."
            )
    return names
