"""The calls that name their key themselves: get, set, get_or_load, get_many_or_load.

A key is a text, which stands readable in Redis ("tasks:open"), or a tuple of a text and more, of which only the first
does: ("user", email). Values of one key are kept by type: who sets with a type reads with the same one.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Any

from evercache.core.course import Loaded
from evercache.core.keys import part
from evercache.core.options import Options, as_seconds
from evercache.decorators.templates import Templates
from evercache.decorators.workshop import Workshop
from evercache.engine.airfield import Airfield
from evercache.engine.engine import Engine
from evercache.engine.gate import lent
from evercache.engine.invalidation import Confirmation
from evercache.engine.loading import MISSING, current
from evercache.engine.recording import current_recorder
from evercache.engine.site import Arguments, Site
from evercache.errors import ConfigurationError

__all__ = ["Direct", "KeyLike"]

KeyLike = str | tuple[Any, ...]  # Any: what an argument of a cached function could be
BATCH_PATIENCE = 0.005
"""Seconds that a batch waits for keys that are still looked up, once the first one has to be loaded."""


class Direct:
    """The direct calls of one (named) cache."""

    def __init__(self, workshop: Workshop, name: str, defaults: Options) -> None:
        self.workshop = workshop
        self.defaults = defaults
        self.engine = workshop.engine
        self.name = name
        self._said = _said(defaults)

    # -- calls ---------------------------------------------------------------------------------------------------

    async def get(self, key: KeyLike, annotation: object) -> Any:
        site, place, arguments = self._call(key, Options(), annotation)
        return await self.engine.reader.peek(site, place, arguments, counted=True)

    async def get_or_load(
        self, key: KeyLike, load: Callable[[], Awaitable[Any]], options: Options, annotation: object
    ) -> Any:
        site, place, arguments = self._call(key, self._tagged(options), annotation, load)
        return await self.engine.reader.read(site, place, arguments)

    async def set(self, key: KeyLike, value: Any, options: Options, annotation: object) -> Confirmation:
        ttl = None if options.ttl is None else as_seconds(options.ttl, "set: ttl")
        # The ttl goes with the value: a site for each ttl that anybody says would be a site for each call.
        options = dataclasses.replace(self._tagged(options), ttl=None)
        site, place, arguments = self._call(key, options, _kind(value) if annotation is None else annotation)
        stored = await self.engine.reader.put(site, place, arguments, Loaded(value, ttl=ttl))
        return Confirmation.CONFIRMED if stored else Confirmation.PENDING

    async def drop(self, keys: Iterable[KeyLike], *, soft: bool = False) -> Confirmation:
        ids = []
        for key in keys:
            site, place, arguments = self._call(key, Options(), None)
            request = site.request(place, arguments)
            ids.append(request.key.id)
            site.stats.invalidations += 1
            for table in self.workshop.tables_of(self.name):
                self.engine.forget(table, place, soft=soft)
            if not self.engine.shares:
                self._forget_decorated(arguments[0][0], request.key.text, soft=soft)
        return await self.engine.invalidator.keys(ids, soft=soft)

    def _forget_decorated(self, name: str, text: str, *, soft: bool) -> None:
        """The entry of a decorated function whose key= this is: alone, L1 doesn't find those by their id."""
        for site in self.engine.sites_of(name):
            for place in [place for place in tuple(site.table) if site.text(place) == text]:
                self.engine.forget(site.table, place, soft=soft)

    async def get_many_or_load(
        self,
        name: str,
        ids: Iterable[Any],
        load_many: Callable[[list[Any]], Awaitable[Mapping[Any, Any]]],
        options: Options,
        annotation: object,
    ) -> dict[Any, Any]:
        """One value for each id that has one. What is missing is loaded by one call of *load_many*."""
        wanted, options = list(dict.fromkeys(ids)), self._tagged(options)
        airfield = self.engine.airfield()
        batch = Batch(load_many, wanted, self.engine, airfield)

        async def one(id: Any) -> Any:
            site, place, arguments = self._call((name, id), options, annotation, lambda: batch.load(id))
            try:
                return await self.engine.reader.read(site, place, arguments)
            finally:
                batch.settled(id)

        values = await asyncio.gather(*map(one, wanted), return_exceptions=True)
        failed = next((value for value in values if isinstance(value, BaseException)), None)
        if failed is not None:
            raise failed
        return {id: value for id, value in zip(wanted, values, strict=True) if value is not MISSING}

    # -- sites ---------------------------------------------------------------------------------------------------

    def _call(
        self, key: KeyLike, options: Options, annotation: object, load: Callable[[], Awaitable[Any]] | None = None
    ) -> tuple[Site, Hashable, Arguments]:
        words = self._words(key)
        tags = () if options.tags is None else options.tags
        if isinstance(tags, str) or not all(isinstance(tag, str) and tag for tag in tags):
            raise ConfigurationError(
                f"tags={tags!r}: those of a direct call are a list of texts that aren't empty; functions and templates "
                "belong to decorators."
            )
        place = words[0] if len(words) == 1 else (words[0], *map(part, words[1:]))
        return self._site(options, annotation), place, (words, tuple(tags), load)

    def _tagged(self, options: Options) -> Options:
        """*options* with the tags that the cache gives to whatever says nothing about tags."""
        inherited = self.defaults.tags
        if options.tags is not None or not inherited:
            return options
        where = f"a direct call of {self.name or 'the cache'}"
        if any(callable(tag) for tag in inherited):
            raise ConfigurationError(f"{where} can't call a tag function of its cache; give it tags= of its own.")
        return dataclasses.replace(options, tags=Templates(inherited, (), where).render(()))

    def _words(self, key: Any) -> tuple[Any, ...]:
        words: tuple[Any, ...] = (key,) if isinstance(key, str) else key if isinstance(key, tuple) else ()
        if not words or not isinstance(words[0], str) or not words[0]:
            raise ConfigurationError(f"a key is a text or a tuple that begins with one; not {type(key).__name__}.")
        return (f"{self.name}:{words[0]}", *words[1:]) if self.name else words

    def _site(self, options: Options, annotation: object) -> Site:
        sites = self.workshop.direct_sites
        place = self.name, annotation, self._said, _said(options)
        known = sites.get(place)
        if known is None:
            if len(sites) >= 1_000:
                sites.clear()
            known = sites[place] = self.workshop.site(
                self.name or "direct",
                options=self.defaults | _without_tags(options),
                annotation=annotation,
                load=_load,
                parts=lambda arguments: arguments[0][1:],
                tags=lambda arguments: arguments[1],
                indexed=True,
                table=self.workshop.table(self.name, annotation),
                named=lambda arguments: arguments[0][0],
            )
        return known


async def _load(_: object, __: object, load: Callable[[], Awaitable[Any]]) -> Any:
    return await load()


def _kind(value: object) -> object:
    """The type by which a value is kept when none is given: its class, if that is more than a builtin."""
    kind = type(value)
    return None if kind.__module__ in ("builtins", "datetime", "decimal", "uuid") else kind


def _without_tags(options: Options) -> Options:
    return Options(**{name: getattr(options, name) for name in Options.__slots__ if name != "tags"})


def _said(options: Options) -> tuple[Any, ...]:
    negative = options.negative_ttl
    frozen = tuple(negative.items()) if isinstance(negative, Mapping) else negative
    rest = (getattr(options, name) for name in Options.__slots__ if name not in ("tags", "negative_ttl"))
    return (frozen, *rest)


class Batch:
    """Gathers the ids of one `get_many_or_load` that have to be loaded, and loads them together.

    It goes as soon as every id has either been answered or asked for, and at the latest a few milliseconds after the
    first one asked: an id that another process is loading must not hold up the others.
    """

    def __init__(
        self,
        load_many: Callable[[list[Any]], Awaitable[Mapping[Any, Any]]],
        wanted: Iterable[Any],
        engine: Engine,
        airfield: Airfield,
    ) -> None:
        # What users return is looked at before it is believed.
        self._load_many: Callable[[list[Any]], Awaitable[object]] = load_many
        self._open = set(wanted)
        self._sleep = engine.clock.sleep
        self._spawn = airfield.spawn
        self._gate = airfield.gate
        self._engine = engine
        self._asked: dict[Any, asyncio.Future[Any]] = {}
        self._alarm: asyncio.Task[None] | None = None

    async def load(self, id: Any) -> Any:
        """The value of *id*, or MISSING if *load_many* had none."""
        future = self._asked[id] = asyncio.get_running_loop().create_future()
        self._open.discard(id)
        if not self._open:
            self._go()
        elif self._alarm is None:
            self._alarm = self._spawn(self._late(), "waits for more of a batch")
        async with lent():  # the batch takes one turn for all of them
            value, made_of = await future
        if (recorder := current_recorder(self._engine)) is not None:
            # What the one load has read, each of its values is made of.
            recorder.note(made_of.tags, stale=made_of.stale, near=made_of.near)
        if value is MISSING:
            current().skip()
        return value

    def settled(self, id: Any) -> None:
        """*id* was answered without us."""
        self._open.discard(id)
        if not self._open and self._asked:
            self._go()

    async def _late(self) -> None:
        await self._sleep(BATCH_PATIENCE)
        self._alarm = None
        self._go()

    def _go(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        asked, self._asked = self._asked, {}
        if asked:
            self._spawn(self._run(asked), "loads a batch")

    async def _run(self, asked: dict[Any, asyncio.Future[Any]]) -> None:
        try:
            async with self._gate.turn():
                with self._engine.recording() as recorder:
                    returned = await self._load_many(list(asked))
            if not isinstance(returned, Mapping):
                raise ConfigurationError(f"load_many returned a {type(returned).__name__}; return a mapping by id.")
            values: Mapping[Any, Any] = returned
            answers = {id: values.get(id, MISSING) for id in asked}
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit):
            for future in asked.values():
                future.cancel()
            raise
        except BaseException as error:  # noqa: BLE001 - the loader's own, whatever its class; each caller gets it
            for future in asked.values():
                if not future.done():
                    future.set_exception(error)
            return
        for id, future in asked.items():
            if not future.done():
                future.set_result((answers[id], recorder))
