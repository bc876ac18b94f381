"""`Rules`: which events make the cache forget what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from evercache.cache import Cache
from evercache.engine.engine import Engine
from evercache.engine.invalidation import Confirmation
from evercache.errors import ConfigurationError
from evercache.rules.count import Count, count
from evercache.rules.results import Published
from evercache.rules.rule import CallRule, Place, TagRule

__all__ = ["On", "Rules"]

E = TypeVar("E")


class On(Generic[E]):
    """What to do about events of one class, and of those below it. Each method adds rules and returns the same object."""

    def __init__(self, event: type[E], rules: list[TagRule | CallRule], engine: Engine) -> None:
        self._event = event
        self._rules = rules
        self._engine = engine

    def invalidate(
        self, *tags: str | Callable[[E], str | Iterable[str]], when: Callable[[E], object] | None = None
    ) -> On[E]:
        """Forget what carries one of *tags*: texts with the event's fields ("project:{project_id}"), or functions of the
        event that give one text or several. Only where *when* says so, if it is given."""
        return self._add(tags, when, soft=False)

    def expire(
        self, *tags: str | Callable[[E], str | Iterable[str]], when: Callable[[E], object] | None = None
    ) -> On[E]:
        """The same, but make it stale: `stale_for` and `fail_safe` may still use it."""
        return self._add(tags, when, soft=True)

    def invalidate_call(
        self,
        function: Callable[..., Any],
        arguments: Callable[[E], object],
        *,
        when: Callable[[E], object] | None = None,
    ) -> On[E]:
        """Forget the answer to one call of a cached function. *arguments* makes them of the event: a tuple is all of
        them, a mapping the keyword arguments, anything else the one argument."""
        rule = CallRule(self._event, function, arguments, when)
        if rule.cached.workshop is not None and rule.cached.engine is not self._engine:
            raise ConfigurationError(f"{rule}: the function belongs to another cache; it has rules of its own.")
        self._rules.append(rule)
        return self

    def _add(
        self,
        tags: tuple[str | Callable[[E], str | Iterable[str]], ...],
        when: Callable[[E], object] | None,
        *,
        soft: bool,
    ) -> On[E]:
        if not tags:
            raise ConfigurationError(f"on({self._event.__name__}): without a tag there is nothing to forget.")
        self._rules += [TagRule(self._event, tag, when, soft=soft) for tag in tags]
        return self


class Rules:
    """The rules of one cache. Write them down where the application is put together; publish where something happens.

    Publish after the change is committed: a reader could load the old data again in between.
    """

    def __init__(self, cache: Cache) -> None:
        self._engine: Engine = cache.engine
        self._rules: dict[type, list[TagRule | CallRule]] = {}

    def on(self, event: type[E]) -> On[E]:
        """What to do about events of this class, and of those below it."""
        _demand_class(event)
        return On(event, self._rules.setdefault(event, []), self._engine)

    async def publish(self, *events: object, counted: bool = True) -> Published:
        """Carry out the rules for *events*: all of them together, in one round trip, whatever their number.

        - Conditions, tags and arguments of all events are made first: if one of them can't be, ConfigurationError is
          raised and nothing at all is sent.
        - An event without a rule is fine, and does nothing.
        - `counted=False` saves the counting of keys (at most about 5 ms) and says 0, estimated.
        """
        engine = self._engine
        began = engine.clock.monotonic()
        order = _Order()
        for event in events:
            order.note(event, self._applying(event))
        hard, soft = (sorted({engine.tag_id(name) for name in names}) for names in order.tags())
        keys = {_id(place): place for place in order.places}
        number = self._count({*hard, *soft}, keys.values()) if counted else Count(0, exact=False)
        confirmation = await self._send(hard, soft, keys)
        published = Published(
            events=tuple(type(event).__name__ for event in events),
            rules=order.rules,
            tags=len(hard) + len(soft),
            calls=len(keys),
            invalidated_keys=number.keys,
            exact=number.exact,
            confirmation=confirmation,
            duration_seconds=engine.clock.monotonic() - began,
            timestamp=datetime.fromtimestamp(engine.clock.wall(), UTC),
        )
        self._tell(published)
        return published

    def describe(self) -> list[str]:
        """Every rule in a line, for people."""
        return [f"{rule}{' when ...' if rule.when else ''}" for rules in self._rules.values() for rule in rules]

    def _applying(self, event: object) -> list[TagRule | CallRule]:
        found = (rule for cls in type(event).__mro__ for rule in self._rules.get(cls, ()))
        return [rule for rule in found if rule.applies(event)]

    def _count(self, tags: set[bytes], places: Iterable[Place]) -> Count:
        return count(self._engine, tags, {(id(place.cached.prepared().table), place.key) for place in places})

    async def _send(self, hard: list[bytes], soft: list[bytes], keys: dict[bytes, Place]) -> Confirmation:
        """Everything leaves in the same turn of the loop."""
        invalidator = self._engine.invalidator
        for place in keys.values():
            site = place.cached.prepared()
            site.stats.invalidations += 1
            self._engine.forget(site.table, place.key)
        sending = [
            *([invalidator.tags(hard)] if hard else []),
            *([invalidator.tags(soft, soft=True)] if soft else []),
            *([invalidator.keys(list(keys))] if keys else []),
        ]
        confirmed = await asyncio.gather(*sending)
        return Confirmation.CONFIRMED if all(confirmed) else Confirmation.PENDING

    def _tell(self, published: Published) -> None:
        hooks = self._engine.hooks
        if hooks.observers:
            from evercache.core.events import EventsPublished

            hooks.emit(
                EventsPublished(
                    published.events,
                    published.rules,
                    published.tags,
                    published.calls,
                    published.invalidated_keys,
                    published.exact,
                    published.confirmation.value,
                    published.duration_seconds,
                )
            )


class _Order:
    """What the rules say about some events."""

    def __init__(self) -> None:
        self.rules = 0
        self.places: list[Place] = []
        self._hard: set[str] = set()
        self._soft: set[str] = set()

    def note(self, event: object, rules: list[TagRule | CallRule]) -> None:
        self.rules += len(rules)
        for rule in rules:
            if isinstance(rule, CallRule):
                self.places.append(rule.place(event))
            else:
                (self._soft if rule.soft else self._hard).update(rule.tags(event))

    def tags(self) -> tuple[set[str], set[str]]:
        """To be forgotten, and to be made stale: what is forgotten need not be made stale."""
        return self._hard, self._soft - self._hard


def _demand_class(event: object) -> None:
    if not isinstance(event, type):
        raise ConfigurationError(f"on({event!r}): an event is an object of a class; give the class.")


def _id(place: Place) -> bytes:
    return place.cached.prepared().request(place.key, place.arguments).key.id
