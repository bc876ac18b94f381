"""The steps of a flight that are done in the process itself, and a loader that takes its time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from typing import Any, NamedTuple

from evercache.core.course import Decode, Encode, Failed, Load, Loaded
from evercache.core.flight import Flight
from evercache.core.protocol import Key, Renew
from evercache.core.record import Record
from evercache.errors import CodecError, StoreUnavailable
from tests.simulation.history import Value, Violation

__all__ = ["Flow", "Part", "Pilot"]

Flow = Generator[Any, Any, Any]


class Part(NamedTuple):
    """What a read has brought: the value, whether it is stale, and what of it may lag behind, as L1 may."""

    value: Value
    stale: bool
    near: tuple[bytes, ...] = ()


class Pilot:
    """Drives courses. The process adds who it is and which tags its keys declare."""

    world: Any
    declared: dict[bytes, tuple[bytes, ...]]

    def drive(self, key: Key, flight: Flight, course: Flow, given: Loaded | None = None) -> Flow:
        """Answer the local steps of a course, pass its commands on.

        A *given* value counts as loaded when the store hears of it first: who puts is a writer, and writers are ordered
        by the store.
        """
        world = self.world
        reply: Any = None
        error: Exception | None = None
        for _ in range(100):
            try:
                step = course.throw(error) if error is not None else course.send(reply)
            except StopIteration as stop:
                return stop.value
            reply = error = None
            try:
                match step:
                    case Load():
                        reply = yield from self.load(key, step)
                    case Encode():
                        reply = self.encode(key, step.loaded)
                    case Decode():
                        reply = self.decode(step.record)
                    case _:
                        reply = yield step
                        if given is not None:
                            given.value.began, given = world.current.executed, None
            except (StoreUnavailable, CodecError) as failure:
                error = failure
        raise Violation(f"Rounds: the flight {flight} goes on for ever")

    def load(self, key: Key, step: Load) -> Flow:
        """A loader: looks at the truth at one moment, and takes its time before and after."""
        world, dice = self.world, self.world.dice
        began = world.tick
        yield None
        while dice() < 0.35:
            yield None
        if dice() < world.mix.slow:
            yield int(dice() * 3 * world.terms.lease)  # longer than a lease, now and then
        if step.begun is not None and step.begun.generation is not None and dice() < 0.15:
            with suppress(StoreUnavailable):
                yield Renew(key, step.begun.generation, b"?", world.terms)
        parts = []
        for inner in world.inner(key):
            part = yield from self.read(inner)
            if part is None:
                return Failed(LookupError("what it is made of could not be read"))  # nobody here catches it
            parts.append(part)
        chance = dice()
        if chance < 0.02:
            return Failed(LookupError("no such row"))
        loaded = self.made_of(parts, world.loaded(key, began))
        loaded.skip = loaded.skip or chance > 0.98
        loaded.keep = step.spare is not None and dice() < world.mix.keep
        if loaded.keep and not parts and dice() < 0.7:
            loaded.tags = loaded.named = ()
        return loaded

    def made_of(self, parts: list[Part], loaded: Any) -> Any:
        """What the engine's recorder adds to a value that was made of *parts*."""
        if not parts:
            return loaded
        loaded.parts = loaded.value.parts = tuple([part.value for part in parts])
        ids = {tag for part in parts for tag in part.value.tags}
        loaded.tags = loaded.named = tuple(sorted(ids.union(loaded.tags)))
        loaded.value.tags = tuple(sorted(ids.union(loaded.value.tags)))
        near = {id for part in parts for id in part.near}
        loaded.near = tuple(sorted(ids | near)) if near else ()
        loaded.stale = loaded.skip = any(part.stale for part in parts)
        return loaded

    def encode(self, key: Key, loaded: Loaded) -> tuple[Record, int | None]:
        world = self.world
        if world.dice() < 0.01 and not world.alone:
            raise CodecError("cannot be encoded")
        ttl = world.ttl
        value = loaded.value
        if loaded.keep:
            tags = tuple(sorted({*self.declared[key.id], *loaded.tags}))
            value = Value(key.id, loaded.began, tags, parts=loaded.parts)
        if ttl is None:
            return Record(world.unique(b"f"), b"", b"", born=world.now, payload=value), None
        value.fresh_until = world.now + ttl
        record = Record(world.unique(b"f"), b"", b"", born=world.now, fresh_until=value.fresh_until, payload=value)
        return record, ttl + max(world.stale_for, world.fail_safe)

    def decode(self, record: Record) -> Value:
        if self.world.dice() < 0.005:
            raise CodecError("cannot be read")
        return record.payload
